"""An operator of your own: a class with its rules and a NumPy kernel; from then on it is one like any other.

Run it: python docs/own_operator.py
"""

import numpy as np

from graphnn import sym
from graphnn.backends.numpy import kernel
from graphnn.op import Op
from graphnn.ops.activation import sigmoid


class Swish(Op):
    """y = x s with s = 1 / (1 + e^(-beta x))."""

    beta: float = 1.0  # fields are the parameters
    inputs = ("data",)

    def shapes(self, x):
        return [x]

    def grad(self, xs, ys, gs):  # dy/dx = s + beta y (1 - s), written with operators
        s = sigmoid()(xs[0] * self.beta)
        return [gs[0] * (s + ys[0] * (1.0 - s) * self.beta)]


@kernel(Swish)
def swish(op, x, y):  # fills y, which is planned memory, and makes no array
    np.exp(np.multiply(x, -op.beta, out=y), out=y)
    np.divide(x, np.add(y, 1, out=y), out=y)


# That was it. It composes, names itself, infers shapes, differentiates, and goes into files as Swish{beta=2.0}.

net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc")
net = sym.Swish(net, beta=2, name="swish")
print(net.list_outputs(), net.infer_shape(data=(3, 5))[1])
assert sym.load_json(net.tojson()).tojson() == net.tojson()

rng = np.random.default_rng(0)
ex = net.simple_bind(type_dict={"data": "float64"}, data=(3, 5))
for array in ex.arg_arrays:
    array[:] = rng.normal(size=array.shape)
head = rng.normal(size=(3, 4))
z = ex.arg_dict["data"] @ ex.arg_dict["fc_weight"].T + ex.arg_dict["fc_bias"]
print("forward is off by", abs(ex.forward(is_train=True)[0] - z / (1 + np.exp(-2 * z))).max())

ex.backward(head)
weight, step = ex.arg_dict["fc_weight"], 1e-6
gradient, sides = ex.grad_dict["fc_weight"][1, 2], []
for way in (+step, -2 * step):
    weight[1, 2] += way
    sides.append((ex.forward()[0] * head).sum())
print("gradient is off by", abs((sides[0] - sides[1]) / (2 * step) - gradient))
