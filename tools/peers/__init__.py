"""Other programs that run a symbol's network, to time against: one a file, operators by a table.

A peer's library is imported when one of its runners is made.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from graphnn.tools.runners import Case, Runner

__all__ = ["PEERS", "Peer", "load", "make", "missing"]


class Peer(NamedTuple):
    """The file here that has `runner(case, *arguments)`, the libraries it needs, and whether it trains."""

    module: str
    libraries: tuple[str, ...]
    trains: bool
    arguments: tuple[str, ...] = ()


PEERS = {
    "torch": Peer("torch", ("torch",), True, ("eager",)),
    "torch-last": Peer("torch", ("torch",), True, ("last",)),
    "torch-compile": Peer("torch", ("torch",), True, ("compile",)),
    "jax": Peer("jax", ("jax",), True),
    "onnxruntime": Peer("onnx", ("onnx", "onnxruntime"), False),
    "openvino": Peer("openvino", ("onnx", "openvino"), False),
}


def missing(name: str) -> Sequence[str]:
    """Give the libraries of a peer that are not installed."""
    return [library for library in PEERS[name].libraries if find_spec(library) is None]


def load(name: str) -> None:
    """Import a peer's libraries."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # a benchmark reports to nobody else
    for library in PEERS[name].libraries:
        import_module(library)


def make(name: str, case: Case) -> Runner:
    """Make the runner of a peer; raise BackendError for a network that it does not know."""
    load(name)
    module, _, _, arguments = PEERS[name]
    runner: Runner = import_module(f"graphnn.tools.peers.{module}").runner(name, case, *arguments)
    return runner
