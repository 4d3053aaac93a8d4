"""`__all__` of every module: sorted, complete, and what it names exists."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import graphnn

ROOT = Path(__file__).parents[1]
FILES = sorted(p for part in ("graphnn", "backends", "models", "tools") for p in (ROOT / part).rglob("*.py"))
OPERATORS = ("graphnn.ops.", "graphnn.backends.numpy.")  # found by their registries, not by name
INTERNAL = {"graphnn.sym": {"METHODS"}}  # whose `__all__` is for users


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "graphnn" else ("graphnn", *parts)).removesuffix(".__init__")


MODULES = {module_of(p): p for p in FILES}


@pytest.mark.parametrize("name", MODULES)
def test_names_exist_and_are_sorted(name):
    module = importlib.import_module(name)
    names = list(getattr(module, "__all__", ()))
    assert names == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))  # as ruff sorts
    assert len(names) == len(set(names))
    assert [n for n in names if not hasattr(module, n)] == []


@pytest.mark.parametrize("name", [n for n in MODULES if not n.startswith(OPERATORS)])
def test_what_other_modules_take_is_listed(name):
    """Whatever another module imports from here must be in `__all__` (or begin with an underscore on purpose)."""
    module = importlib.import_module(name)
    if not hasattr(module, "__all__"):
        return
    taken = {n for n in TAKEN.get(name, ()) if not n.startswith("_")}
    missing = sorted(taken - set(module.__all__) - INTERNAL.get(name, set()))
    assert missing == [], f"{name}.__all__ lacks {missing}"


def _taken() -> dict[str, set[str]]:
    """Give the names that modules import from one another."""
    found: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        package = name.split(".")[: None if path.name == "__init__.py" else -1]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*start, *([node.module] if node.module else [])])
                names = {a.name for a in node.names if f"{base}.{a.name}" not in MODULES}
                found.setdefault(base, set()).update(names)
    return found


TAKEN = _taken()


def test_the_package_lists_what_it_loads_lazily():
    assert graphnn.__all__ == sorted(graphnn.__all__)
    assert dir(graphnn) == graphnn.__all__
    for name in graphnn.__all__:
        assert getattr(graphnn, name) is not None
