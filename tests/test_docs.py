"""The documents' Python is run: every block of README.md and docs/*.md, file by file, and every docs/*.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if "```python" in p.read_text("utf-8")]
SCRIPTS = sorted((ROOT / "docs").glob("*.py"))


def python_of(page: Path) -> str:
    """Give the page's blocks as one program, each line where it stands in the page."""
    text = page.read_text("utf-8")
    inside = [m.span(1) for m in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    kept = "".join(c if c == "\n" or any(a <= i < b for a, b in inside) else "" for i, c in enumerate(text))
    assert inside
    return kept


def run(code: str, name: str, folder: Path) -> str:
    program = f"import sys; exec(compile(sys.stdin.read(), {name!r}, 'exec'), {{'__name__': '__main__'}})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], input=code, capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page(page, tmp_path):
    """Lines `# > text` say what the program prints, in order."""
    code = python_of(page)
    printed = run(code, page.name, tmp_path).splitlines()
    promised = re.findall(r"^# > ?(.*)$", code, re.MULTILINE)
    if promised:
        assert printed == promised


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_script(script, tmp_path):
    assert run(script.read_text("utf-8"), script.name, tmp_path)


def test_own_operator(tmp_path):
    lines = run((ROOT / "docs" / "own_operator.py").read_text("utf-8"), "own_operator.py", tmp_path).splitlines()
    assert lines[0] == "['swish_output'] [(3, 4)]"
    assert float(lines[1].removeprefix("forward is off by ")) < 1e-12
    assert float(lines[2].removeprefix("gradient is off by ")) < 1e-8


def test_own_operator_is_short():
    """The class and its kernel, blank lines apart, are what the README says: 20 lines at most."""
    text = (ROOT / "docs" / "own_operator.py").read_text("utf-8")
    body = text[text.index("class Swish") : text.index("# That was it")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20
