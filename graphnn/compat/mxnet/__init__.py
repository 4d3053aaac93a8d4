"""MXNet 1.x at the level of Symbol, Executor and Module: `from graphnn.compat import mxnet as mx`.

What a script written for `import mxnet as mx` uses, on graphnn. Devices are accepted and ignored; there is no Gluon, no
autograd, and arrays are dense. See docs/porting.md.
"""

from __future__ import annotations

from ... import errors as error
from ...naming import AttrScope
from . import (
    attribute,
    base,
    callback,
    context,
    contrib,
    executor,
    initializer,
    io,
    kvstore,
    lr_scheduler,
    metric,
    model,
    module,
    monitor,
    name,
    ndarray,
    operator,
    optimizer,
    random,
    rnn,
    symbol,
    test_utils,
    util,
    visualization,
)
from . import initializer as init
from . import kvstore as kv
from . import module as mod
from . import monitor as mon
from . import ndarray as nd
from . import random as rnd
from . import symbol as sym
from . import visualization as viz
from .base import MXNetError
from .context import Context, cpu, cpu_pinned, current_context, gpu, num_gpus
from .executor import Executor
from .util import is_np_array, is_np_shape, np_shape, set_np_shape, use_np_shape

__version__ = "1.9.1"  # the interface that this module follows

__all__ = [
    "AttrScope",
    "Context",
    "Executor",
    "MXNetError",
    "attribute",
    "base",
    "callback",
    "context",
    "contrib",
    "cpu",
    "cpu_pinned",
    "current_context",
    "error",
    "executor",
    "gpu",
    "init",
    "initializer",
    "io",
    "is_np_array",
    "is_np_shape",
    "kv",
    "kvstore",
    "lr_scheduler",
    "metric",
    "mod",
    "model",
    "module",
    "mon",
    "monitor",
    "name",
    "nd",
    "ndarray",
    "np_shape",
    "num_gpus",
    "operator",
    "optimizer",
    "random",
    "rnd",
    "rnn",
    "set_np_shape",
    "sym",
    "symbol",
    "test_utils",
    "use_np_shape",
    "util",
    "visualization",
    "viz",
]
