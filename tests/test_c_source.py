"""The text of generated programs: names that could mean something in C leave no trace, and a small one in full.

`python tests/test_c_source.py` writes c_source.c anew: look at the difference before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from graphnn import sym
from graphnn.backends.c import load_emitters, toolchain
from graphnn.backends.c.program import emit_steps
from graphnn.backends.c.source import Source, header, transpose_block
from graphnn.backends.c.toolchain import Target
from graphnn.executor import plan_of
from graphnn.symbol import Symbol

GOLDEN = Path(__file__).with_name("c_source.c")
TARGET = Target(("cc",), "a compiler", 8, 16, "avx2", ())  # the text is the same on every machine
HOSTILE = [
    "*/ int evil(void); /*", 'a" + system("x") + "', "a\nint evil;\n", "a\\\nb", "%s%n", "??/\n", "??=define x",
    "#define float", "//",
    "/*", "\0", "\u202e", "\u03b1", "'", "`id`", "$(id)", "__attribute__((constructor))", "x" * 1000,
]  # fmt: skip


def network(names: str) -> Symbol:
    """Give a small network whose every name is made of `names`."""
    x = sym.Convolution(sym.Variable("data"), kernel=(3, 3), num_filter=3, pad=(1, 1), name=f"{names}conv")
    x = sym.Activation(x, act_type="relu", name=f"{names}relu")
    x = sym.softmax(sym.Flatten(x), name=f"{names}soft")
    return sym.FullyConnected(x, num_hidden=2, name=f"{names}fc")


def units(net: Symbol, is_train: bool = False, threads: int = 1) -> list[str]:
    plan = plan_of(net, is_train, {"data": (2, 1, 4, 4)}, "c")
    source = Source(TARGET, threads)
    for part in (0, 1):
        source.add([(s, k) for s, k in emit_steps(plan, TARGET) if s.part == part and k is not None])
    return source.units()


@pytest.fixture(autouse=True)
def fixed(monkeypatch):
    monkeypatch.setattr(toolchain, "find", lambda *_: TARGET)
    load_emitters()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("is_train", [False, True])
def test_hostile_names_leave_no_trace(is_train, threads):
    """All hostile names give the same bytes; harmless ones are in comments alone."""
    texts = {"".join(units(network(name), is_train, threads)) for name in HOSTILE}
    assert len(texts) == 1
    text = texts.pop()
    assert text.isascii() and not any(word in text for word in ("evil", "system(", "constructor"))
    harmless = "".join(units(network("net_"), is_train, threads))
    assert "net_conv" in harmless
    lines = [(a, b) for a, b in zip(text.splitlines(), harmless.splitlines(), strict=True) if a != b]
    assert lines and all(x.strip().startswith("/* ") and x.endswith(" */") for pair in lines for x in pair)


def generated() -> str:
    """Give a program without the parts that all programs share."""
    (text,) = units(network("net_"))
    for shared in (header("vector.h"), transpose_block(TARGET.lanes)):
        assert shared in text
        text = text.replace(shared, "")
    return text


def test_text_of_a_small_network():
    assert generated() == GOLDEN.read_text("utf-8")


def main() -> None:
    toolchain.find = lambda *_: TARGET
    load_emitters()
    GOLDEN.write_text(generated(), "utf-8")


if __name__ == "__main__":
    main()
