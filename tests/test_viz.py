"""Drawings and layer tables: the DOT text, hostile names, renderers that are missing or scale, hand-counted numbers."""

from __future__ import annotations

import json
import re
import stat

import graphviz
import pytest
from hostile import HOSTILE

from graphnn import models, sym
from graphnn.errors import DrawingError, GraphError, MissingExtraError, ShapeError
from graphnn.ops import FAMILIES
from graphnn.tools.viz import main
from graphnn.viz import layers, plot_network, print_summary, render, renderer, summary

SHAPE = {"data": (1, 1, 28, 28)}


@pytest.fixture
def no_renderer(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))


def fake_dot(tmp_path, monkeypatch, script):
    """Put a `dot` on the path that runs a shell script."""
    command = tmp_path / "bin" / "dot"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")


def nodes(source):
    return re.findall(r"^\s*(n\d+) \[label=(.*?) (?:color|fontcolor)=", source, re.MULTILINE)


# The drawing


def test_one_box_an_operator_with_its_parameters_and_counts():
    source = plot_network(models.get("alexnet"), shape=SHAPE).source
    labels = [label.strip('"') for _, label in nodes(source)]
    assert labels == [
        "data",
        r"Convolution 4x4/2, 32\nconv1\n544 parameters",
        r"Activation relu\nrelu1",
        r"Convolution 3x3/2, 64\nconv2\n18,496 parameters",
        r"Activation relu\nrelu2",
        r"Convolution 3x3/2, 128\nconv3\n73,856 parameters",
        r"Activation relu\nrelu3",
        labels[7],  # Flatten, whose automatic number depends on what was made before
        r"FullyConnected 1024\nfc1\n2,098,176 parameters",
        r"FullyConnected 10\nfc2\n10,250 parameters",
        "softmax_label",
        r"SoftmaxOutput\nsoftmax",
    ]
    assert labels[7].startswith(r"Flatten\nflatten")
    assert 'n0 -> n1 [label=" 1x28x28 "' in source
    assert 'n6 -> n7 [label=" 128x4x4 "' in source


def test_without_shapes_edges_and_counts_stay_bare():
    source = plot_network(models.get("alexnet")).source
    assert r"conv1\n" not in source  # whose parameters depend on the channels of the data
    assert 'n0 -> n1 [label=""' in source
    assert 'n9 -> n11 [label=" 10 "' in source  # which nothing but the layer's own parameters decides


def test_mxnet_arguments():
    graph = plot_network(models.get("mlp"), title="net", save_format="png", node_attrs={"fontsize": "20"})
    assert isinstance(graph, graphviz.Digraph)
    assert (graph.name, graph.format, graph.node_attr["fontsize"]) == ("net", "png", "20")


def test_weights_are_drawn_when_asked_for():
    source = plot_network(models.get("alexnet"), shape=SHAPE, hide_weights=False).source
    assert r"conv1_weight\n32x1x4x4" in source
    assert "conv1_weight" not in plot_network(models.get("alexnet"), shape=SHAPE).source


def test_a_wrong_name_or_shape_is_an_error():
    with pytest.raises(GraphError, match="no argument 'dat'; did you mean data"):
        plot_network(models.get("mlp"), shape={"dat": (1, 784)})
    with pytest.raises(ShapeError, match="conv1"):
        plot_network(models.get("alexnet"), shape={"data": (1, 784)})


def test_every_family_of_operators_has_a_kind():
    assert set(FAMILIES) <= set(layers.KINDS)


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (lambda x: sym.Convolution(x, kernel=(3, 5), stride=(1, 2), num_filter=8, num_group=4), "3x5/1x2, 8, 4 groups"),
        (lambda x: sym.Convolution(x, kernel=(3,), dilate=(2,), num_filter=8), "3/1, 8, dilate 2"),
        (lambda x: sym.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg"), "Pooling avg 2x2/2"),
        (lambda x: sym.Pooling(x, kernel=(2, 2), global_pool=True), "Pooling global max"),
        (lambda x: sym.LeakyReLU(x, act_type="elu"), "LeakyReLU elu"),
        (lambda x: sym.Dropout(x, p=0.3), "Dropout 0.3"),
        (lambda x: sym.Reshape(x, shape=(0, -1)), "Reshape (0, -1)"),
        (lambda x: sym.sum(x, axis=1), "sum axis (1,)"),
        (lambda x: x * 2, "_mul_scalar scalar 2.0"),
        (lambda x: sym.BatchNorm(x, eps=1e-5), r"BatchNorm\n"),
    ],
)
def test_details(net, text):
    assert text in plot_network(net(sym.Variable("data"))).source


# Names from files


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    net = sym.relu(sym.Variable(name), name=name)
    graph = plot_network(net)
    drawn = nodes(graph.source)
    assert [id for id, _ in drawn] == ["n0", "n1"]
    assert len(re.findall(r"^\s*n\d+ -> n\d+ ", graph.source, re.MULTILINE)) == 1
    assert not any(label.startswith("<") for _, label in drawn)
    assert len(graph.source.splitlines()) == 8  # no name breaks a line
    assert max(len(label) for _, label in drawn) < 200
    if renderer.find_renderer():
        svg = render(graph, "svg")[0].decode()
        assert svg.count('class="node"') == 2
        for forbidden in ("<script", "<image", "<a ", 'href="javascript', "<b>"):
            assert forbidden not in svg


def test_an_escaped_label_exactly():
    source = plot_network(sym.Variable('a"b\n<b>\\N')).source
    assert r'n0 [label="a\"b <b>\\N"' in source
    assert 'n0 [label="&amp;lt;"' in plot_network(sym.Variable("&lt;")).source
    assert 'n0 [label="<b>"' in plot_network(sym.Variable("<b>")).source


def test_tables_strip_control_characters(capsys):
    print_summary(sym.relu(sym.Variable("\x1b[31mred\nline"), name="\x07bell"))
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\x07" not in printed
    assert len(printed.splitlines()) == 6


# Renderers


def test_dot_needs_no_renderer(no_renderer):
    graph = plot_network(models.get("mlp"))
    assert render(graph, "dot") == (graph.source.encode(), "")


def test_a_missing_renderer_is_one_line(no_renderer, tmp_path, capsys):
    with pytest.raises(
        MissingExtraError, match=r"apt install.*or graphviz-pure, of graphnn's extra 'viz': pip install"
    ):
        render(plot_network(models.get("mlp")), "png")
    assert main(["--symbol", "mlp", "-o", str(tmp_path / "x.png")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: drawing PNG needs Graphviz") and error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()
    assert models.get("mlp")._repr_svg_() is None


def test_graphviz_pure_draws_no_pdf(monkeypatch, tmp_path):
    monkeypatch.setattr(renderer, "find_renderer", lambda: tmp_path / "graphviz-pure")
    with pytest.raises(DrawingError, match="graphviz-pure draws png and svg only: for PDF install Graphviz"):
        render(plot_network(models.get("mlp")), "pdf")


def test_dot_comes_before_graphviz_pure(monkeypatch, tmp_path):
    fake_dot(tmp_path, monkeypatch, "echo picture")
    (tmp_path / "bin" / "graphviz-pure").symlink_to("dot")
    assert renderer.find_renderer() == tmp_path / "bin" / "dot"
    (tmp_path / "bin" / "dot").rename(tmp_path / "bin" / "other")
    (tmp_path / "bin" / "graphviz-pure").unlink()
    (tmp_path / "bin" / "graphviz-pure").symlink_to("other")
    if renderer.find_renderer().parent == tmp_path / "bin":  # unless this machine has a dot
        assert renderer.find_renderer().name == "graphviz-pure"


# A dot that lays out 300 x 7200 points and draws a PNG of the height in $height.
DRAWS = """
case $1 in
-Tsvg) echo '<svg width="300pt" height="7200pt"' ;;
-Tpng) printf '\\211PNG\\r\\n\\032\\n\\0\\0\\0\\015IHDR\\0\\0\\001\\220\\0\\0'"$height" ;;
esac
"""


def test_scaling_down_is_noticed(monkeypatch, tmp_path, capsys):
    fake_dot(tmp_path, monkeypatch, DRAWS)
    monkeypatch.setenv("height", r"\016\020")  # 3600 of 9600 pixels
    assert main(["--symbol", "mlp", "-o", str(tmp_path / "x.png"), "--quiet"]) == 0
    assert capsys.readouterr().err == "warning: dot scaled the picture down to 38%: SVG keeps its size\n"
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setenv("height", r"\045\200")  # 9600
    assert main(["--symbol", "mlp", "-o", str(tmp_path / "x.png"), "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_picture_that_would_not_fit_into_memory_is_refused(monkeypatch, tmp_path):
    fake_dot(tmp_path, monkeypatch, 'echo \'<svg width="100000pt" height="100000.5pt"\'')
    graph = plot_network(models.get("mlp"))
    with pytest.raises(DrawingError, match="the PNG would have 133333 x 133334 pixels: draw SVG instead"):
        render(graph, "png")
    assert render(graph, "svg")[0].startswith(b"<svg")


def test_a_failing_or_endless_dot_is_one_line_and_leaves_no_file(monkeypatch, tmp_path, capsys):
    fake_dot(tmp_path, monkeypatch, "echo 'Format: \"png\" not recognized' >&2; exit 1")
    assert main(["--symbol", "mlp", "-o", str(tmp_path / "x.png")]) == 1
    assert capsys.readouterr().err == 'error: dot failed: Format: "png" not recognized\n'
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin"]
    (tmp_path / "bin" / "dot").write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(DrawingError, match="dot gave no size of the picture"):
        render(plot_network(models.get("mlp")), "png")
    (tmp_path / "bin" / "dot").write_text("#!/bin/sh\nexec sleep 10\n")
    with pytest.raises(DrawingError, match="dot took over"):
        render(plot_network(models.get("mlp")), "png", timeout=0.1)


@pytest.mark.skipif(renderer.find_renderer() is None, reason="nothing here can draw")
def test_pictures(tmp_path):
    for suffix, start in ((".png", b"\x89PNG\r\n"), (".svg", b"<?xml"), (".dot", b"digraph")):
        file = tmp_path / f"alexnet{suffix}"
        assert main(["--symbol", "alexnet", "-o", str(file), "--quiet"]) == 0
        assert file.read_bytes().startswith(start)
    assert "Convolution 3x3/2, 64" in models.get("alexnet")._repr_svg_()


def test_a_large_graph_shows_as_text():
    net = sym.Variable("data")
    for k in range(301):
        net = net + k * k  # no part of it repeats
    assert net._repr_svg_() is None


@pytest.mark.skipif(renderer.find_renderer() is None, reason="nothing here can draw")
def test_a_large_graph_of_repeats_is_drawn():
    net = sym.Variable("data")
    for _ in range(1001):
        net = net + 1
    assert "x 1000" in net._repr_svg_()  # the first reads a variable


# The table


def test_alexnet_by_hand():
    counts = {
        "conv1": 32 * 1 * 4 * 4 + 32,
        "conv2": 64 * 32 * 3 * 3 + 64,
        "conv3": 128 * 64 * 3 * 3 + 128,
        "fc1": 1024 * 128 * 4 * 4 + 1024,
        "fc2": 10 * 1024 + 10,
    }
    table = summary(models.get("alexnet"), SHAPE)
    assert {r.name: r.parameters for r in table.rows if r.parameters} == counts
    assert (table.parameters, table.states) == (sum(counts.values()), 0)
    shapes = {r.name: r.output_shape for r in table.rows}
    assert (shapes["data"], shapes["conv1"], shapes["conv3"], shapes["softmax"]) == (
        [1, 28, 28], [32, 13, 13], [128, 4, 4], [10]
    )  # fmt: skip
    assert next(r.previous for r in table.rows if r.name == "softmax") == ["fc2", "softmax_label"]


def test_states_and_shared_parameters_count_once():
    x, w = sym.Variable("data"), sym.Variable("w")
    one = sym.FullyConnected(x, w, num_hidden=6, no_bias=True, name="one")
    net = sym.BatchNorm(sym.FullyConnected(one, w, num_hidden=6, no_bias=True, name="two"), name="bn")
    table = summary(net, {"data": (2, 6)})
    assert {r.name: r.parameters for r in table.rows} == {"data": 0, "one": 36, "two": 0, "bn": 12}
    assert (table.parameters, table.states) == (48, 12)


def test_parameters_of_other_operators_count_too():
    net = sym.dot(sym.Variable("data"), sym.Variable("matrix"))
    assert summary(net, {"data": (2, 3), "matrix": (3, 4)}).parameters == 0  # both are given: inputs
    net = sym.broadcast_mul(sym.Variable("data"), sym.Variable("scale", shape=(1, 3)))
    assert summary(net, {"data": (2, 3)}).parameters == 3


def test_without_shapes_the_count_is_not_known(capsys):
    table = summary(models.get("mlp"))
    assert table.parameters is None
    print_summary(models.get("mlp"))
    printed = capsys.readouterr().out
    assert "Total params: ? (give the shapes of the inputs)" in printed


def test_print_summary(capsys):
    print_summary(models.get("alexnet"), SHAPE, line_length=100)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "Layer (type)"
    assert lines[1] == "=" * 100
    assert lines[3].split() == ["conv1", "(Convolution", "4x4/2,", "32)", "32x13x13", "544", "data"]
    assert lines[-3].split() == ["softmax_label"]  # a second input has a line of its own
    assert lines[-1] == "Total params: 2,201,322"
    assert max(map(len, lines)) <= 100


# The command line


def test_summary_as_json(capsys):
    assert main(["--symbol", "alexnet", "--summary", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["parameters"] == 2201322
    assert table["rows"][1] == {
        "name": "conv1", "type": "Convolution", "detail": "4x4/2, 32", "output_shape": [32, 13, 13],
        "parameters": 544, "previous": ["data"],
    }  # fmt: skip


def test_a_symbol_file_with_shapes(tmp_path, capsys):
    file = tmp_path / "net-symbol.json"
    models.get("mlp").save(str(file))
    assert main(["--symbol", str(file), "--summary", "--shape", "data=8,1,28,28"]) == 0
    assert "Total params: 937,482" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--symbol", "mlp"], 2, "give -o FILE, --html FILE or --summary"),
        (["--symbol", "mlp", "-o", "x.png", "--json"], 2, "--json goes with --summary or --profile"),
        (["--symbol", "mlp", "--summary", "--shape", "data=1,x"], 2, "must be like data=1,1,28,28, got 'data=1,x'"),
        (["--summary"], 2, "--symbol"),
        (["--symbol", "mlp", "-o", "x.gif"], 1, "x.gif: the suffix says what to draw: it must be one of .png, .svg"),
        (["--symbol", "mlp", "-o", "/dev/full"], 1, "/dev/full: the suffix says"),
        (["--symbol", "mpl", "--summary"], 1, "no model and no file 'mpl'"),
        (["--symbol", "mlp", "--summary", "--shape", "dat=1,2"], 1, "no argument 'dat'"),
    ],
)
def test_what_cannot_be_done(arguments, code, error, capsys):
    try:
        found = main(arguments)
    except SystemExit as e:
        found = e.code
    assert found == code
    printed = capsys.readouterr().err
    assert error in printed
    assert "Traceback" not in printed


def test_an_svg_names_fonts_as_wide_as_that_it_is_laid_out_for(tmp_path, monkeypatch):
    fake_dot(tmp_path, monkeypatch, """echo '<svg><text font-family="Helvetica,sans-Serif">a</text></svg>'""")
    found, _ = render(graphviz.Digraph(), "svg")
    assert b'"Helvetica, Arial, Liberation Sans, Nimbus Sans, DejaVu Sans Condensed, sans-serif">a<' in found


def test_a_recurrent_layer_says_what_it_is():
    text = plot_network(models.get("lstm-ctc"), shape={"data": (1, 1, 28, 112)}).source
    assert r"RNN lstm 64, 2 layers, both ways\nlstm_rnn" in text
