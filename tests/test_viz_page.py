"""The page of graphnn-viz in a real browser: boxes, panel, search, zoom, keyboard; hostile names stay text."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hostile import HOSTILE

from graphnn import models, sym
from graphnn.bound import Bound
from graphnn.errors import DrawingError
from graphnn.tools.viz import main
from graphnn.viz import render, renderer, training
from graphnn.viz.layers import clean
from graphnn.viz.network import network
from graphnn.viz.page import page as page_of

pytestmark = pytest.mark.skipif(renderer.find_renderer() is None, reason="nothing here can draw")


def opened(page, path):
    page.goto(path.as_uri())
    return page


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "lenet.html"
    assert main(["--symbol", "lenet", "--html", str(path), "--quiet"]) == 0
    return path


def box(page, name):
    return page.locator(f".picture:not([hidden]) .node[aria-label*='{name}']").first


def shown(page):
    """Give the part of the picture that shows: x, y, width, height."""
    return [float(n) for n in page.locator(".picture:not([hidden]) > svg").get_attribute("viewBox").split()]


def test_the_panel_tells_of_the_clicked_box(page, lenet):
    opened(page, lenet)
    assert page.title() == "lenet"
    assert page.locator(".node[role=button]").count() == 13
    box(page, "conv2").click()
    told = page.locator("#panel").inner_text()
    for text in ("Convolution 5x5/1, 50", "(5, 5)", "1x50x8x8", "12.5 KiB", "25,050", "conv2_weight 50x20x5x5"):
        assert text in told
    page.get_by_role("button", name="pool1", exact=True).click()  # what conv2 reads
    assert page.locator("#panel h2").inner_text() == "pool1"
    assert "max 2x2/2" in page.locator("#panel").inner_text()


def test_search_highlights_and_centres(page, lenet):
    opened(page, lenet)
    page.fill("#search", "TANH")
    assert page.locator("#matches").inner_text() == "1 of 3"
    assert page.locator(".node.found").count() == 3
    first = shown(page)
    page.press("#search", "Enter")
    assert page.locator("#panel h2").inner_text() == "tanh1"
    page.press("#search", "Enter")
    assert page.locator("#panel h2").inner_text() == "tanh2"
    assert page.locator("#matches").inner_text() == "2 of 3"
    assert shown(page)[1] > first[1]  # which lies below
    middle = box(page, "tanh2").bounding_box()
    stage = page.locator("#stage").bounding_box()
    assert abs(middle["y"] + middle["height"] / 2 - stage["y"] - stage["height"] / 2) < 3
    assert abs(middle["x"] + middle["width"] / 2 - stage["x"] - stage["width"] / 2) < 3
    page.fill("#search", "no such layer")
    assert page.locator("#matches").inner_text() == "no match"
    page.press("#search", "Escape")
    assert page.locator(".searching").count() == 0


def test_zoom_and_pan(page, lenet):
    opened(page, lenet)
    _, _, width, _ = shown(page)
    page.get_by_role("button", name="zoom in").click()
    assert shown(page)[2] == pytest.approx(width / 1.25, rel=1e-3)
    page.locator("#stage").hover()
    page.mouse.wheel(0, 100)
    page.wait_for_function(f"document.querySelector('.picture > svg').viewBox.baseVal.width > {width * 0.99}")
    before = shown(page)
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + 20, stage["y"] + 200
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=4)
    page.mouse.up()
    after = shown(page)
    scale = before[2] / stage["width"]
    assert before[0] - after[0] == pytest.approx(60 * scale, abs=6 * scale)
    assert before[1] - after[1] == pytest.approx(40 * scale, abs=6 * scale)


def test_the_keyboard_alone_is_enough(page, lenet):
    opened(page, lenet)
    page.locator("#stage").focus()
    before = shown(page)
    page.keyboard.press("+")
    page.keyboard.press("ArrowDown")
    after = shown(page)
    assert after[2] < before[2] and after[1] > before[1]
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#panel h2").inner_text() == "conv1"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def test_a_large_network_has_it_closed_and_open(page, tmp_path):
    path = tmp_path / "resnet.html"
    assert main(["--symbol", "resnet-20", "--html", str(path), "--quiet"]) == 0
    opened(page, path)
    assert page.locator(".picture:not([hidden]) .node").count() == 12
    page.get_by_role("button", name="all layers").click()
    assert page.locator(".picture:not([hidden]) .node").count() == 76
    page.get_by_role("button", name="blocks").click()
    box(page, "x 3: block of").click()
    assert page.locator("#panel details").count() == 21
    assert "14,016 parameters" in page.locator("#panel").inner_text()


def step_boxes():
    """Give the boxes of a training step's page by their id: n1 is fc1, bn1 its gradients."""
    net = sym.Activation(
        sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc1"), act_type="tanh", name="tanh"
    )
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=2, name="fc2"), name="softmax")
    step = training.step_of(Bound(net, {"data": (2, 4)}, {}))
    text, _ = page_of([("", training.drawing(step, {"data"}, "step"))])
    return json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["views"][0]["boxes"]


def test_gradients_read_those_of_what_comes_after():
    boxes = step_boxes()
    assert [id for id, _ in boxes["bn2"]["reads"]] == ["n2", "bn3"]  # of tanh: its output, and the gradients of fc2
    assert [id for id, _ in boxes["bn2"]["readers"]] == ["bn1"]


def test_links_to_boxes_of_one_text_say_which():
    labels = [box["label"] for box in step_boxes().values()]
    assert "backward: fc2:sum" in labels and "update: fc2:sgd_mom_update" in labels
    assert len(set(labels)) == len(labels)


def test_the_search_knows_layers_that_the_panel_has_no_room_for(page, tmp_path):
    net = sym.Variable("data")
    for k in range(400):
        net = sym.relu(net, name=f"relu_{k}")
    (tmp_path / "deep.html").write_text(page_of([("", network(net, depth=0))])[0])
    opened(page, tmp_path / "deep.html")
    page.fill("#search", "relu_350")
    assert page.locator("#matches").inner_text() == "1 of 1"
    page.keyboard.press("Enter")
    assert page.locator("#panel details").count() == 300
    assert page.locator("#panel").inner_text().endswith("and 99 more")  # than 300 of relu_1 to relu_399


def test_a_drawing_that_is_too_large_is_left_out(tmp_path, monkeypatch, capsys):
    def only_small(graph, format, timeout):
        if len(graph.source) > 8_000:
            raise DrawingError("too large to lay out")
        return render(graph, format, timeout)

    monkeypatch.setattr("graphnn.viz.page.render", only_small)
    path = tmp_path / "resnet.html"
    assert main(["--symbol", "resnet-20", "--html", str(path), "--quiet"]) == 0
    assert capsys.readouterr().err == "warning: the page is without 'all layers': too large to lay out\n"
    assert path.read_text().count('<div class="picture"') == 2
    assert main(["--symbol", "resnet-20", "--html", str(path), "--depth", "all", "--quiet"]) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(page, lenet, scheme):
    """Contrast of at least 4.5 between the panel's words and what is behind them (WCAG 2.1, 1.4.3)."""
    page.emulate_media(color_scheme=scheme)
    opened(page, lenet)

    def light(color):
        parts = [int(n) / 255 for n in re.findall(r"\d+", color)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    back = light(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    for what in ("h1", ".hint"):
        words = light(page.evaluate(f"getComputedStyle(document.querySelector('{what}')).color"))
        low, high = sorted((back, words))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def hostile_network():
    net = sym.Variable("data")
    for name in HOSTILE:
        net = sym.relu(net, name=name)
    return net


def test_hostile_names_stay_text(page, tmp_path):
    """The fixture fails where a dialog opens, something is asked for, or the policy is broken."""
    path = tmp_path / "net-symbol.json"
    hostile_network().save(str(path))
    target = tmp_path / "page.html"
    assert main(["--symbol", str(path), "--html", str(target), "--quiet", "--depth", "all"]) == 0
    opened(page, target)
    assert page.locator(".node").count() == len(HOSTILE) + 1
    assert page.locator("script").count() == 2 and page.locator("img, iframe, a, style + style").count() == 0
    for number, name in enumerate(HOSTILE):
        page.locator(".node").nth(number + 1).click()
        assert page.locator("#panel h2").inner_text().split() == clean(name, 200).split()
        assert page.locator("#panel *:not(h2, h3, p, dl, dt, dd, ul, li, button, span)").count() == 0
    page.fill("#search", "alert(1)")
    assert page.locator(".node.found").count() == sum("alert(1)" in name for name in HOSTILE)


def test_a_hostile_title_and_the_policy():
    drawing = network(models.get("mlp"), {"data": (1, 784)})
    text, _ = page_of([("", drawing)])
    assert "default-src 'none'" in text and "unsafe" not in text
    assert len(re.findall("sha256-", text)) == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert set(json.loads(data[1])["views"][0]["boxes"]) == {box.id for box in drawing.boxes}
    for name in HOSTILE:
        text, _ = page_of([("", replace(drawing, title=name))])
        assert len(re.findall("<script", text)) == 2 and len(re.findall("</script", text)) == 2
        assert "<b>bold" not in text
