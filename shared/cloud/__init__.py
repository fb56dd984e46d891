"""Azure as the broker reaches it: the only importer of Azure's SDKs, of HTTP and of JWT. Each module is loaded on first use."""
