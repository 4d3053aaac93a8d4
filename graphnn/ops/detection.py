"""Boxes: anchors, their matching with objects, decoding, overlap and non-maximum suppression.

A box is (left, top, right, bottom), in "center" format (x, y, width, height). Overlap is intersection over union.
None of these has a gradient but box_nms, which hands it on to the boxes it keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ParameterError, ShapeError
from ..graph import Value
from ..op import Op, PartialDTypes, PartialShapes, Split
from ..types import Shape, TensorType, merge, show_shape

__all__ = [
    "MultiBoxDetection",
    "MultiBoxPrior",
    "MultiBoxTarget",
    "MultiProposal",
    "Proposal",
    "bipartite_matching",
    "box_decode",
    "box_encode",
    "box_iou",
    "box_nms",
]

Floats = tuple[float, ...]


def _positive(name: str, **given: Floats) -> None:
    for key, values in given.items():
        if not values or not all(1e-6 <= v <= 1e6 for v in values):
            raise ParameterError(f"{name}: {key} must be numbers from 1e-6 to 1e6, got {values}")


def _variances(name: str, values: Floats) -> None:
    if len(values) != 4 or any(v == 0 for v in values):
        raise ParameterError(f"{name}: variances must be 4 numbers other than 0, got {values}")


class MultiBoxPrior(Op):
    """Anchors around every position of a feature map: (1, h w (sizes + ratios - 1), 4), in units of the image.

    Position (i, j) has its centre at ((j + offsets[1]) steps[1], (i + offsets[0]) steps[0]), a step of -1 being 1 / w
    and 1 / h. Its anchors are s h / w sqrt(r) wide and s / sqrt(r) high: all sizes s with ratios[0], then sizes[0] with
    the other ratios r (Liu et al., 2016).
    """

    sizes: Floats = (1.0,)
    ratios: Floats = (1.0,)
    clip: bool = False
    steps: Floats = (-1.0, -1.0)
    offsets: Floats = (0.5, 0.5)
    name = "_contrib_MultiBoxPrior"
    aliases = ("_npx_multibox_prior",)

    def check(self) -> None:
        _positive("MultiBoxPrior", sizes=self.sizes, ratios=self.ratios)
        if len(self.steps) != 2 or len(self.offsets) != 2:
            raise ParameterError(f"MultiBoxPrior: steps and offsets are two numbers, got {self.steps}, {self.offsets}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(ins[0], None if ins[0] is None else (0,) * 4)
        count = 0 if data is None else data[2] * data[3] * (len(self.sizes) + len(self.ratios) - 1)
        return [data], [merge(outs[0], (1, count, 4))]

    def for_mode(self, is_train: bool, xs: tuple[Value, ...]) -> Value:
        """Only the size of the data counts: the anchors are a constant of the graph."""
        height, width = xs[0].shape[2:]
        return _anchors(self, height, width, xs[0].dtype)()


class _anchors(Op):
    """The anchors of `prior` for a feature map of height x width."""

    prior: MultiBoxPrior
    height: int
    width: int
    dtype: str
    public = False
    inputs = ()
    stored = True

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        return ins, self.prior.infer_shape([(0, 0, self.height, self.width)], [None])[1]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [self.dtype]


class MultiBoxTarget(Op):
    """What a detector is to learn for its anchors: loc_target (n, 4 a), loc_mask (n, 4 a), cls_target (n, a).

    anchor (1, a, 4), label (n, objects, 5 or more) with rows (class, box) until class -1, cls_pred (n, classes, a).
    Each object takes the anchor it overlaps most; then anchors over `overlap_threshold` take their best object. These
    get class + 1 and ((x - ax) / aw, (y - ay) / ah, log(w / aw), log(h / ah)) / variances. The others are background,
    0; with `negative_mining_ratio` only so many times the matched ones, those least like background first, and the rest
    get `ignore_label` (Liu et al., 2016, section 2.2). MXNet does not heed minimum_negative_samples either.
    """

    overlap_threshold: float = 0.5
    ignore_label: float = -1.0
    negative_mining_ratio: float = -1.0
    negative_mining_thresh: float = 0.5
    variances: Floats = (0.1, 0.1, 0.2, 0.2)
    name = "_contrib_MultiBoxTarget"
    aliases = ("_npx_multibox_target",)
    inputs = ("anchor", "label", "cls_pred")
    outputs = ("loc_target", "loc_mask", "cls_target")
    ignored = frozenset({"minimum_negative_samples"})

    def check(self) -> None:
        _variances("MultiBoxTarget", self.variances)
        if not -1e6 <= self.negative_mining_ratio <= 1e6:
            raise ParameterError(f"MultiBoxTarget: negative_mining_ratio is out of range: {self.negative_mining_ratio}")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        anchor, label, cls = (merge(s, None if s is None else (0,) * 3) for s in ins)
        if label is not None and 0 < label[2] < 5:
            raise ShapeError(f"label must have rows of 5 numbers or more, got {show_shape(label)}")
        a = next((s[k] for s, k in ((anchor, 1), (cls, 2)) if s is not None and s[k]), 0)
        n = next((s[0] for s in (label, cls) if s is not None and s[0]), 0)
        new = [merge(anchor, (1, a, 4)), label, merge(cls, (n, 0, a))]
        return new, [merge(o, s) for o, s in zip(outs, ((n, 4 * a), (n, 4 * a), (n, a)), strict=True)]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((None, 0, 0), (0, 0, 0))


class MultiBoxDetection(Op):
    """Detections (n, a, 6) of rows (class, score, box), best first, class -1 for what was suppressed.

    cls_prob (n, classes, a) with background first, loc_pred (n, 4 a), anchor (1, a, 4). Anchors whose best class scores
    over `threshold` are decoded; of two that overlap by `nms_threshold` or more, in one class or (force_suppress) any,
    the better stays. `nms_topk` looks at so many of the best. A threshold outside (0, 1] suppresses and sorts nothing.
    """

    clip: bool = True
    threshold: float = 0.01
    nms_threshold: float = 0.5
    force_suppress: bool = False
    variances: Floats = (0.1, 0.1, 0.2, 0.2)
    nms_topk: int = -1
    name = "_contrib_MultiBoxDetection"
    aliases = ("_npx_multibox_detection",)
    inputs = ("cls_prob", "loc_pred", "anchor")
    ignored = frozenset({"background_id"})  # the first class is background, as in MXNet

    def check(self) -> None:
        _variances("MultiBoxDetection", self.variances)

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        cls, loc, anchor = ins
        y = merge(outs[0], None if outs[0] is None else (0, 0, 6))
        n = next((s[0] for s in (cls, loc, y) if s is not None and s[0]), 0)
        a = next((s[k] for s, k in ((cls, 2), (anchor, 1), (y, 1)) if s is not None and len(s) == 3 and s[k]), 0)
        return [merge(cls, (n, 0, a)), merge(loc, (n, 4 * a)), merge(anchor, (1, a, 4))], [merge(y, (n, a, 6))]

    def split(self, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> Split | None:
        return Split((0, 0, None), (0,))


class box_iou(Op):
    """y[i.., j..] = overlap of lhs[i..] and rhs[j..]; the last axis of both is a box of 4."""

    format: Literal["center", "corner"] = "corner"
    name = "_contrib_box_iou"
    inputs = ("lhs", "rhs")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        for name, s in zip(self.inputs, ins, strict=True):
            if len(s) < 2 or s[-1] != 4:
                raise ShapeError(f"{name} must have two axes or more, the last of 4, got {show_shape(s)}")
        return [(*ins[0][:-1], *ins[1][:-1])]


class box_decode(Op):
    """Boxes (n, a, 4) with corners from what a network says of its anchors: data (n, a, 4), anchors (1, a, 4).

    x = data_0 std0 aw + ax, y likewise, w = exp(data_2 std2) aw, h likewise; `clip` (not positive: off) is the most of
    data std in the exponent. `format` is that of the anchors.
    """

    std0: float = 1.0
    std1: float = 1.0
    std2: float = 1.0
    std3: float = 1.0
    clip: float = -1.0
    format: Literal["center", "corner"] = "center"
    name = "_contrib_box_decode"
    inputs = ("data", "anchors")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        data = merge(merge(ins[0], outs[0]), (0, 0, 4) if ins[0] or outs[0] else None)
        return [data, merge(ins[1], None if data is None else (1, data[1], 4))], [data]


class box_encode(Op):
    """What a network is to say of its anchors, (n, a, 4), and where that counts, (n, a, 4), the undoing of box_decode.

    samples (n, a) over 0.5 have an object, refs[matches]; ((x - ax) / aw - means_0) / stds_0 and so on, log(w / aw) for
    sizes. anchors (n, a, 4) and refs (n, m, 4) are corners.
    """

    name = "_contrib_box_encode"
    inputs = ("samples", "matches", "anchors", "refs", "means", "stds")
    outputs = ("output0", "output1")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        samples, _, anchors, refs, *_ = ins
        if len(samples) != 2 or anchors != (*samples, 4) or len(refs) != 3 or refs[2] != 4:
            raise ShapeError("samples must be (n, a), anchors (n, a, 4), refs (n, m, 4)")
        return [(*samples, 4)] * 2


class bipartite_matching(Op):
    """Pairs of rows and columns of scores (.., n, m), best first, none twice: each one's partner or -1.

    Scores must be over `threshold`, or with `is_ascend`, where the smallest is best, below it; at most topk + 1 pairs,
    as MXNet counts (topk not positive: any number).
    """

    threshold: float
    is_ascend: bool = False
    topk: int = -1
    name = "_contrib_bipartite_matching"
    outputs = ("output0", "output1")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        if len(ins[0]) < 2:
            raise ShapeError(f"data must have two axes or more, got {show_shape(ins[0])}")
        return [ins[0][:-1], (*ins[0][:-2], ins[0][-1])]


class box_nms(Op):
    """The rows of data (..., n, k) that survive, best first, and -1 elsewhere.

    A row has its score at `score_index`, its box from `coord_start`, its class at `id_index` (-1: none). Rows that
    score over `valid_thresh` and are not `background_id` go through in order, the first `topk` of them; one that
    overlaps a better one, of its class unless `force_suppress`, by more than `overlap_thresh` is dropped.
    """

    overlap_thresh: float = 0.5
    valid_thresh: float = 0.0
    topk: int = -1
    coord_start: int = 2
    score_index: int = 1
    id_index: int = -1
    background_id: int = -1
    force_suppress: bool = False
    in_format: Literal["center", "corner"] = "corner"
    out_format: Literal["center", "corner"] = "corner"
    name = "_contrib_box_nms"
    aliases = ("_contrib_box_non_maximum_suppression",)
    outputs = ("output0", "output1")
    num_visible = 1

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        both = merge(ins[0], outs[0])
        if both is None:
            return [both], outs
        k = both[-1]
        last = max(self.coord_start + 4, self.score_index + 1, self.id_index + 1)
        if len(both) < 2 or (k and (k < last or min(self.coord_start, self.score_index) < 0)):
            raise ShapeError(
                f"rows of data must have at least {last} numbers, and there must be two axes: {show_shape(both)}"
            )
        return [both], [both, merge(outs[1], (*both[:-1], 1))]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        both, (one,) = super().infer_dtype(ins, outs[:1])
        return both, [one, "int64"]

    def grad(self, xs: Any, ys: Any, gs: Any) -> Sequence[Value | None]:
        return (_box_nms_grad()(gs[0], ys[1]),)


class _box_nms_grad(Op):
    """ddata[.., source[.., i], :] = g[.., i, :] for the rows that were kept."""

    public = False
    inputs = ("grad", "source")

    def shapes(self, *ins: Shape) -> Sequence[Shape]:
        return [ins[0]]

    def infer_dtype(self, ins: PartialDTypes, outs: PartialDTypes) -> tuple[PartialDTypes, PartialDTypes]:
        return ins, [ins[0]]


class Proposal(Op):
    """Regions worth a look: rois (post n, 5) of rows (image, box in pixels) and score (post n, 1), best first.

    cls_prob (n, 2 a, h, w), the second a object scores; bbox_pred (n, 4 a, h, w); im_info (n, 3): height, width, scale.
    The a = ratios x scales anchors lie `feature_stride` pixels apart. Boxes are decoded and clipped; those smaller than
    `rpn_min_size` times the scale count last; the `rpn_pre_nms_top_n` best go through suppression over `threshold`; of
    the rest `rpn_post_nms_top_n` are given, over and over if there are fewer (Ren et al., 2015).
    """

    rpn_pre_nms_top_n: int = 6000
    rpn_post_nms_top_n: int = 300
    threshold: float = 0.7
    rpn_min_size: int = 16
    scales: Floats = (4.0, 8.0, 16.0, 32.0)
    ratios: Floats = (0.5, 1.0, 2.0)
    feature_stride: int = 16
    output_score: bool = False
    iou_loss: bool = False
    name = "_contrib_Proposal"
    inputs = ("cls_prob", "bbox_pred", "im_info")
    outputs = ("output", "score")

    @property
    def num_visible(self) -> int:
        return 2 if self.output_score else 1

    def check(self) -> None:
        _positive("Proposal", scales=self.scales, ratios=self.ratios)
        if self.rpn_post_nms_top_n < 1 or not 1 <= self.feature_stride <= 1 << 20:
            raise ParameterError("Proposal: rpn_post_nms_top_n and feature_stride must be at least 1")

    def infer_shape(self, ins: PartialShapes, outs: PartialShapes) -> tuple[PartialShapes, PartialShapes]:
        cls, box, info = ins
        n = next((s[0] for s in ins if s is not None and s[0]), 0)
        if n > 1 and self.name == "_contrib_Proposal":
            raise ShapeError(f"takes one image, got {n}: _contrib_MultiProposal takes several")
        a = len(self.scales) * len(self.ratios)
        size = next((s[2:] for s in (cls, box) if s is not None and len(s) == 4 and all(s[2:])), (0, 0))
        rows = n * self.rpn_post_nms_top_n
        new = [merge(cls, (n, 2 * a, *size)), merge(box, (n, 4 * a, *size)), merge(info, (n, 3))]
        return new, [merge(outs[0], (rows, 5)), merge(outs[1], (rows, 1))]


class MultiProposal(Proposal):
    """Proposal for several images."""

    rpn_pre_nms_top_n: int = 6000
    name = "_contrib_MultiProposal"
