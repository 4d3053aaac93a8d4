"""The operators as functions on symbols."""

# Written by `python -m graphnn.stub` from the operator registry: do not edit. A default of ... means: must be given.

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from .draws import Random
from .op import Op
from .symbol import Group as Group
from .symbol import Symbol as Symbol
from .symbol import Variable as Variable
from .symbol import load as load
from .symbol import load_json as load_json
from .symbol import var as var

__all__ = [
    "Activation",
    "AdaptiveAvgPooling2D",
    "BatchNorm",
    "BatchNorm_v1",
    "BilinearResize2D",
    "BilinearSampler",
    "BlockGrad",
    "CTCLoss",
    "Cast",
    "Concat",
    "Convolution",
    "Convolution_v1",
    "Correlation",
    "Crop",
    "Custom",
    "Deconvolution",
    "Dropout",
    "ElementWiseSum",
    "Embedding",
    "Flatten",
    "FullyConnected",
    "GridGenerator",
    "Group",
    "GroupNorm",
    "IdentityAttachKLSparseReg",
    "InstanceNorm",
    "L2Normalization",
    "LRN",
    "LayerNorm",
    "LeakyReLU",
    "LinearRegressionOutput",
    "LogisticRegressionOutput",
    "MAERegressionOutput",
    "MakeLoss",
    "Pad",
    "Pooling",
    "Pooling_v1",
    "RNN",
    "ROIPooling",
    "Reshape",
    "SVMOutput",
    "SequenceLast",
    "SequenceMask",
    "SequenceReverse",
    "SliceChannel",
    "Softmax",
    "SoftmaxActivation",
    "SoftmaxOutput",
    "SpatialTransformer",
    "SwapAxis",
    "Symbol",
    "SyncBatchNorm",
    "UpSampling",
    "Variable",
    "WarpCTC",
    "abs",
    "add_n",
    "all_finite",
    "amp_cast",
    "amp_multicast",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "argmax",
    "argmax_channel",
    "argmin",
    "argsort",
    "batch_dot",
    "batch_take",
    "broadcast_add",
    "broadcast_axes",
    "broadcast_axis",
    "broadcast_div",
    "broadcast_equal",
    "broadcast_greater",
    "broadcast_greater_equal",
    "broadcast_hypot",
    "broadcast_lesser",
    "broadcast_lesser_equal",
    "broadcast_like",
    "broadcast_logical_and",
    "broadcast_logical_or",
    "broadcast_logical_xor",
    "broadcast_maximum",
    "broadcast_minimum",
    "broadcast_minus",
    "broadcast_mod",
    "broadcast_mul",
    "broadcast_not_equal",
    "broadcast_plus",
    "broadcast_power",
    "broadcast_sub",
    "broadcast_to",
    "cast",
    "cast_storage",
    "cbrt",
    "ceil",
    "choose_element_0index",
    "clip",
    "col2im",
    "concat",
    "contrib",
    "cos",
    "cosh",
    "crop",
    "ctc_loss",
    "cumsum",
    "degrees",
    "depth_to_space",
    "diag",
    "dot",
    "elemwise_add",
    "elemwise_div",
    "elemwise_mul",
    "elemwise_sub",
    "erf",
    "erfinv",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "fill_element_0index",
    "fix",
    "flatten",
    "flip",
    "floor",
    "full",
    "gamma",
    "gammaln",
    "gather_nd",
    "hard_sigmoid",
    "histogram",
    "hypot",
    "identity",
    "im2col",
    "image",
    "khatri_rao",
    "linalg",
    "linalg_det",
    "linalg_extractdiag",
    "linalg_extracttrian",
    "linalg_gelqf",
    "linalg_gemm",
    "linalg_gemm2",
    "linalg_inverse",
    "linalg_makediag",
    "linalg_maketrian",
    "linalg_potrf",
    "linalg_potri",
    "linalg_slogdet",
    "linalg_sumlogdiag",
    "linalg_syevd",
    "linalg_syrk",
    "linalg_trmm",
    "linalg_trsm",
    "linspace",
    "load",
    "load_json",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logical_not",
    "make_loss",
    "max",
    "max_axis",
    "maximum",
    "mean",
    "min",
    "min_axis",
    "minimum",
    "moments",
    "multi_all_finite",
    "nanprod",
    "nansum",
    "negative",
    "norm",
    "normal",
    "one_hot",
    "ones",
    "ones_like",
    "op",
    "pad",
    "pick",
    "pow",
    "power",
    "prod",
    "radians",
    "random",
    "random_exponential",
    "random_gamma",
    "random_generalized_negative_binomial",
    "random_negative_binomial",
    "random_normal",
    "random_pdf_dirichlet",
    "random_pdf_exponential",
    "random_pdf_gamma",
    "random_pdf_generalized_negative_binomial",
    "random_pdf_negative_binomial",
    "random_pdf_normal",
    "random_pdf_poisson",
    "random_pdf_uniform",
    "random_poisson",
    "random_randint",
    "random_uniform",
    "ravel_multi_index",
    "rcbrt",
    "reciprocal",
    "relu",
    "repeat",
    "reshape",
    "reshape_like",
    "reverse",
    "rint",
    "round",
    "rsqrt",
    "sample_exponential",
    "sample_gamma",
    "sample_generalized_negative_binomial",
    "sample_multinomial",
    "sample_negative_binomial",
    "sample_normal",
    "sample_poisson",
    "sample_uniform",
    "scatter_nd",
    "shape_array",
    "shuffle",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "size_array",
    "slice",
    "slice_axis",
    "slice_like",
    "smooth_l1",
    "softmax",
    "softmax_cross_entropy",
    "softmin",
    "softsign",
    "sort",
    "space_to_depth",
    "split",
    "split_v2",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "stop_gradient",
    "sum",
    "sum_axis",
    "swapaxes",
    "take",
    "tan",
    "tanh",
    "tile",
    "topk",
    "transpose",
    "trunc",
    "uniform",
    "unravel_index",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

_Count = int
_Shape = Sequence[int] | int
_Ints = Sequence[int] | int
_Floats = Sequence[float] | float
_OptionalInts = Sequence[int | None] | int | None
_Axes = Sequence[int] | int | None
_DType = Any  # what numpy.dtype() takes

METHODS: Mapping[str, str]

def signature(cls: type[Op]) -> inspect.Signature: ...

class _Internal:
    def __getattr__(self, name: str) -> Callable[..., Symbol]: ...

_internal: _Internal

class _Space:
    def __getattr__(self, name: str) -> Callable[..., Symbol]: ...

contrib: _Space
linalg: _Space
op: _Space
random: Random

def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    dtype: Any = 'float32',
    **kw: Any,
) -> Symbol:
    """Give start, start + step, ... below stop, each `repeat` times; with one number, 0 to below it."""

def eye(N: int, M: int = 0, k: int = 0, dtype: Any = 'float32', **kw: Any) -> Symbol:
    """Give a matrix (N, M) with 1 on diagonal `k`; M is N when 0."""

def full(shape: Sequence[int] | int, val: float, dtype: Any = 'float32', **kw: Any) -> Symbol:
    """Give an array filled with `val`."""

def histogram(a: Symbol, bins: Any = 10, range: Any = None, **kw: Any) -> Symbol:
    """Count the elements in `bins` equal bins over `range`, or between the edges that the symbol `bins` has."""

def hypot(lhs: Symbol | float, rhs: Symbol | float) -> Symbol:
    """Give sqrt(lhs^2 + rhs^2), element by element."""

def linspace(start: float, stop: float, num: int, endpoint: bool = True, dtype: Any = 'float32', **kw: Any) -> Symbol:
    """Give `num` evenly spaced numbers from `start` to `stop`, which is among them with `endpoint`."""

def maximum(lhs: Symbol | float, rhs: Symbol | float) -> Symbol:
    """Give the larger, element by element."""

def minimum(lhs: Symbol | float, rhs: Symbol | float) -> Symbol:
    """Give the smaller, element by element."""

def ones(shape: Sequence[int] | int, dtype: Any = 'float32', **kw: Any) -> Symbol:
    """Give ones."""

def pow(lhs: Symbol | float, rhs: Symbol | float) -> Symbol:
    """Give lhs ** rhs, element by element."""

def power(lhs: Symbol | float, rhs: Symbol | float) -> Symbol:
    """Give lhs ** rhs, element by element."""

def split_v2(
    ary: Symbol,
    indices_or_sections: int | Sequence[int],
    axis: int = 0,
    squeeze_axis: bool = False,
    **kw: Any,
) -> Symbol:
    """Cut into equal pieces, or before each of the indices, along `axis`."""

def zeros(shape: Sequence[int] | int, dtype: Any = 'float32', **kw: Any) -> Symbol:
    """Give zeros; sizes of 0 follow from the use."""

def Activation(
    data: Symbol | None = None,
    act_type: Literal['relu', 'sigmoid', 'softrelu', 'softsign', 'tanh'] = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = act_type(x): relu, sigmoid, tanh, softsign as the operators of these names; softrelu is log(1 + e^x)."""

def AdaptiveAvgPooling2D(
    data: Symbol | None = None,
    output_size: _Shape = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i, j] = the mean of x over rows floor(i h / h') to ceil((i + 1) h / h'), and columns alike."""

def BatchNorm(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    moving_mean: Symbol | None = None,
    moving_var: Symbol | None = None,
    eps: float = 0.001,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    *,
    cudnn_off: object = None,
    max_calib_range: object = None,
    min_calib_range: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = gamma (x - mean) / sqrt(var + eps) + beta, by channel."""

def BatchNorm_v1(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    moving_mean: Symbol | None = None,
    moving_var: Symbol | None = None,
    eps: float = 0.001,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """BatchNorm over axis 1, as files before 0.10 name it; its third output is the variance itself."""

def BilinearResize2D(
    data: Symbol | None = None,
    like: Symbol | None = None,
    height: _Count = 1,
    width: _Count = 1,
    scale_height: float | None = None,
    scale_width: float | None = None,
    mode: Literal['size', 'odd_scale', 'like', 'to_even_down', 'to_even_up', 'to_odd_down', 'to_odd_up'] = 'size',
    align_corners: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (n, c, h', w') = x between its pixels; with align_corners the corners stay, else pixels are squares."""

def BilinearSampler(
    data: Symbol | None = None,
    grid: Symbol | None = None,
    *,
    cudnn_off: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n, c, i, j] = sum over the four pixels around (row, column) of weight times data[n, c]; outside is 0."""

def BlockGrad(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x, and no gradient flows back."""

def CTCLoss(
    data: Symbol | None = None,
    label: Symbol | None = None,
    data_lengths: Symbol | None = None,
    label_lengths: Symbol | None = None,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: Literal['first', 'last'] = 'first',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n] = -log p(label[n] | softmax(x[:, n])) with x (t, n, classes), label (n, longest)."""

def Cast(
    data: Symbol | None = None,
    dtype: _DType = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x in another dtype; floats become integers by truncation."""

def Concat(
    *data: Symbol | Sequence[Symbol],
    dim: int = 1,
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the inputs one after another along `dim`; all other axes agree."""

def Convolution(
    data: Symbol | None = None,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    kernel: _Shape = ...,
    num_filter: _Count = ...,
    stride: _Shape = (),
    dilate: _Shape = (),
    pad: _Shape = (),
    num_group: _Count = 1,
    no_bias: bool = False,
    layout: Literal['NCW', 'NCHW', 'NCDHW', 'NWC', 'NHWC', 'NDHWC'] | None = None,
    *,
    cudnn_off: object = None,
    cudnn_tune: object = None,
    workspace: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n, o, p] = b[o] + sum over c, k of w[o, c, k] x[n, c, p stride + k dilate - pad]."""

def Convolution_v1(
    data: Symbol | None = None,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    kernel: _Shape = ...,
    num_filter: _Count = ...,
    stride: _Shape = (),
    dilate: _Shape = (),
    pad: _Shape = (),
    num_group: _Count = 1,
    no_bias: bool = False,
    layout: Literal['NCW', 'NCHW', 'NCDHW', 'NWC', 'NHWC', 'NDHWC'] | None = None,
    *,
    cudnn_off: object = None,
    cudnn_tune: object = None,
    workspace: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Convolution, as files before 0.10 name it where they ask for the older kernels."""

def Correlation(
    data1: Symbol | None = None,
    data2: Symbol | None = None,
    kernel_size: int = 1,
    max_displacement: int = 1,
    stride1: int = 1,
    stride2: int = 1,
    pad_size: int = 0,
    is_multiply: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n, t, i, j] = mean over channels and a window of data1 times data2 displaced by the t-th step."""

def Crop(
    *data: Symbol | Sequence[Symbol],
    offset: _Shape = (0, 0),
    h_w: _Shape = (0, 0),
    center_crop: bool = False,
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (n, c, h, w) = the part of x (n, c, H, W) of size h_w, or of the size of a second input (., ., h, w)."""

def Custom(
    *data: Symbol,
    op_type: str,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **settings: object,
) -> Symbol:
    """The operator registered as `op_type`; every other keyword is text that its properties are made with."""

def Deconvolution(
    data: Symbol | None = None,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    kernel: _Shape = ...,
    num_filter: _Count = ...,
    stride: _Shape = (),
    dilate: _Shape = (),
    pad: _Shape = (),
    adj: _Shape = (),
    target_shape: _Shape = (),
    num_group: _Count = 1,
    no_bias: bool = True,
    layout: Literal['NCW', 'NCHW', 'NCDHW'] | None = None,
    *,
    cudnn_off: object = None,
    cudnn_tune: object = None,
    workspace: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The transpose of Convolution: y[n, o, p stride + k dilate - pad] += x[n, c, p] w[c, o, k]."""

def Dropout(
    data: Symbol | None = None,
    p: float = 0.5,
    mode: Literal['training', 'always'] = 'training',
    axes: _Ints = (),
    *,
    cudnn_off: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x in inference; in training (or always, by `mode`) 0 with probability p, else x / (1 - p)."""

def ElementWiseSum(
    *data: Symbol | Sequence[Symbol],
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x_0 + x_1 + ... of `num_args` tensors of one shape."""

def Embedding(
    data: Symbol | None = None,
    weight: Symbol | None = None,
    input_dim: _Count = ...,
    output_dim: _Count = ...,
    dtype: _DType = 'float32',
    *,
    sparse_grad: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i, ...] = weight[data[i, ...]] with weight (input_dim, output_dim); indices out of range are clipped."""

def Flatten(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y (n, rest) = x (n, ...)."""

def FullyConnected(
    data: Symbol | None = None,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    num_hidden: _Count = ...,
    no_bias: bool = False,
    flatten: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x W^T + b with x (n, in), W (num_hidden, in), b (num_hidden,)."""

def GridGenerator(
    data: Symbol | None = None,
    transform_type: Literal['affine', 'warp'] = ...,
    target_shape: _Shape = (0, 0),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Where to sample: y[n, 0] are columns and y[n, 1] rows, from -1 (first) to 1 (last)."""

def GroupNorm(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    num_groups: _Count = 1,
    eps: float = 1e-05,
    output_mean_var: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = gamma[k] (x - mean) / sqrt(var + eps) + beta[k] over each of `num_groups` groups k of channels of a sample."""

def IdentityAttachKLSparseReg(
    data: Symbol | None = None,
    moving_avg: Symbol | None = None,
    sparseness_target: float = 0.1,
    penalty: float = 0.001,
    momentum: float = 0.9,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x, with a penalty on how far the mean of each unit is from sparseness_target t; x (n, units, ...)."""

def InstanceNorm(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    eps: float = 0.001,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = gamma[c] (x - mean) / sqrt(var + eps) + beta[c], mean and variance of each channel of each sample."""

def L2Normalization(
    data: Symbol | None = None,
    eps: float = 1e-10,
    mode: Literal['channel', 'instance', 'spatial'] = 'instance',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x / sqrt(sum of x^2 + eps), the sum over all of a sample, over its channels (axis 1) or over its positions."""

def LRN(
    data: Symbol | None = None,
    nsize: int = ...,
    alpha: float = 0.0001,
    beta: float = 0.75,
    knorm: float = 2.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x / (knorm + alpha / nsize * sum of x^2 over nsize neighbouring channels)^beta; data (n, c, h, w)."""

def LayerNorm(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    axis: int = -1,
    eps: float = 1e-05,
    output_mean_var: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = gamma (x - mean) / sqrt(var + eps) + beta, mean and variance along `axis`; gamma and beta (its size,)."""

def LeakyReLU(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    act_type: Literal['leaky', 'elu', 'gelu', 'prelu', 'rrelu', 'selu'] = 'leaky',
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x where x > 0, else by act_type: slope x (leaky), gamma x (prelu), slope (e^x - 1) (elu), or selu or gelu."""

def LinearRegressionOutput(
    data: Symbol | None = None,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x; dx = (x - label) grad_scale / m, for the squared error."""

def LogisticRegressionOutput(
    data: Symbol | None = None,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = 1 / (1 + exp(-x)); dx = (y - label) grad_scale / m, for the cross-entropy."""

def MAERegressionOutput(
    data: Symbol | None = None,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x; dx = sign(x - label) grad_scale / m, for the absolute error; the sign of 0 is -1."""

def MakeLoss(
    data: Symbol | None = None,
    grad_scale: float = 1.0,
    valid_thresh: float = 0.0,
    normalization: Literal['null', 'batch', 'valid'] = 'null',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x as a loss head: dx = grad_scale / n, whatever gradient the output is given."""

def Pad(
    data: Symbol | None = None,
    mode: Literal['constant', 'edge', 'reflect'] = ...,
    pad_width: _Shape = ...,
    constant_value: float = 0.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with pad_width[2i] elements put before and pad_width[2i + 1] after axis i."""

def Pooling(
    data: Symbol | None = None,
    kernel: _Shape = (),
    pool_type: Literal['max', 'avg', 'sum', 'lp'] = 'max',
    global_pool: bool = False,
    pooling_convention: Literal['valid', 'full', 'same'] = 'valid',
    stride: _Shape = (),
    pad: _Shape = (),
    count_include_pad: bool | None = None,
    layout: Literal['NCW', 'NCHW', 'NCDHW', 'NWC', 'NHWC', 'NDHWC'] | None = None,
    p_value: int | None = None,
    *,
    cudnn_off: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n, c, p] = max, mean, sum or (lp) root of the sum of powers of x[n, c, p stride + k - pad] over k."""

def Pooling_v1(
    data: Symbol | None = None,
    kernel: _Shape = (),
    pool_type: Literal['max', 'avg', 'sum'] = 'max',
    global_pool: bool = False,
    pooling_convention: Literal['valid', 'full'] = 'valid',
    stride: _Shape = (),
    pad: _Shape = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Pooling as files before 0.10 have it: averages divide by the whole window, also where it leaves the image."""

def RNN(
    data: Symbol | None = None,
    parameters: Symbol | None = None,
    state: Symbol | None = None,
    state_cell: Symbol | None = None,
    sequence_length: Symbol | None = None,
    state_size: _Count = ...,
    num_layers: _Count = ...,
    mode: Literal['gru', 'lstm', 'rnn_relu', 'rnn_tanh'] = ...,
    bidirectional: bool = False,
    p: float = 0.0,
    state_outputs: bool = False,
    projection_size: int | None = None,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    use_sequence_length: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = a recurrent network over data (t, n, inputs); y (t, n, directions width), width the size of the state h."""

def ROIPooling(
    data: Symbol | None = None,
    rois: Symbol | None = None,
    pooled_size: _Shape = ...,
    spatial_scale: float = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The largest element of each of `pooled_size` (h', w') parts of a box; an empty part gives 0."""

def Reshape(
    data: Symbol | None = None,
    shape: _Ints = (),
    reverse: bool = False,
    target_shape: _Ints = (),
    keep_highest: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x under the shape that `shape` spells with MXNet's codes (see `resolve`)."""

def SVMOutput(
    data: Symbol | None = None,
    label: Symbol | None = None,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x; dx is the gradient of the hinge loss of one class against the others, with x (..., c), label (...)."""

def SequenceLast(
    data: Symbol | None = None,
    sequence_length: Symbol | None = None,
    use_sequence_length: bool = False,
    axis: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (n, ...) = the last element of each sequence; of one without any, the first."""

def SequenceMask(
    data: Symbol | None = None,
    sequence_length: Symbol | None = None,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x, but `value` from the sequence's length on."""

def SequenceReverse(
    data: Symbol | None = None,
    sequence_length: Symbol | None = None,
    use_sequence_length: bool = False,
    axis: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with each sequence reversed, and what is beyond its length as it was; data (t, n, ...)."""

def SliceChannel(
    data: Symbol | None = None,
    num_outputs: _Count = ...,
    axis: int = 1,
    squeeze_axis: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y_0, ..., y_(num_outputs - 1) = equal pieces of x along `axis`; `squeeze_axis` drops that axis of size 1."""

def Softmax(
    data: Symbol | None = None,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: Literal['null', 'batch', 'valid'] = 'null',
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = softmax(x); whatever gradient comes in, dx = (y - onehot(label)) grad_scale / count is sent back."""

def SoftmaxActivation(
    data: Symbol | None = None,
    mode: Literal['instance', 'channel'] = 'instance',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = softmax over the last axis, with mode channel over axis 1."""

def SoftmaxOutput(
    data: Symbol | None = None,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: Literal['null', 'batch', 'valid'] = 'null',
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = softmax(x); whatever gradient comes in, dx = (y - onehot(label)) grad_scale / count is sent back."""

def SpatialTransformer(
    data: Symbol | None = None,
    loc: Symbol | None = None,
    transform_type: Literal['affine'] = ...,
    sampler_type: Literal['bilinear'] = ...,
    target_shape: _Shape = (0, 0),
    *,
    cudnn_off: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """BilinearSampler of `data` at the affine grid of `loc` (n, 6) over `target_shape` (Jaderberg et al., 2015)."""

def SwapAxis(
    data: Symbol | None = None,
    dim1: int = 0,
    dim2: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with axes `dim1` and `dim2` exchanged."""

def SyncBatchNorm(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    moving_mean: Symbol | None = None,
    moving_var: Symbol | None = None,
    eps: float = 0.001,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    *,
    key: object = None,
    ndev: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """BatchNorm over axis 1; MXNet's takes the statistics over several devices, of which there is one here."""

def UpSampling(
    *data: Symbol | Sequence[Symbol],
    scale: _Count = ...,
    sample_type: Literal['nearest', 'bilinear'] = ...,
    num_filter: int = 0,
    multi_input_mode: Literal['concat', 'sum'] = 'concat',
    num_args: object = None,
    workspace: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = each image `scale` times as large: every element repeated (nearest), or by Deconvolution (bilinear)."""

def WarpCTC(
    data: Symbol | None = None,
    label: Symbol | None = None,
    label_length: _Count = ...,
    input_length: _Count = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = softmax(x) with x (t n, classes), step by step; whatever gradient comes in, that of CTCLoss is sent back."""

def abs(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = |x|; its slope at 0 is 0."""

def add_n(
    *data: Symbol | Sequence[Symbol],
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x_0 + x_1 + ... of `num_args` tensors of one shape."""

def all_finite(
    data: Symbol | None = None,
    init_output: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (1,) = 1 where every element of x is finite, else 0."""

def amp_cast(
    data: Symbol | None = None,
    dtype: _DType = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x as `dtype` where x has floats; integers stay as they are."""

def amp_multicast(
    *data: Symbol | Sequence[Symbol],
    cast_narrow: bool = False,
    num_outputs: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y_0, y_1, ... = the inputs in the widest float dtype among them, or the narrowest with `cast_narrow`."""

def arccos(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the angle in [0, pi] whose cosine is x."""

def arccosh(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log(x + sqrt(x^2 - 1))."""

def arcsin(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the angle in [-pi/2, pi/2] whose sine is x."""

def arcsinh(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log(x + sqrt(x^2 + 1))."""

def arctan(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the angle in [-pi/2, pi/2] whose tangent is x."""

def arctanh(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log((1 + x) / (1 - x)) / 2."""

def argmax(
    data: Symbol | None = None,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the position of the first largest x along `axis`; without axis, in the flattened x, with shape (1,)."""

def argmax_channel(
    data: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the position of the first largest x along the last axis."""

def argmin(
    data: Symbol | None = None,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the position of the first smallest x along `axis`; without axis, in the flattened x, with shape (1,)."""

def argsort(
    data: Symbol | None = None,
    axis: int | None = -1,
    is_ascend: bool = True,
    dtype: Literal['uint8', 'int32', 'int64', 'float16', 'float32', 'float64'] = 'float32',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the positions in x, as floats by default, of its elements in order along `axis`; no gradient flows."""

def batch_dot(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    *,
    forward_stype: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z[i] = x[i] y[i] with x (n, m, k), y (n, k, p); `transpose_a`, `transpose_b` transpose each matrix first."""

def batch_take(
    a: Symbol | None = None,
    indices: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i..] = a[i.., indices[i..]]: one element of each row; indices out of range are clipped. It has a gradient."""

def broadcast_add(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x + y, broadcast."""

def broadcast_axes(
    data: Symbol | None = None,
    axis: _Ints = (),
    size: _Ints = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x repeated along each of `axis`, where its size is 1, as often as `size` says."""

def broadcast_axis(
    data: Symbol | None = None,
    axis: _Ints = (),
    size: _Ints = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x repeated along each of `axis`, where its size is 1, as often as `size` says."""

def broadcast_div(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x / y, broadcast."""

def broadcast_equal(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x == y, else 0, broadcast."""

def broadcast_greater(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x > y, else 0, broadcast."""

def broadcast_greater_equal(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x >= y, else 0, broadcast."""

def broadcast_hypot(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = sqrt(x^2 + y^2), broadcast."""

def broadcast_lesser(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x < y, else 0, broadcast."""

def broadcast_lesser_equal(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x <= y, else 0, broadcast."""

def broadcast_like(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    lhs_axes: _Axes = None,
    rhs_axes: _Axes = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = lhs repeated to the shape of rhs, or along `lhs_axes` to the sizes of rhs along `rhs_axes`."""

def broadcast_logical_and(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x and y are not 0, else 0, broadcast."""

def broadcast_logical_or(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x or y is not 0, else 0, broadcast."""

def broadcast_logical_xor(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where one of x and y, not both, is not 0, else 0, broadcast."""

def broadcast_maximum(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = max(x, y), broadcast."""

def broadcast_minimum(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = min(x, y), broadcast."""

def broadcast_minus(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x - y, broadcast."""

def broadcast_mod(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x - y floor(x / y), which has the sign of y; 0 where y is 0, broadcast."""

def broadcast_mul(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x y, broadcast."""

def broadcast_not_equal(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = 1 where x != y, else 0, broadcast."""

def broadcast_plus(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x + y, broadcast."""

def broadcast_power(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x^y, broadcast."""

def broadcast_sub(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x - y, broadcast."""

def broadcast_to(
    data: Symbol | None = None,
    shape: _Shape = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x repeated along its axes of size 1 to `shape`, in which 0 keeps the size of x."""

def cast(
    data: Symbol | None = None,
    dtype: _DType = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x in another dtype; floats become integers by truncation."""

def cast_storage(
    data: Symbol | None = None,
    stype: Literal['default', 'row_sparse', 'csr'] = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x: every array is dense here, whatever `stype` says."""

def cbrt(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x^(1/3), the real root."""

def ceil(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the least whole number >= x; no gradient flows."""

def choose_element_0index(
    data: Symbol | None = None,
    index: Symbol | None = None,
    axis: int | None = -1,
    keepdims: bool = False,
    mode: Literal['clip', 'wrap'] = 'clip',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i..] = data[i.., index[i..], ..], the index counting along `axis`; None: along the flattened data."""

def clip(
    data: Symbol | None = None,
    a_min: float = ...,
    a_max: float = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = min(max(x, a_min), a_max); the gradient flows at the edges too."""

def col2im(
    data: Symbol | None = None,
    kernel: _Shape = ...,
    stride: _Shape = (),
    dilate: _Shape = (),
    pad: _Shape = (),
    output_size: _Shape = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (n, c, *output_size) = the sum, at each element, of what the windows x (n, c prod(kernel), windows) have."""

def concat(
    *data: Symbol | Sequence[Symbol],
    dim: int = 1,
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the inputs one after another along `dim`; all other axes agree."""

def cos(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = cos x."""

def cosh(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = (e^x + e^-x) / 2."""

def crop(
    data: Symbol | None = None,
    begin: _OptionalInts = None,
    end: _OptionalInts = None,
    step: _OptionalInts = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...] with Python's meaning of negatives and None."""

def ctc_loss(
    data: Symbol | None = None,
    label: Symbol | None = None,
    data_lengths: Symbol | None = None,
    label_lengths: Symbol | None = None,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: Literal['first', 'last'] = 'first',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n] = -log p(label[n] | softmax(x[:, n])) with x (t, n, classes), label (n, longest)."""

def cumsum(
    a: Symbol | None = None,
    axis: int | None = None,
    dtype: Literal['int8', 'int32', 'int64', 'float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] = x[0] + ... + x[i] along `axis`; None: of the flattened x, with shape (n,)."""

def degrees(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = 180 x / pi."""

def depth_to_space(
    data: Symbol | None = None,
    block_size: _Count = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n, c, h b + i, w b + j] = x[n, (i b + j) C + c, h, w] with b = block_size and y (n, C, H b, W b)."""

def diag(
    data: Symbol | None = None,
    k: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (..., n) = diagonal k of axes axis1 and axis2 of x; of a vector, the matrix with it on diagonal k."""

def dot(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    *,
    forward_stype: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x y: the last axis of x against the first of y; all other axes stay, those of x first."""

def elemwise_add(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x + y."""

def elemwise_div(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x / y; integers are divided towards zero."""

def elemwise_mul(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x y."""

def elemwise_sub(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x - y."""

def erf(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""

def erfinv(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the number whose erf is x."""

def exp(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = e^x."""

def expand_dims(
    data: Symbol | None = None,
    axis: int = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with an axis of size 1 put in at `axis`."""

def expm1(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = e^x - 1, exact near 0."""

def fill_element_0index(
    lhs: Symbol | None = None,
    mhs: Symbol | None = None,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = lhs (n, c), but y[i, rhs[i]] = mhs[i]; indices out of range change nothing."""

def fix(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x rounded towards 0; no gradient flows."""

def flatten(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y (n, rest) = x (n, ...)."""

def flip(
    data: Symbol | None = None,
    axis: _Ints = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x in the opposite order along `axis`."""

def floor(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the greatest whole number <= x; no gradient flows."""

def gamma(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = the gamma function of x."""

def gammaln(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log |gamma(x)|."""

def gather_nd(
    data: Symbol | None = None,
    indices: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[j.., k..] = data[indices[0, j..], ..., indices[m - 1, j..], k..] with indices (m, ...)."""

def hard_sigmoid(
    data: Symbol | None = None,
    alpha: float = 0.2,
    beta: float = 0.5,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = min(max(alpha x + beta, 0), 1)."""

def identity(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x."""

def im2col(
    data: Symbol | None = None,
    kernel: _Shape = ...,
    stride: _Shape = (),
    dilate: _Shape = (),
    pad: _Shape = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (n, c prod(kernel), windows) = the elements that every window of the image x (n, c, *sizes) covers."""

def khatri_rao(
    *data: Symbol | Sequence[Symbol],
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (r_0 r_1 ..., c) = the column-wise Kronecker product of x_0 (r_0, c), x_1 (r_1, c), ..."""

def linalg_det(A: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = det(A); the gradient at a singular matrix is 0, as in MXNet."""

def linalg_extractdiag(
    A: Symbol | None = None,
    offset: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (..., m) = diagonal `offset` of A (..., n, n)."""

def linalg_extracttrian(
    A: Symbol | None = None,
    offset: int = 0,
    lower: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (..., m (m + 1) / 2) = the triangle of A (..., n, n), m = n - |offset|."""

def linalg_gelqf(A: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """Q (..., m, n) and lower triangular L (..., m, m) with A = L Q and Q Q^T = 1, for A (..., m, n) with m <= n."""

def linalg_gemm(
    A: Symbol | None = None,
    B: Symbol | None = None,
    C: Symbol | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    axis: int = -2,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = alpha op(A) op(B) + beta C, op transposing where wanted; `axis` holds the rows of all."""

def linalg_gemm2(
    A: Symbol | None = None,
    B: Symbol | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    axis: int = -2,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = alpha op(A) op(B), op transposing where wanted; `axis` holds the rows of both."""

def linalg_inverse(
    A: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = A^-1."""

def linalg_makediag(
    A: Symbol | None = None,
    offset: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (..., n, n) = 0, but A (..., m) on diagonal `offset`; n = m + |offset|."""

def linalg_maketrian(
    A: Symbol | None = None,
    offset: int = 0,
    lower: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (..., n, n) = 0, but A (..., m (m + 1) / 2) in the triangle, n = m + |offset|."""

def linalg_potrf(
    A: Symbol | None = None,
    lower: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = L with A = L L^T for symmetric positive definite A (..., n, n); its lower triangle is read."""

def linalg_potri(
    A: Symbol | None = None,
    lower: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = (L L^T)^-1 for lower triangular L; without `lower` (U^T U)^-1 for upper triangular U."""

def linalg_slogdet(
    A: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The sign of det(A) and log |det(A)|; the gradient at a singular matrix is 0, as in MXNet."""

def linalg_sumlogdiag(
    A: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the sum of the logarithms of the diagonal of A (..., n, n); (1,) for a single matrix."""

def linalg_syevd(A: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """U (..., n, n), whose rows are eigenvectors, and ascending eigenvalues L (..., n): A = U^T diag(L) U, A symmetric."""

def linalg_syrk(
    A: Symbol | None = None,
    transpose: bool = False,
    alpha: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = alpha A A^T, or alpha A^T A with `transpose`."""

def linalg_trmm(
    A: Symbol | None = None,
    B: Symbol | None = None,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = alpha op(A) B, or alpha B op(A) with `rightside`, for triangular A; op transposes with `transpose`."""

def linalg_trsm(
    A: Symbol | None = None,
    B: Symbol | None = None,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y solves op(A) y = alpha B, or y op(A) = alpha B with `rightside`, for triangular A."""

def log(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log x, base e."""

def log10(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log x, base 10."""

def log1p(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log(1 + x), exact near 0."""

def log2(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = log x, base 2."""

def log_softmax(
    data: Symbol | None = None,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    use_length: bool | None = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x / temperature - log(sum(exp(x / temperature))) along `axis`."""

def logical_not(
    data: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = 1 where x is 0, else 0; no gradient flows."""

def make_loss(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x as a loss head: dx = 1, whatever gradient the output is given."""

def max(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the largest x over the axes."""

def max_axis(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the largest x over the axes."""

def mean(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the mean of x over the axes."""

def min(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the smallest x over the axes."""

def min_axis(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the smallest x over the axes."""

def moments(
    data: Symbol | None = None,
    axes: _Axes = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the mean of x over `axes` and its biased variance."""

def multi_all_finite(
    *data: Symbol | Sequence[Symbol],
    init_output: bool = True,
    num_arrays: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (1,) = 1 where every element of every input is finite, else 0."""

def nanprod(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the product of x over the axes, nan counted as 1; nan elements get the gradient 0."""

def nansum(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the sum of x over the axes, nan counted as 0."""

def negative(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = -x."""

def norm(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    ord: int = 2,
    out_dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = sum(|x|) or sqrt(sum(x^2)) over the axes, by ord 1 or 2; at x = 0 the latter's gradient is nan."""

def normal(
    loc: float = 0.0,
    scale: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is normal with mean `loc` and standard deviation `scale`."""

def one_hot(
    indices: Symbol | None = None,
    depth: _Count = ...,
    on_value: float = 1.0,
    off_value: float = 0.0,
    dtype: _DType = 'float32',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i.., k] = on_value where indices[i..] = k, else off_value; an index out of range gives no on_value."""

def ones_like(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = 1, of the shape and dtype of x; no gradient flows."""

def pad(
    data: Symbol | None = None,
    mode: Literal['constant', 'edge', 'reflect'] = ...,
    pad_width: _Shape = ...,
    constant_value: float = 0.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with pad_width[2i] elements put before and pad_width[2i + 1] after axis i."""

def pick(
    data: Symbol | None = None,
    index: Symbol | None = None,
    axis: int | None = -1,
    keepdims: bool = False,
    mode: Literal['clip', 'wrap'] = 'clip',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i..] = data[i.., index[i..], ..], the index counting along `axis`; None: along the flattened data."""

def prod(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the product of x over the axes; the gradient, g y / x, is nan where x is 0."""

def radians(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = pi x / 180."""

def random_exponential(
    lam: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is exponential with rate `lam`: its mean is 1 / lam."""

def random_gamma(
    alpha: float = 1.0,
    beta: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is gamma distributed with shape `alpha` and scale `beta`: its mean is alpha beta."""

def random_generalized_negative_binomial(
    mu: float = 1.0,
    alpha: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is negative binomial with mean `mu` and variance mu + alpha mu^2, as a float."""

def random_negative_binomial(
    k: int = 1,
    p: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] = how often one fails, as a float, before k successes of probability p."""

def random_normal(
    loc: float = 0.0,
    scale: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is normal with mean `loc` and standard deviation `scale`."""

def random_pdf_dirichlet(
    sample: Symbol | None = None,
    alpha: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (s, m) = Gamma(sum alpha) prod x^(alpha - 1) / prod Gamma(alpha); alpha (s, k), x (s, m, k)."""

def random_pdf_exponential(
    sample: Symbol | None = None,
    lam: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = lam exp(-lam x)."""

def random_pdf_gamma(
    sample: Symbol | None = None,
    alpha: Symbol | None = None,
    beta: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = beta^alpha x^(alpha - 1) exp(-beta x) / Gamma(alpha): beta is a rate here."""

def random_pdf_generalized_negative_binomial(
    sample: Symbol | None = None,
    mu: Symbol | None = None,
    alpha: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The negative binomial with k = 1 / alpha and p = 1 / (mu alpha + 1)."""

def random_pdf_negative_binomial(
    sample: Symbol | None = None,
    k: Symbol | None = None,
    p: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = Gamma(x + k) / (x! Gamma(k)) p^k (1 - p)^x."""

def random_pdf_normal(
    sample: Symbol | None = None,
    mu: Symbol | None = None,
    sigma: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = exp(-((x - mu) / sigma)^2 / 2) / (sigma sqrt(2 pi))."""

def random_pdf_poisson(
    sample: Symbol | None = None,
    lam: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = lam^x exp(-lam) / x!."""

def random_pdf_uniform(
    sample: Symbol | None = None,
    low: Symbol | None = None,
    high: Symbol | None = None,
    is_log: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = 1 / (high - low)."""

def random_poisson(
    lam: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is Poisson distributed with mean `lam`, as a float."""

def random_randint(
    low: int = ...,
    high: int = ...,
    shape: _Shape = (),
    dtype: Literal['int32', 'int64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is a whole number from `low` to below `high`, each as likely."""

def random_uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is uniform in [low, high)."""

def ravel_multi_index(
    data: Symbol | None = None,
    shape: _Ints = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (...) = the position in the flattened array of the element at data (m, ...), by axes; nothing is checked."""

def rcbrt(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x^(-1/3), the real root."""

def reciprocal(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = 1 / x."""

def relu(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = max(x, 0); its slope at 0 is 0."""

def repeat(
    data: Symbol | None = None,
    repeats: _Count = ...,
    axis: int | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with every element repeated `repeats` times along `axis`; None: of the flattened x."""

def reshape(
    data: Symbol | None = None,
    shape: _Ints = (),
    reverse: bool = False,
    target_shape: _Ints = (),
    keep_highest: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x under the shape that `shape` spells with MXNet's codes (see `resolve`)."""

def reshape_like(
    lhs: Symbol | None = None,
    rhs: Symbol | None = None,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = lhs under the shape of rhs; with bounds, axes [lhs_begin, lhs_end) become rhs's [rhs_begin, rhs_end)."""

def reverse(
    data: Symbol | None = None,
    axis: _Ints = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x in the opposite order along `axis`."""

def rint(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x rounded to the nearest whole number, halves to even (MXNet: down); no gradient flows."""

def round(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x rounded to the nearest whole number, halves away from 0; no gradient flows."""

def rsqrt(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x^(-1/2)."""

def sample_exponential(
    lam: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y is exponential with rate lam for each element of it."""

def sample_gamma(
    alpha: Symbol | None = None,
    beta: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y is gamma distributed with shape alpha and scale beta for each element of them."""

def sample_generalized_negative_binomial(
    mu: Symbol | None = None,
    alpha: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y is negative binomial with mean mu and variance mu + alpha mu^2 for each element of them."""

def sample_multinomial(
    data: Symbol | None = None,
    shape: _Shape = (),
    get_prob: bool = False,
    dtype: Literal['uint8', 'int32', 'float16', 'float32', 'float64'] = 'int32',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (..., *shape) = positions drawn with the probabilities data (..., k); with `get_prob` also their logarithms."""

def sample_negative_binomial(
    k: Symbol | None = None,
    p: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = how often one fails before k successes of probability p for each element of them."""

def sample_normal(
    mu: Symbol | None = None,
    sigma: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y is normal with mean mu and standard deviation sigma for each element of them."""

def sample_poisson(
    lam: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y is Poisson distributed with mean lam for each element of it."""

def sample_uniform(
    low: Symbol | None = None,
    high: Symbol | None = None,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y is uniform in [low, high) for each element of low and high."""

def scatter_nd(
    data: Symbol | None = None,
    indices: Symbol | None = None,
    shape: _Shape = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (shape) = 0, but y[indices[0, j..], ..., indices[m - 1, j..], k..] = data[j.., k..]; of equal ones the last."""

def shape_array(
    data: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the shape of x, int64."""

def shuffle(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x with its slices along the first axis in random order."""

def sigmoid(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = 1 / (1 + e^-x)."""

def sign(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = -1, 0 or 1, the sign of x; no gradient flows."""

def sin(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = sin x."""

def sinh(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = (e^x - e^-x) / 2."""

def size_array(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y (1,) = the number of elements of x, int64."""

def slice(
    data: Symbol | None = None,
    begin: _OptionalInts = None,
    end: _OptionalInts = None,
    step: _OptionalInts = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...] with Python's meaning of negatives and None."""

def slice_axis(
    data: Symbol | None = None,
    axis: int = ...,
    begin: int = ...,
    end: int | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x[begin:end] along `axis`; negatives count from the end, None is the end."""

def slice_like(
    data: Symbol | None = None,
    shape_like: Symbol | None = None,
    axes: _Ints = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the first elements of x along `axes` (all when empty), as many as `shape_like` has."""

def smooth_l1(
    data: Symbol | None = None,
    scalar: float = 1.0,
    *,
    is_int: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = (s x)^2 / 2 where |x| < 1 / s^2, else |x| - 1 / (2 s^2); s: scalar."""

def softmax(
    data: Symbol | None = None,
    length: Symbol | None = None,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    use_length: bool | None = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = exp(x / temperature) / sum(exp(x / temperature)) along `axis`."""

def softmax_cross_entropy(
    data: Symbol | None = None,
    label: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (1,) = -sum(log(softmax(x)[i, label[i]])) with x (n, c), label (n,); labels out of range count nothing."""

def softmin(
    data: Symbol | None = None,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    use_length: bool | None = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = exp(-x / temperature) / sum(exp(-x / temperature)) along `axis`."""

def softsign(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x / (1 + |x|)."""

def sort(
    data: Symbol | None = None,
    axis: int | None = -1,
    is_ascend: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the elements of x in order along `axis`; None: of the flattened x. The second output, positions, is hidden."""

def space_to_depth(
    data: Symbol | None = None,
    block_size: _Count = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[n, (i b + j) C + c, h, w] = x[n, c, h b + i, w b + j] with b = block_size and x (n, C, H b, W b)."""

def split(
    data: Symbol | None = None,
    num_outputs: _Count = ...,
    axis: int = 1,
    squeeze_axis: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y_0, ..., y_(num_outputs - 1) = equal pieces of x along `axis`; `squeeze_axis` drops that axis of size 1."""

def sqrt(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x^(1/2)."""

def square(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x^2."""

def squeeze(
    data: Symbol | None = None,
    axis: _Axes = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x without the axes of size 1: those in `axis`, or all."""

def stack(
    *data: Symbol | Sequence[Symbol],
    axis: int = 0,
    num_args: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the inputs one after another along a new axis `axis`."""

def stop_gradient(
    data: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x, and no gradient flows back."""

def sum(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the sum of x over the axes."""

def sum_axis(
    data: Symbol | None = None,
    axis: _Axes = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the sum of x over the axes."""

def swapaxes(
    data: Symbol | None = None,
    dim1: int = 0,
    dim2: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with axes `dim1` and `dim2` exchanged."""

def take(
    a: Symbol | None = None,
    indices: Symbol | None = None,
    axis: int = 0,
    mode: Literal['clip', 'wrap', 'raise'] = 'clip',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = a with axis `axis` replaced by the axes of `indices`: y[.., i.., ..] = a[.., indices[i..], ..]."""

def tan(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = tan x."""

def tanh(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = sinh(x) / cosh(x)."""

def tile(
    data: Symbol | None = None,
    reps: _Shape = ...,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x repeated as a whole reps[i] times along axis i; the shorter of reps and shape gets leading ones."""

def topk(
    data: Symbol | None = None,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: Literal['value', 'indices', 'mask', 'both'] = 'indices',
    is_ascend: bool = False,
    dtype: Literal['uint8', 'int32', 'int64', 'float16', 'float32', 'float64'] = 'float32',
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = the k largest elements (smallest with `is_ascend`) of x along `axis`, in order; k < 1: all."""

def transpose(
    data: Symbol | None = None,
    axes: _Ints = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x with its axes in the order `axes`; reversed when that is empty."""

def trunc(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = x rounded towards 0; no gradient flows."""

def uniform(
    low: float = 0.0,
    high: float = 1.0,
    shape: _Shape = (),
    dtype: Literal['float16', 'float32', 'float64'] | None = None,
    *,
    ctx: object = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y[i] is uniform in [low, high)."""

def unravel_index(
    data: Symbol | None = None,
    shape: _Ints = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y (m, ...) = the position by axes of the element at position data (...) of the flattened array."""

def where(
    condition: Symbol | None = None,
    x: Symbol | None = None,
    y: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """z = x where the condition is not 0, else y; a condition (n,) chooses whole rows of x and y (n, ...)."""

def zeros_like(data: Symbol | None = None, *, name: str | None = None, attr: Mapping[str, str] | None = None) -> Symbol:
    """y = 0, of the shape and dtype of x."""
