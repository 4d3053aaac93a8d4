"""How the RNN operator's one vector of parameters divides into the weights and biases of layers and gates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from ..errors import ParameterError

__all__ = ["GATES", "Division"]

# mode -> the ends of its gates' names, in the order of the vector
GATES = {
    "rnn_relu": ("",),
    "rnn_tanh": ("",),
    "lstm": ("_i", "_f", "_c", "_o"),
    "gru": ("_r", "_z", "_o"),
}


@dataclass(frozen=True)
class Division:
    """The parts of the vector: all weights by layer and direction, i2h before h2h, gate by gate; then the biases so."""

    num_hidden: int
    num_layers: int
    mode: str
    bidirectional: bool = False
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.mode not in GATES:
            raise ParameterError(f"mode must be one of {', '.join(GATES)}, got {str(self.mode)[:80]!r}")
        if not (0 < self.num_hidden < 2**31 and 0 < self.num_layers < 2**16):
            raise ParameterError(
                f"num_hidden and num_layers must be positive, got {self.num_hidden} and {self.num_layers}"
            )

    @property
    def gates(self) -> tuple[str, ...]:
        return GATES[self.mode]

    @property
    def directions(self) -> tuple[str, ...]:
        return ("l", "r") if self.bidirectional else ("l",)

    def pieces(self, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name the parts in order, with their shapes, for `width` inputs."""
        h = self.num_hidden
        for layer in range(self.num_layers):
            wide = width if layer == 0 else len(self.directions) * h
            for direction in self.directions:
                for group, columns in (("i2h", wide), ("h2h", h)):
                    for gate in self.gates:
                        yield f"{self.prefix}{direction}{layer}_{group}{gate}_weight", (h, columns)
        for layer in range(self.num_layers):
            for direction in self.directions:
                for group in ("i2h", "h2h"):
                    for gate in self.gates:
                        yield f"{self.prefix}{direction}{layer}_{group}{gate}_bias", (h,)

    def size(self, width: int) -> int:
        """How many numbers the vector has for `width` inputs."""
        return sum(prod(shape) for _, shape in self.pieces(width))

    def width(self, size: int) -> int:
        """How many inputs a vector of `size` numbers is for; ParameterError where it is for none."""
        h, d, m = self.num_hidden, len(self.directions), len(self.gates)
        per_gate, rest = divmod(size, d * h * m)
        width = per_gate - (self.num_layers - 1) * (h + d * h + 2) - h - 2
        if rest or width < 1:
            raise ParameterError(
                f"{self.prefix}parameters: {size} numbers are no {self.mode} of {self.num_layers} layers of {h} hidden "
                f"units, {d} directions"
            )
        return width

    def views(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Give the parts of a vector by name, sharing its memory."""
        at, found = 0, {}
        for name, shape in self.pieces(self.width(vector.size)):
            found[name] = vector[at : at + prod(shape)].reshape(shape)
            at += prod(shape)
        return found
