"""Connectionist temporal classification: CTCLoss, and WarpCTC, the plug-in of MXNet before 1.0.

Graves et al. 2006: the loss of a label is -log of the probability of all paths that give it once repeated classes are
joined and blanks taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ShapeError
from ..graph import Value, apply
from ..op import OPS, Op, PartialDTypes, PartialShapes
from ..types import Count, known, merge, show_shape
from .loss import softmax
from .shape import _reshape_to

__all__ = ["CTCLoss", "WarpCTC"]


class CTCLoss(Op):
    """y[n] = -log p(label[n] | softmax(x[:, n])) with x (t, n, classes), label (n, longest).

    Class 0 is the blank, with blank_label last the last class. A label ends at its first 0 (last: -1), or after
    label_lengths (n,); the sequence after data_lengths (n,). A label that no path gives, and one with a class out of
    range, has the loss 0 and no gradient. dx = g times the hidden output: softmax(x) less the expected share of each
    class, 0 beyond the sequence.
    """

    use_data_lengths: bool = False
    use_label_lengths: bool = False
    blank_label: Literal["first", "last"] = "first"
    inputs = ("data", "label", "data_lengths", "label_lengths")
    outputs = ("output0", "output1")
    aliases = ("_contrib_CTCLoss", "_contrib_ctc_loss", "ctc_loss")

    @property
    def num_visible(self) -> int:
        return 1

    def input_names(self, count: int | None = None) -> tuple[str, ...]:
        lengths = (("data_lengths", self.use_data_lengths), ("label_lengths", self.use_label_lengths))
        return (*self.inputs[:2], *(name for name, used in lengths if used))

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        for name, s, ndim in (("data", ins[0], 3), ("label", ins[1], 2), *((n, s, 1) for n, s in self._lengths(ins))):
            if s is not None and len(s) != ndim:
                raise ShapeError(f"{name} must have {ndim} axes, got {show_shape(s)}")
        t, n, c = merge(ins[0], outs[1]) or (0, 0, 0)
        rows = merge((n,), outs[0])
        for _, s in self._lengths(ins):
            rows = merge(rows, s)
        label = merge(ins[1], (*(rows or (0,)), 0)) or (0, 0)
        if t and label[1] > t:
            raise ShapeError(f"labels of {label[1]} classes are longer than the {t} steps of data")
        data = (t, label[0], c)
        return [data, label, *[label[:1]] * (len(ins) - 2)], [label[:1], data]

    def _lengths(self, ins: PartialShapes) -> list[tuple[str, Any]]:
        return list(zip(self.input_names()[2:], ins[2:], strict=True))

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        (one,), same = super().infer_dtype(ins[:1], outs)
        return [one, *(d or one for d in ins[1:])], same

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        g = _reshape_to((1, *gs[0].shape, 1))(gs[0])
        return [OPS["broadcast_mul"]()(ys[1], g), *[None] * (len(xs) - 1)]


class WarpCTC(Op):
    """y = softmax(x) with x (t n, classes), step by step; whatever gradient comes in, that of CTCLoss is sent back.

    t is input_length; label (n, label_length), or as many in a row, with blank 0 at the ends.
    """

    label_length: Count
    input_length: Count
    inputs = ("data", "label")
    is_loss = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        x, label = merge(ins[0], outs[0]), ins[1]
        if x is None:
            return ins, outs
        if len(x) != 2 or x[0] % self.input_length:
            raise ShapeError(f"data must be (a multiple of {self.input_length}, classes), got {show_shape(x)}")
        n = x[0] // self.input_length
        wanted = (n, self.label_length)
        if label is None or len(label) == 2:
            label = merge(label, wanted)
        elif len(label) == 1:
            label = merge(label, (n * self.label_length,))
        elif known(label):
            raise ShapeError(f"label must be {show_shape(wanted)} or in a row, got {show_shape(label)}")
        return [x, label], [x]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        (one,), same = super().infer_dtype(ins[:1], outs)
        return [one, ins[1] or one], same

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value | None:
        return None if is_train else softmax()(xs[0])

    def decompose(self, *xs: Value) -> Value:
        return softmax()(xs[0])

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        x, label = xs
        n = x.shape[0] // self.input_length
        data = _reshape_to((self.input_length, n, x.shape[1]))(x)
        node = apply(CTCLoss(), data, _reshape_to((n, self.label_length))(label))
        return _reshape_to(x.shape)(Value(node, 1)), None
