"""A reader of text lines: columns of an image through bidirectional LSTM layers, trained by CTC.

Graves et al. 2009, "A Novel Connectionist System for Unconstrained Handwriting Recognition", with raw columns in place
of their features; the loss is that of Graves et al. 2006, "Connectionist Temporal Classification".
"""

from __future__ import annotations

from graphnn import sym
from graphnn.rnn import FusedRNNCell
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 10, hidden: int = 64, layers: int = 2, longest: int = 5, columns: int = 4) -> Symbol:
    """Give the loss (n,) of each strip and p(class) as (n, w / columns, num_classes + 1) for decoding.

    `data` (n, c, h, w) are strips, read `columns` at a time, by which w is divisible; `softmax_label` (n, longest) is
    what they say: classes from 1 on, and 0, the blank, to fill up behind, as MXNet's CTCLoss has it. Class 0 of the
    output is the blank. There must be a step for each class and one between two that are the same. The loss is through
    MakeLoss, the probabilities through BlockGrad.
    """
    label = sym.Variable("softmax_label", shape=(0, longest))
    net = sym.transpose(sym.Variable("data"), axes=(3, 0, 1, 2), name="columns")
    net = sym.Reshape(net, shape=(-4, -1, columns, 0, 0, 0), name="grouped")
    net = sym.transpose(net, axes=(0, 2, 1, 3, 4), name="steps")
    net = sym.Reshape(net, shape=(0, 0, -1), name="features")  # (w / columns, n, columns c h)
    cell = FusedRNNCell(hidden, layers, "lstm", bidirectional=True, prefix="lstm_")
    net, _ = cell.unroll(0, net, layout="TNC")  # all steps there are
    net = sym.FullyConnected(net, num_hidden=num_classes + 1, flatten=False, name="fc")
    loss = sym.MakeLoss(sym.CTCLoss(net, label, name="ctc"), name="loss")
    probabilities = sym.softmax(sym.swapaxes(net, dim1=0, dim2=1, name="by_strip"), axis=-1, name="softmax")
    return sym.Group([loss, sym.BlockGrad(probabilities, name="probabilities")])
