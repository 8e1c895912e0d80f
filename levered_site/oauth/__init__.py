"""The built-in authorization server, for installations without an identity provider: clients sign in with it."""
