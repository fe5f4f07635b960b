"""The statements of the access log: one named and described statement a file."""
