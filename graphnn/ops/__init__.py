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
    "create",
    "loss",
    "norm",
    "samplenorm",
    "conv",
    "pool",
    "resize",
    "rnn",
    "sequence",
    "ctc",
    "optimizer",
)


def load() -> None:
    """Import every family, which registers its operators."""
    for family in FAMILIES:
        import_module(f"graphnn.ops.{family}")
