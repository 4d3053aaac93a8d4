"""What is installed: every package is listed, and a wheel holds graphnn and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = PROJECT["tool"]["setuptools"]["package-dir"]


def packages() -> set[str]:
    """Give the package names that the folders make."""
    found = set()
    for name, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join((name, *init.parent.relative_to(ROOT / folder).parts)))
    return found


def test_every_package_is_listed():
    assert packages() == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("name", ["backends", "models", "tools"])
def test_folders_of_the_checkout_are_no_top_level_packages(name, tmp_path):
    for folder, error in ((tmp_path, "ModuleNotFoundError"), (ROOT, f"import graphnn.{name}, not {name}")):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 1
        assert error in done.stderr


@pytest.mark.parametrize(
    "file",
    [
        *("py.typed", "sym.pyi", "backends/c/runtime.h", "data/mnist/train-images-idx3-ubyte.gz"),
        *("viz/page.css", "viz/page.html", "viz/page.js"),
        *("demo/index.html", "demo/demo.js", "demo/demo.css", "viz/report/page.css"),
    ],
)
def test_package_data(file):
    folder, _, name = file.rpartition("/")
    package = f"graphnn.{folder.replace('/', '.')}" if folder.startswith("backends/") else "graphnn"
    assert resources.files(package).joinpath(name if package != "graphnn" else file).is_file()


def test_every_command_line_has_its_module():
    for target in PROJECT["project"]["scripts"].values():
        module, _, function = target.partition(":")
        assert function == "main"
        assert module.startswith("graphnn.tools.")


@pytest.mark.slow
def test_wheel(tmp_path):
    unwanted = shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "source", ignore=unwanted)
    shutil.rmtree(tmp_path / "source" / "runs", ignore_errors=True)  # what was trained in the checkout
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(tmp_path / "source")]
    subprocess.run(pip, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = f"graphnn-{PROJECT['project']['version']}.dist-info"
    assert {n.split("/")[0] for n in names} == {"graphnn", info}
    assert {n.rpartition("/")[0].replace("/", ".") for n in names if n.endswith("__init__.py")} == packages()
    tests = [n for n in names if "test" in Path(n).name or n.startswith("tests")]
    assert tests == ["graphnn/compat/mxnet/test_utils.py"]
    data = {"py.typed", "sym.pyi", "backends/c/runtime.h", "data/mnist/t10k-images-idx3-ubyte.gz"}
    data |= {"viz/page.css", "viz/page.html", "viz/page.js"}
    data |= {"demo/index.html", "demo/demo.js", "demo/demo.css", "viz/report/page.css"}
    assert {f"graphnn/{name}" for name in data} <= set(names)
    assert sum(i.file_size for i in zipfile.ZipFile(wheel).infolist()) < 20e6
