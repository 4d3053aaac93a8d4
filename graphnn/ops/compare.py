"""Comparisons and logic: 1 where true, 0 where false, in the inputs' dtype as in MXNet; no gradient flows."""

from __future__ import annotations

from ..graph import Value
from ..op import Op
from .arithmetic import Binary, Broadcast, Scalar

__all__ = ["compare"]

# Two tensors of one shape.


class _equal(Binary):
    """z = 1 where x == y, else 0."""

    aliases = ("_Equal",)


class _not_equal(Binary):
    """z = 1 where x != y, else 0."""

    aliases = ("_Not_Equal",)


class _greater(Binary):
    """z = 1 where x > y, else 0."""

    aliases = ("_Greater",)


class _greater_equal(Binary):
    """z = 1 where x >= y, else 0."""

    aliases = ("_Greater_Equal",)


class _lesser(Binary):
    """z = 1 where x < y, else 0."""

    aliases = ("_Lesser",)


class _lesser_equal(Binary):
    """z = 1 where x <= y, else 0."""

    aliases = ("_Lesser_Equal",)


class _logical_and(Binary):
    """z = 1 where x and y are not 0, else 0."""

    aliases = ("_Logical_And",)


class _logical_or(Binary):
    """z = 1 where x or y is not 0, else 0."""

    aliases = ("_Logical_Or",)


class _logical_xor(Binary):
    """z = 1 where one of x and y, not both, is not 0, else 0."""

    aliases = ("_Logical_Xor",)


# Two tensors, broadcast.


class broadcast_equal(Broadcast):
    """z = 1 where x == y, else 0, broadcast."""


class broadcast_not_equal(Broadcast):
    """z = 1 where x != y, else 0, broadcast."""


class broadcast_greater(Broadcast):
    """z = 1 where x > y, else 0, broadcast."""


class broadcast_greater_equal(Broadcast):
    """z = 1 where x >= y, else 0, broadcast."""


class broadcast_lesser(Broadcast):
    """z = 1 where x < y, else 0, broadcast."""


class broadcast_lesser_equal(Broadcast):
    """z = 1 where x <= y, else 0, broadcast."""


class broadcast_logical_and(Broadcast):
    """z = 1 where x and y are not 0, else 0, broadcast."""


class broadcast_logical_or(Broadcast):
    """z = 1 where x or y is not 0, else 0, broadcast."""


class broadcast_logical_xor(Broadcast):
    """z = 1 where one of x and y, not both, is not 0, else 0, broadcast."""


# A tensor and a scalar.


class _equal_scalar(Scalar):
    """y = 1 where x == scalar, else 0."""

    aliases = ("_EqualScalar",)


class _not_equal_scalar(Scalar):
    """y = 1 where x != scalar, else 0."""

    aliases = ("_NotEqualScalar",)


class _greater_scalar(Scalar):
    """y = 1 where x > scalar, else 0."""

    aliases = ("_GreaterScalar",)


class _greater_equal_scalar(Scalar):
    """y = 1 where x >= scalar, else 0."""

    aliases = ("_GreaterEqualScalar",)


class _lesser_scalar(Scalar):
    """y = 1 where x < scalar, else 0."""

    aliases = ("_LesserScalar",)


class _lesser_equal_scalar(Scalar):
    """y = 1 where x <= scalar, else 0."""

    aliases = ("_LesserEqualScalar",)


class _logical_and_scalar(Scalar):
    """y = 1 where x and scalar are not 0, else 0."""

    aliases = ("_LogicalAndScalar",)


class _logical_or_scalar(Scalar):
    """y = 1 where x or scalar is not 0, else 0."""

    aliases = ("_LogicalOrScalar",)


class _logical_xor_scalar(Scalar):
    """y = 1 where one of x and scalar, not both, is not 0, else 0."""

    aliases = ("_LogicalXorScalar",)


_TABLES: dict[str, tuple[type[Op], type[Op], type[Op]]] = {
    "==": (_equal, broadcast_equal, _equal_scalar),
    "!=": (_not_equal, broadcast_not_equal, _not_equal_scalar),
    ">": (_greater, broadcast_greater, _greater_scalar),
    ">=": (_greater_equal, broadcast_greater_equal, _greater_equal_scalar),
    "<": (_lesser, broadcast_lesser, _lesser_scalar),
    "<=": (_lesser_equal, broadcast_lesser_equal, _lesser_equal_scalar),
}


def compare(kind: str, a: Value, b: Value | float) -> Value:
    """Give `a kind b` of typed values, 1 or 0: by element, with broadcasting, or with a scalar."""
    same, mixed, scalar = _TABLES[kind]
    if not isinstance(b, Value):
        return scalar.from_params({"scalar": b})(a)
    return (same if a.shape == b.shape else mixed)()(a, b)
