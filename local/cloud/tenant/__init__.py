"""What the tenant holds, as data that several services share: the directory, Azure resources, who is who."""
