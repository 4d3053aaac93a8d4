"""Inception v3 (Szegedy et al. 2015, "Rethinking the Inception Architecture", table 1), as in MXNet and torchvision."""

from __future__ import annotations

from graphnn import sym
from graphnn.models.blocks import classifier, pooled, relu
from graphnn.models.towers import Conv, Pool, Towers, conv, module
from graphnn.symbol import Symbol

__all__ = ["get_symbol"]


def get_symbol(num_classes: int = 1000) -> Symbol:
    """Give the network for images (n, 3, 299, 299), at least 75 x 75, without the auxiliary classifier.

    The last module pools by the maximum, as in MXNet's example; torchvision's averages. Dropout of 0.2 is the paper's.
    """
    net = _unit(sym.Variable("data"), "conv1", conv(32, 3, 2, valid=True))
    net = _unit(net, "conv2", conv(32, 3, valid=True))
    net = pooled(_unit(net, "conv3", conv(64, 3)), "pool1")
    net = _unit(_unit(net, "conv4", conv(80)), "conv5", conv(192, 3, valid=True))
    net = pooled(net, "pool2")
    for k, behind in enumerate((32, 64, 64), 1):
        net = module(net, f"mixed_a{k}", _a(behind), _unit)
    net = module(net, "reduction_a", _reduction_a(), _unit)
    for k, inner in enumerate((128, 160, 160, 192), 1):
        net = module(net, f"mixed_b{k}", _b(inner), _unit)
    net = module(net, "reduction_b", _reduction_b(), _unit)
    for k, pool in enumerate((Pool("avg"), Pool("max")), 1):
        net = _c(net, f"mixed_c{k}", pool)
    return classifier(net, num_classes, dropout=0.2)


def _a(behind: int) -> Towers:
    """Figure 5: two 3x3 in place of a 5x5, which stays beside them."""
    return {
        "1x1": (conv(64),),
        "5x5": (conv(48), conv(64, 5)),
        "double_3x3": (conv(64), conv(96, 3), conv(96, 3)),
        "pool": (Pool("avg"), conv(behind)),
    }


def _reduction_a() -> Towers:
    """Figure 10."""
    return {
        "3x3": (conv(384, 3, 2, valid=True),),
        "double_3x3": (conv(64), conv(96, 3), conv(96, 3, 2, valid=True)),
        "pool": (Pool("max", 2, 0),),
    }


def _b(inner: int) -> Towers:
    """Figure 6: 7x7 as 1x7 and 7x1."""
    return {
        "1x1": (conv(192),),
        "7x7": (conv(inner), conv(inner, (1, 7)), conv(192, (7, 1))),
        "double_7x7": (
            conv(inner), conv(inner, (7, 1)), conv(inner, (1, 7)), conv(inner, (7, 1)), conv(192, (1, 7)),
        ),
        "pool": (Pool("avg"), conv(192)),
    }  # fmt: skip


def _reduction_b() -> Towers:
    return {
        "3x3": (conv(192), conv(320, 3, 2, valid=True)),
        "7x7": (conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, 2, valid=True)),
        "pool": (Pool("max", 2, 0),),
    }


def _c(x: Symbol, name: str, pool: Pool) -> Symbol:
    """Figure 7: 1x3 and 3x1 side by side, twice; so two modules lie in one."""
    split: Towers = {"1x3": (conv(384, (1, 3)),), "3x1": (conv(384, (3, 1)),)}
    three = module(_unit(x, f"{name}_3x3_reduce", conv(384)), f"{name}_3x3", split, _unit)
    double = _unit(_unit(x, f"{name}_double_reduce", conv(448)), f"{name}_double_1", conv(384, 3))
    double = module(double, f"{name}_double", split, _unit)
    one = _unit(x, f"{name}_1x1", conv(320))
    behind = _unit(pooled(x, f"{name}_pool", pool.kind, 3, 1, 1), f"{name}_pool_1x1", conv(192))
    return sym.Concat(one, three, double, behind, dim=1, name=name)


def _unit(x: Symbol, name: str, c: Conv) -> Symbol:
    step = (c.stride, c.stride)
    x = sym.Convolution(x, kernel=c.kernel, stride=step, pad=c.pad, num_filter=c.filters, no_bias=True, name=name)
    return relu(sym.BatchNorm(x, fix_gamma=False, eps=1e-3, name=f"{name}_bn"), f"{name}_relu")
