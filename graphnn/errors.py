"""Every error graphnn raises on purpose; each is also the built-in exception a caller expects."""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BindError",
    "DTypeError",
    "DataNotFoundError",
    "DrawingError",
    "FormatError",
    "GraphError",
    "GraphnnError",
    "MissingExtraError",
    "NumericError",
    "ParameterError",
    "ShapeError",
    "WorkerError",
]


class GraphnnError(Exception):
    """Base of all errors that graphnn raises on purpose."""


class GraphError(GraphnnError, ValueError):
    """A graph that cannot be composed: a wrong number of inputs, an unknown name, a cycle."""


class ParameterError(GraphnnError, ValueError):
    """An operator, optimiser or data set given a parameter it does not have or cannot take."""


class ShapeError(GraphnnError, ValueError):
    """Shapes that do not fit, or that nothing determines."""


class DTypeError(GraphnnError, TypeError):
    """Data types that do not fit."""


class BindError(GraphnnError, ValueError):
    """Arrays that do not fit the graph they are bound to, or a call in the wrong order."""


class BackendError(GraphnnError, RuntimeError):
    """A backend that is missing, or that cannot run an operator."""


class FormatError(GraphnnError, ValueError):
    """A file that is not what it says: `path: where: reason`."""

    def __init__(self, path: object, where: str, reason: str) -> None:
        super().__init__(f"{path}: {where}: {reason}")
        self.path, self.where, self.reason = path, where, reason

    def __reduce__(self) -> tuple[type[FormatError], tuple[object, str, str]]:
        return FormatError, (self.path, self.where, self.reason)


class NumericError(GraphnnError, ArithmeticError):
    """A computation that came to infinity or to what is not a number."""


class DataNotFoundError(GraphnnError, FileNotFoundError):
    """A data set that is nowhere, with the places looked at and what to put where."""


class WorkerError(GraphnnError, RuntimeError):
    """A process that makes batches ended before its time."""


class DrawingError(GraphnnError, RuntimeError):
    """A picture that the renderer at hand cannot draw."""


class MissingExtraError(GraphnnError, ImportError):
    """An optional library that is not installed: `name` is needed for `what`; the extra of this package brings it."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {library}, of graphnn's extra {extra!r}: pip install -e '.[{extra}]' in a checkout"
        )
        self.what, self.library, self.extra = what, library, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return MissingExtraError, (self.what, self.library, self.extra)
