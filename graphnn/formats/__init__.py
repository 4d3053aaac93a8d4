"""File formats, one a file; every reader raises FormatError."""
