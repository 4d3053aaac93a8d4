"""mx.rnn: graphnn's recurrent cells, giving symbols of mx.sym's kind."""

from __future__ import annotations

import sys
from typing import Any

from ... import rnn as native
from ...data import DataBatch
from ...symbol import Symbol as Core
from .executor import wrapped
from .ndarray import NDArray
from .symbol import Symbol, zeros

__all__ = [
    "BaseConvRNNCell",
    "BaseRNNCell",
    "BidirectionalCell",
    "BucketSentenceIter",
    "ConvGRUCell",
    "ConvLSTMCell",
    "ConvRNNCell",
    "DropoutCell",
    "FusedRNNCell",
    "GRUCell",
    "LSTMCell",
    "ModifierCell",
    "RNNCell",
    "RNNParams",
    "ResidualCell",
    "SequentialRNNCell",
    "ZoneoutCell",
    "do_rnn_checkpoint",
    "encode_sentences",
    "load_rnn_checkpoint",
    "save_rnn_checkpoint",
]

RNNParams = native.RNNParams
encode_sentences = native.encode_sentences
do_rnn_checkpoint, save_rnn_checkpoint = native.do_rnn_checkpoint, native.save_rnn_checkpoint
io = rnn_cell = sys.modules[__name__]  # mx.rnn.io and mx.rnn.rnn_cell
BaseRNNCell, BaseConvRNNCell, ModifierCell = native.BaseRNNCell, native.BaseConvRNNCell, native.ModifierCell


def _own(found: Any) -> Any:
    """Give symbols, in lists and tuples too, as this interface's."""
    if isinstance(found, Core):
        return Symbol(found.values)
    return type(found)(map(_own, found)) if isinstance(found, (list, tuple)) else found


class _Own:
    """What a cell gives, as symbols and arrays of this interface."""

    def __call__(self, inputs: Any, states: Any) -> Any:
        """Make one step."""
        return _own(super().__call__(inputs, states))  # type: ignore[misc]

    def unroll(self, *args: Any, **kwargs: Any) -> Any:
        """Make so many steps."""
        return _own(super().unroll(*args, **kwargs))  # type: ignore[misc]

    def begin_state(self, *args: Any, **kwargs: Any) -> Any:
        """Give the states before the first step."""
        if not args:
            kwargs.setdefault("func", zeros)
        return _own(super().begin_state(*args, **kwargs))  # type: ignore[misc]

    def unpack_weights(self, args: Any) -> Any:
        """Give each gate arrays of its own."""
        return {k: v if isinstance(v, NDArray) else NDArray(v) for k, v in super().unpack_weights(args).items()}  # type: ignore[misc]

    def pack_weights(self, args: Any) -> Any:
        """Undo unpack_weights()."""
        return {k: v if isinstance(v, NDArray) else NDArray(v) for k, v in super().pack_weights(args).items()}  # type: ignore[misc]


def _define(kind: type[Any]) -> Any:
    """Make the class of this interface for one of graphnn's cells."""
    return type(kind.__name__, (_Own, kind), {"__doc__": kind.__doc__, "__module__": __name__})


RNNCell, LSTMCell, GRUCell = _define(native.RNNCell), _define(native.LSTMCell), _define(native.GRUCell)
SequentialRNNCell, BidirectionalCell = _define(native.SequentialRNNCell), _define(native.BidirectionalCell)
DropoutCell, ResidualCell, ZoneoutCell = (
    _define(native.DropoutCell), _define(native.ResidualCell), _define(native.ZoneoutCell),
)  # fmt: skip
ConvRNNCell, ConvLSTMCell, ConvGRUCell = (
    _define(native.ConvRNNCell), _define(native.ConvLSTMCell), _define(native.ConvGRUCell),
)  # fmt: skip
FusedRNNCell = _define(native.FusedRNNCell)


def load_rnn_checkpoint(cells: Any, prefix: str, epoch: int) -> Any:
    """Read what save_rnn_checkpoint() wrote."""
    symbol, arg, aux = native.load_rnn_checkpoint(cells, prefix, epoch)
    return _own(symbol), {k: NDArray(v) if not isinstance(v, NDArray) else v for k, v in arg.items()}, wrapped(aux)


class BucketSentenceIter(native.BucketSentenceIter):
    """See graphnn.rnn.BucketSentenceIter; batches hold NDArrays."""

    def next(self) -> DataBatch:
        """Give the next batch."""
        batch = super().next()
        batch.data = [NDArray(a) for a in batch.data]  # type: ignore[misc]
        batch.label = [NDArray(a) for a in batch.label or ()]  # type: ignore[misc]
        return batch
