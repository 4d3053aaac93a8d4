"""Networks: one family a file, each with `get_symbol(num_classes, ...)`."""

if __name__ != "graphnn.models":
    raise ImportError("import graphnn.models, not models (install the checkout with `pip install -e .`)")
