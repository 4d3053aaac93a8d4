"""graphnn."""
