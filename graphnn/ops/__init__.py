"""Operators, one family a file: signature, shape rule, dtype rule, gradient."""

from importlib import import_module

FAMILIES = (
    "arithmetic",
    "compare",
    "unary",
    "binary",
    "identity",
    "activation",
    "reduce",
    "shape",
    "join",
    "pad",
    "linalg",
    "indexing",
    "order",
    "gather",
    "crop",
    "rearrange",
    "matrix",
    "trian",
    "attention",
    "create",
    "small",
    "random",
    "density",
    "custom",
    "loss",
    "norm",
    "samplenorm",
    "conv",
    "pool",
    "resize",
    "rnn",
    "spatial",
    "image",
    "detection",
    "region",
    "displace",
    "sequence",
    "ctc",
    "optimizer",
    "updates",
)


def load() -> None:
    """Import every family, which registers its operators."""
    for family in FAMILIES:
        import_module(f"graphnn.ops.{family}")
