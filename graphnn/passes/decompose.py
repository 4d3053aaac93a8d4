"""Replace operators a backend lacks by their definition in simpler ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import BackendError
from ..graph import Node, Value, named_after, rewrite
from ..op import Op

__all__ = ["decompose"]


def decompose(supported: Callable[[Op], bool]) -> Callable[[Sequence[Value]], list[Value]]:
    """Make the pass for the operators that `supported` accepts; what remains without definition is an error."""

    def rule(node: Node, xs: tuple[Value, ...]) -> Value | Sequence[Value] | None:
        if node.op.is_variable or node.op.is_constant or node.op.view or supported(node.op):
            return None
        parts = node.op.decompose(*xs)
        if parts is None:
            raise BackendError(f"{node.name}: no kernel and no decomposition for the operator {node.op.name}")
        return rewrite(named_after(node, xs, [parts] if isinstance(parts, Value) else list(parts)), rule)

    return lambda outputs: rewrite(outputs, rule)
