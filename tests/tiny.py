"""A data set and a network so small that a whole training run takes some 20 ms; and one that rewrites change."""

import struct

import numpy as np

from graphnn import sym

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SIDE = 6


def images(labels, rng):
    """Noise, with a bright pixel where the label says."""
    x = rng.integers(0, 60, (len(labels), SIDE, SIDE), np.uint8)
    x.reshape(len(labels), -1)[np.arange(len(labels)), 3 * labels] = 250
    return x


def encode(x):
    return struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *x.shape) + x.tobytes()


def write_digits(folder, train=48, test=20, seed=0):
    """Write the four idx files of a set of ten classes into `folder`; give it as text."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    y, test_y = (np.arange(n, dtype=np.uint8) % 10 for n in (train, test))
    for name, array in zip(FILES, (images(y, rng), y, images(test_y, rng), test_y), strict=True):
        (folder / name).write_bytes(encode(array))
    return str(folder)


def network(classes=10):
    """Random numbers, statistics and weights: all that a resumed run must find again."""
    net = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=3, no_bias=True, name="conv")
    net = sym.BatchNorm(net, fix_gamma=False, name="bn")
    net = sym.Dropout(sym.Activation(net, act_type="relu", name="relu"), p=0.2, name="drop")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=classes, name="fc"), name="softmax")


def write_network(path, classes=10):
    network(classes).save(str(path))
    return str(path)


def conv_bn_relu():
    """Give a network of which every rewrite takes something: data (n, c, h, w)."""
    net = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=4, no_bias=True, name="conv")
    net = sym.Activation(sym.BatchNorm(net, name="bn"), act_type="relu", name="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3, name="fc"), name="softmax")
