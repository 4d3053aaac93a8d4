"""Backends: one package each, offering one object, `backend`."""

if __name__ != "graphnn.backends":
    raise ImportError("import graphnn.backends, not backends (install the checkout with `pip install -e .`)")
