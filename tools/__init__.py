"""Command lines: thin, every one `main(argv) -> int`."""

if __name__ != "graphnn.tools":
    raise ImportError("import graphnn.tools, not tools (install the checkout with `pip install -e .`)")
