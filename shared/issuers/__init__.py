"""What mints: a file for each kind of credential. None imports another, or anything of Azure's."""
