"""What importing loads: nothing heavy, and no NumPy for --help."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SCRIPTS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["scripts"]
HEAVY = {"PIL", "graphviz", "matplotlib", "tqdm", "threadpoolctl", "tomllib", "urllib.request"}


def loaded(code: str) -> set[str]:
    """Give the modules that a new interpreter has loaded after `code`."""
    report = "import sys; print('\\n', *sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def test_graphnn_alone_loads_nothing():
    assert not loaded("import graphnn") & {*HEAVY, "numpy", "graphnn.symbol"}


@pytest.mark.parametrize(
    "code",
    [
        "from graphnn import sym; sym.Convolution",
        "import graphnn; graphnn.Module; graphnn.data",
        "import graphnn.viz, graphnn.models",
        "import graphnn.backends.numpy",
    ],
)
def test_the_core_loads_no_extras(code):
    assert not loaded(code) & HEAVY


def test_symbols_need_no_numpy():
    assert "numpy" not in loaded("from graphnn import models; models.get('alexnet').infer_shape(data=(1, 1, 28, 28))")


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_help_loads_no_numpy(script):
    module, _, function = SCRIPTS[script].partition(":")
    code = f"""
try:
    from {module} import {function}
    {function}(["--help"])
except SystemExit as e:
    assert e.code == 0
"""
    if not (Path(__file__).parents[1] / "tools" / f"{module.rpartition('.')[2]}.py").exists():
        pytest.skip(f"{script} is not there yet")
    assert not loaded(code) & {*HEAVY, "numpy"}
