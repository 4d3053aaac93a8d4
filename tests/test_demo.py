"""graphnn-demo: a digit drawn in a real browser is read, and what is no honest request is refused."""

import base64
import io
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import tiny
from PIL import Image

from graphnn import Variable, sym
from graphnn.data import load as load_data
from graphnn.demo import look as look_module
from graphnn.demo import server as server_module
from graphnn.demo.look import Look
from graphnn.demo.server import Server
from graphnn.errors import FormatError, ParameterError
from graphnn.predictor import load
from graphnn.tools import demo as demo_tool
from graphnn.tools import train as train_tool

IMAGES = 6000


def network():
    net = Variable("data")
    for k, count in enumerate((8, 16), 1):
        net = sym.Convolution(net, kernel=(3, 3), stride=(2, 2), num_filter=count, name=f"conv{k}")
        net = sym.Activation(net, act_type="relu", name=f"<i>relu{k}</i>")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=10, name="fc"), name="softmax")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on the first 6,000 images of MNIST."""
    root = tmp_path_factory.mktemp("demo")
    network().save(str(root / "net-symbol.json"))
    data = load_data("mnist")
    train, test = slice(IMAGES), slice(500)
    parts = (data.train_x[train, 0], data.train_y[train], data.test_x[test, 0], data.test_y[test])
    (root / "data").mkdir()
    for name, array in zip(tiny.FILES, parts, strict=True):
        (root / "data" / name).write_bytes(tiny.encode(array))
    args = ["--symbol", str(root / "net-symbol.json"), "--data-dir", str(root / "data"), "--epochs", "3"]
    args += ["--batch-size", "50", "--backend", "numpy", "--quiet", "--output", str(root / "<b>digits")]
    assert train_tool.main(args) == 0
    return root / "<b>digits"


@contextmanager
def serving(look):
    server = Server(look)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def look(folder):
    return Look.at(load(folder), folder.name)


@pytest.fixture(scope="module")
def server(look):
    with serving(look) as found:
        yield found


def png(size=(40, 40), mode="L", line=True):
    image = Image.new(mode, size, "white")
    if line:
        image.paste("black", (size[0] // 2 - 2, 5, size[0] // 2 + 2, size[1] - 5))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


# In the browser


DIGITS = {
    "0": [[(0.5 + 0.2 * np.sin(t), 0.5 - 0.3 * np.cos(t)) for t in np.linspace(0, 6.3, 14)]],
    "1": [[(0.5, 0.2), (0.5, 0.8)]],
    "7": [[(0.3, 0.22), (0.7, 0.22), (0.6, 0.5), (0.48, 0.8)]],
}


def draw(page, strokes):
    box = page.locator("#paper").bounding_box()
    for points in strokes:
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        page.mouse.move(*at[0])
        page.mouse.down()
        for x, y in at[1:]:
            page.mouse.move(x, y, steps=2)
        page.mouse.up()


def wait_for(page, label=".*"):
    """Wait until the page has its last answer."""
    page.locator("#bars[aria-busy=false]").wait_for()
    page.locator("#answer", has_text=re.compile(f"^{label}, ")).wait_for()


def probabilities(page):
    return page.eval_on_selector_all(".share", "ss => ss.map(s => parseFloat(s.textContent))")


def lit(page, selector):
    """How many different colours a canvas shows."""
    script = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    return page.eval_on_selector(selector, script)


def test_a_drawn_digit_is_read_and_the_layers_light_up(page, server):
    page.goto(server.url)
    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        wait_for(page, digit)
        shares = probabilities(page)
        assert len(shares) == 10 and abs(sum(shares) - 100) < 1 and max(shares) == shares[int(digit)] > 50
        assert page.inner_text(".first .label") == digit
        assert lit(page, "#input") > 4
        names = page.eval_on_selector_all(".layer h2", "hs => hs.map(h => h.firstChild.data.trim())")
        assert names == ["conv1", "<i>relu1</i>", "conv2", "<i>relu2</i>", "fc"]
        assert all(lit(page, f".layer:nth-child({k}) canvas") > 8 for k in range(1, 5))
        page.click("#clear")
        assert page.inner_text("#answer").strip() == "" and page.query_selector(".layer") is None


def test_probabilities_move_while_one_draws(page, server):
    page.goto(server.url)
    (points,) = DIGITS["7"]
    draw(page, [points[:2]])
    wait_for(page)
    before = probabilities(page)
    draw(page, [points[1:]])
    wait_for(page, "7")
    assert probabilities(page) != before
    page.click("#undo")
    wait_for(page)
    assert probabilities(page) == before
    page.click("#undo")
    assert page.is_disabled("#undo") and page.is_disabled("#clear")


def test_a_picture_that_is_ready_late_does_not_win(page, server):
    """Browsers promise no order among pictures that are being made of the paper."""
    page.goto(server.url)
    (points,) = DIGITS["7"]
    draw(page, [points])
    wait_for(page, "7")
    before = probabilities(page)
    page.click("#clear")
    page.evaluate("""() => {
        const paper = document.getElementById("paper"), whole = paper.toBlob.bind(paper);
        let first = true;  // the first picture of the stroke is ready after all others
        paper.toBlob = (give, ...kind) => {
            const late = first;
            first = false;
            whole((blob) => (late ? setTimeout(() => give(blob), 500) : give(blob)), ...kind);
        };
    }""")
    draw(page, [points])
    wait_for(page, "7")
    assert probabilities(page) == before


def test_a_finger_draws(page, server):
    page.goto(server.url)
    box = page.locator("#paper").bounding_box()
    touch = page.context.new_cdp_session(page)
    x = box["x"] + box["width"] / 2
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.5), ("touchMove", 0.8), ("touchEnd", None)):
        points = [] if share is None else [{"x": x, "y": box["y"] + share * box["height"]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    wait_for(page, "1")
    assert page.evaluate("scrollY") == 0


def test_a_picture_is_chosen(page, server, tmp_path):
    (tmp_path / "one.png").write_bytes(png((90, 120), "RGB"))
    (tmp_path / "none.png").write_bytes(png(line=False))
    page.goto(server.url)
    page.set_input_files("#file", str(tmp_path / "one.png"))
    wait_for(page, "1")
    assert page.is_visible("#picture") and page.is_hidden("#paper")
    wanted = server.look.predictor.predict(_prepared(server.look, tmp_path / "one.png"))[0]
    np.testing.assert_allclose(probabilities(page), 100 * wanted, atol=0.06)
    page.click("#clear")
    assert page.is_hidden("#picture") and page.is_visible("#paper")


def _prepared(look, path):
    from graphnn.data.pictures import prepare, read

    return prepare(read(path), look.predictor.shape, "mnist")[None]


def test_it_fits_a_phone_and_the_dark(page, server):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    page.goto(server.url)
    draw(page, DIGITS["1"])
    page.wait_for_selector(".layer canvas")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 25, 30)"
    assert page.title() == "<b>digits - graphnn" and page.inner_text("h1") == "<b>digits"


# Requests


def ask(server, lines, body=b"", wait=True):
    """Send what may be no request; give the status and the whole answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(lines if isinstance(lines, bytes) else "\r\n".join([*lines, "", ""]).encode() + body)
        if wait:
            s.shutdown(socket.SHUT_WR)
        answer = b""
        while part := s.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


def honest(server, body, **changes):
    """An honest question, but for `changes` of its headers; None leaves one out."""
    headers = {
        "Host": f"127.0.0.1:{server.port}", "Origin": f"http://127.0.0.1:{server.port}",
        "Content_Type": "image/png", "Content_Length": str(len(body)),
    }  # fmt: skip
    given = {k.replace("_", "-"): v for k, v in (headers | changes).items() if v is not None}
    return ["POST /look HTTP/1.1", *(f"{k}: {v}" for k, v in given.items())]


def answer_of(server, body, **changes):
    status, whole = ask(server, honest(server, body, **changes), body)
    return status, json.loads(whole.partition(b"\r\n\r\n")[2])


def test_an_honest_question_is_answered(server, look):
    status, found = answer_of(server, png())
    assert status == 200
    assert len(found["probabilities"]) == 10 and abs(sum(found["probabilities"]) - 1) < 1e-4
    assert found["input"]["shape"] == [1, 28, 28]
    assert [layer["shape"] for layer in found["layers"]][:2] == [[8, 13, 13]] * 2
    assert answer_of(server, png(), Host=f"localhost:{server.port}")[0] == 200
    status, whole = ask(server, ["GET /run.json HTTP/1.1", f"Host: 127.0.0.1:{server.port}"])
    about = json.loads(whole.partition(b"\r\n\r\n")[2])
    assert status == 200 and about["classes"] == list("0123456789") and about["name"] == "<b>digits"
    policy = next(line for line in whole.split(b"\r\n") if line.startswith(b"Content-Security-Policy: "))
    assert b"default-src 'none'" in policy and b"unsafe" not in policy


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((500,), (1, 4, 128)),  # a dense layer
        ((40, 64, 64), (32, 64, 64)),
        ((3, 65, 65), (3, 33, 33)),
        ((2, 1, 1000), (2, 1, 250)),
    ],
)
def test_only_large_channels_are_thinned_out(shape, shown):
    a = np.random.default_rng(0).random(shape)
    told = look_module._layer("x", a)
    assert (tuple(told["sizes"]), tuple(told["shape"])) == (shape, shown)
    assert len(base64.b64decode(told["data"])) == math.prod(shown)


def bad_requests(server):
    host, one = f"Host: 127.0.0.1:{server.port}", png()
    get = [[f"{line} HTTP/1.1", host] for line in ("GET /x", "GET /../../etc/passwd", "GET /demo.js/..", "GET /?a")]
    names = ("server.py", "%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "look")
    get += [[f"GET /{name} HTTP/1.1", host] for name in names]
    get += [[f"{method} / HTTP/1.1", host] for method in ("PUT", "DELETE", "OPTIONS", "BREW", "CONNECT", "TRACE")]
    evil = "Host: evil.example"
    get += [["GET / HTTP/1.1"], ["GET / HTTP/1.1", evil], ["GET / HTTP/1.1", host, evil]]
    get += [["GET / HTTP/1.1", "Host: 127.0.0.1"], ["GET http://evil.example/ HTTP/1.1", host], ["GET"], ["GET /"]]
    get += [["GET / HTTP/9.9", host], ["GET / HTTP/x", host], [f"GET /{'a' * 70_000} HTTP/1.1", host]]
    get += [["GET / HTTP/1.1", host, *(f"A{k}: b" for k in range(200))], ["GET / HTTP/1.1", host, f"A: {'b' * 70_000}"]]
    get += [["\x1b[2J\x00\xff / HTTP/1.1"], ["POST / HTTP/1.1", host], ["POST /look HTTP/1.1", host]]
    changes = [
        {"Host": "evil.example"}, {"Origin": None}, {"Origin": "null"}, {"Origin": "http://evil.example"},
        {"Origin": f"https://127.0.0.1:{server.port}"}, {"Content_Type": None}, {"Content_Type": "text/plain"},
        {"Content_Type": "application/json"}, {"Content_Length": None}, {"Content_Length": "-1"},
        {"Content_Length": "1e3"}, {"Content_Length": "٣"}, {"Content_Length": "9" * 30},
        {"Content_Length": str(server_module.MAX_BYTES + 1)}, {"Content_Length": str(len(one) + 1)},
        {"Transfer_Encoding": "chunked"}, {"Content_Length": "10"},
    ]  # fmt: skip
    bodies = [b"", b"no picture", one[:-30], png(line=False), b"<svg onload=alert(1)>"]
    return [
        *((lines, b"") for lines in get),
        *((honest(server, one, **change), one) for change in changes),
        *((honest(server, body), body) for body in bodies),
    ]


def test_bad_requests_are_refused_and_it_still_serves(server, capfd):
    requests = bad_requests(server)
    assert len(requests) > 40
    found = {}
    for lines, body in requests:
        status, answer = ask(server, lines, body)
        found[str(lines[:3])] = status
        assert b"Traceback" not in answer and b"evil" not in answer and b"root:" not in answer
    assert {k: v for k, v in found.items() if not 400 <= v < 500} == {}
    assert ask(server, b"\x16\x03\x01" + bytes(range(256)) * 4)[0] in (0, 400)
    assert answer_of(server, png())[0] == 200
    assert capfd.readouterr() == ("", "")


def test_mutated_requests_are_answered_or_refused(server):
    body, rng = png(), random.Random(0)
    whole = "\r\n".join([*honest(server, body), "", ""]).encode() + body
    found = set()
    for _ in range(400):
        b = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            i = rng.randrange(min(len(b), 200))
            b[i : i + rng.randint(0, 9)] = rng.randbytes(rng.randint(0, 9))
        found.add(ask(server, bytes(b))[0])
    assert found - {200} <= set(range(400, 500)) and len(found) > 5
    assert answer_of(server, body)[0] == 200


def test_reasons_are_said(server):
    assert answer_of(server, png(line=False))[1] == {"error": "nothing is drawn in it: it is of one colour"}
    assert answer_of(server, b"GIF89a")[1]["error"].startswith("picture: no PNG, JPEG")
    assert answer_of(server, b"x", Content_Length="99999999")[1] == {"error": "a picture may have 10 MB"}


def test_a_huge_picture_is_refused_before_it_is_decoded(server):
    stream = io.BytesIO()
    Image.new("1", (6000, 6000)).save(stream, "PNG")
    status, found = answer_of(server, stream.getvalue())
    assert status == 422 and "25000000" in found["error"]


def test_slow_and_many_clients_do_not_stop_it(look, monkeypatch):
    monkeypatch.setattr(server_module._Handler, "timeout", 0.3)
    with serving(look) as server:
        body = png()
        status, _ = ask(server, honest(server, body, Content_Length=str(len(body) + 5)), body, wait=False)
        assert status == 408
        assert ask(server, b"GET / HT", wait=False)[0] == 0
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(server_module._MOST)]
        assert ask(server, honest(server, body), body) is not None
        for s in idle:
            s.settimeout(5)
            assert s.recv(1) == b""  # it was ended by the server
            s.close()
        assert answer_of(server, body)[0] == 200


def test_what_trickles_is_ended(look, monkeypatch):
    monkeypatch.setattr(server_module, "LONGEST", 0.3)
    with serving(look) as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as s:
        with pytest.raises(OSError):
            for _ in range(100):
                s.sendall(b"G")
                threading.Event().wait(0.05)
        assert answer_of(server, png())[0] == 200


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", server.port), timeout=1):
        pass


# The command


def test_the_command_prints_its_address_and_ends_at_ctrl_c(folder):
    command = [sys.executable, "-c", "import sys; from graphnn.tools.demo import main; sys.exit(main(sys.argv[1:]))"]
    args = ["--run", str(folder), "--port", "0", "--backend", "numpy"]
    with subprocess.Popen([*command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        port = int(url.removeprefix("http://127.0.0.1:").removesuffix("/"))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            s.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert s.recv(100).startswith(b"HTTP/1.0 200 ")
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.splitlines()[-1] == "ended" and "Traceback" not in err


def test_a_port_that_is_taken(folder, server, capsys, auto_is_numpy):
    assert demo_tool.main(["--run", str(folder), "--port", str(server.port)]) == 1
    assert f"error: port {server.port}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("args", [[], ["--run", "x", "--port", "70000"], ["--run", "x", "--port", "-1"]])
def test_wrong_arguments(args):
    with pytest.raises(SystemExit) as caught:
        demo_tool.main(args)
    assert caught.value.code == 2


def test_no_run_is_one_line(capsys, tmp_path):
    assert demo_tool.main(["--run", str(tmp_path), "--backend", "numpy"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def changed(folder, tmp_path, **values):
    """The run with other values in its config.json."""
    shutil.copytree(folder, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | values))
    return load(tmp_path / "run")


def test_a_network_of_rows_has_no_page(folder, tmp_path):
    predictor = changed(folder, tmp_path, kind="rows", shape=[1, 28, 28])
    with pytest.raises(ParameterError, match=r"x: the network reads no images, but rows \(1, 28, 28\)"):
        Look.at(predictor, "x")


def test_pictures_for_ones_own_data_are_no_digits(folder, tmp_path):
    look = Look.at(changed(folder, tmp_path, data="/some/where/<i>", data_dir=None), "x")
    assert look.about()["network"].endswith("net-symbol.json on <i>")
    found = look.answer(png((28, 28)))
    wanted = np.asarray(Image.open(io.BytesIO(png((28, 28)))))
    assert base64.b64decode(found["input"]["data"]) == wanted.tobytes()


def test_a_picture_in_memory_is_named_in_errors(look):
    with pytest.raises(FormatError, match="the picture: picture: no PNG"):
        look.answer(b"zz")
