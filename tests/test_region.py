"""Boxes, moved cells and moved taps: what does not fit is named, and what is not a number harms nothing."""

import numpy as np
import pytest

from graphnn import sym
from graphnn.errors import ParameterError, ShapeError

x, boxes, trans = (sym.Variable(n) for n in ("x", "boxes", "trans"))
MOVED = {"spatial_scale": 1.0, "output_dim": 4, "group_size": 2, "pooled_size": 2}
SHAPES = {"x": (1, 16, 6, 7), "boxes": (3, 5)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sym.contrib.ROIAlign(x, boxes, pooled_size=(2,), spatial_scale=1), "pooled_size must be"),
        (lambda: sym.contrib.ROIAlign(x, boxes, pooled_size=(2, 2), spatial_scale=0), "spatial_scale must be positive"),
        (lambda: sym.contrib.PSROIPooling(x, boxes, pooled_size=2, spatial_scale=1, output_dim=0), "must be positive"),
        (
            lambda: sym.contrib.DeformablePSROIPooling(x, boxes, trans, **MOVED, sample_per_part=0),
            "sample_per_part from 1",
        ),
        (lambda: sym.contrib.DeformablePSROIPooling(x, boxes, trans, **MOVED, part_size=-1), "part_size from 0"),
        (
            lambda: sym.contrib.ModulatedDeformableConvolution(x, kernel=(3,), num_filter=2),
            "ModulatedDeformableConvolution: kernel, stride, dilate and pad are two sizes",
        ),
        (
            lambda: sym.contrib.DeformableConvolution(x, kernel=(3, 3), num_filter=3, num_group=2),
            "DeformableConvolution: 3 filters in 2 groups",
        ),
    ],
)
def test_parameters(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"x": (1, 15, 6, 7)}, r"must have output_dim group\^2 = 16 channels, got 15"),
        ({"boxes": (3, 4)}, r"rois \(3, 4\): expected rois \(\?, 5\)"),
        ({"trans": (3, 6, 2, 2)}, "2 channels a class of the 4 channels, got 6"),
        ({"trans": (2, 4, 2, 2)}, r"trans \(2, 4, 2, 2\): expected trans \(3, \?, 2, 2\)"),
    ],
)
def test_shapes(shapes, message):
    net = sym.contrib.DeformablePSROIPooling(x, boxes, trans, **MOVED)
    with pytest.raises(ShapeError, match=message):
        net.infer_shape(**{**SHAPES, "trans": (3, 4, 2, 2), **shapes})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_boxes_and_moves_that_lead_nowhere(value):
    net = sym.contrib.DeformablePSROIPooling(x, boxes, trans, **MOVED, trans_std=0.1, sample_per_part=2)
    ex = net.simple_bind(**SHAPES, trans=(3, 4, 2, 2))
    ex.arg_dict["x"][...] = 1
    ex.arg_dict["boxes"][...] = [[0, 0, 0, 5, 5], [0, value, 0, 5, 5], [-1, 0, 0, 5, 5]]
    ex.arg_dict["trans"][1:] = value
    ex.arg_dict["trans"][0, 0] = value
    ex.forward(is_train=True)
    ex.backward(np.ones((3, 4, 2, 2)))
    for array in (*ex.outputs, *ex.grad_dict.values()):
        assert np.isfinite(array).all()
    assert (ex.outputs[0][2] == 0).all() and (ex.outputs[0][0, 2:] == 1).all()
