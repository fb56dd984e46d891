"""The managed identity endpoints: the instance metadata service of machines, and the App Service one."""
