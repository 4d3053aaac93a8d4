"""A language model: token after token through LSTM layers (Zaremba et al. 2014, "RNN Regularization")."""

from __future__ import annotations

from graphnn import sym
from graphnn.rnn import FusedRNNCell
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(
    num_classes: int = 27, embedding: int = 64, hidden: int = 128, layers: int = 2, dropout: float = 0.0
) -> Symbol:
    """Give p(next token) as (n t, num_classes) for tokens `data` (n, t), whole numbers under `num_classes`.

    `softmax_label` (n, t) holds the token after each; rows of the output are in its order. States are 0 before a row's
    first token: rows are independent, where the paper carries states from one to the next. The paper's small network
    has 200 and 200 for 10,000 words; the defaults are for characters. `dropout` is behind the embedding, between layers
    and before the last one.
    """
    data, label = sym.Variable("data"), sym.Variable("softmax_label")
    net = sym.Embedding(data, input_dim=num_classes, output_dim=embedding, name="embedding")
    cell = FusedRNNCell(hidden, layers, "lstm", dropout=dropout, prefix="lstm_")
    net, _ = cell.unroll(0, _dropped(net, dropout, "drop0"), layout="NTC")  # all steps there are
    net = sym.Reshape(_dropped(net, dropout, "drop1"), shape=(-3, 0), name="rows")
    net = sym.FullyConnected(net, num_hidden=num_classes, name="fc")
    label = sym._internal._identity_with_attr_like_rhs(label, data, name="label")  # so its shape is known from data's
    return sym.SoftmaxOutput(net, sym.Reshape(label, shape=(-1,), name="label_rows"), name="softmax")


def _dropped(x: Symbol, p: float, name: str) -> Symbol:
    return sym.Dropout(x, p=p, name=name) if p else x
