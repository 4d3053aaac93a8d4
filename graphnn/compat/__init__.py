"""Other libraries' interfaces on top of graphnn's."""
