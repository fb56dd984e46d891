"""The kind application_secret: a secret on an application that stays."""
