"""Imports go down only; what must point upward does so inside a function and stands in UPWARD."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    "errors types",
    "folders memory",
    "tuning",
    "graph naming params",
    "op",
    "ops",
    "given infix operator passes symbol",
    "draws",
    "sym",
    "arena plan",
    "backend bound",
    "executor",
    "data formats model train viz stub",
    "rnn runs",
    "predictor",
    "demo runner writer",
    "compat",
    "__init__",
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts.split()}
UPWARD = {
    ("graph", "ops"),  # + - * / of values
    ("op", "ops"),  # the families register themselves at the first look-up
    ("symbol", "executor"),  # bind, simple_bind, plan
    ("symbol", "formats"),  # tojson, save, load
    ("symbol", "sym"),  # operators as methods
    ("symbol", "viz"),  # drawing in a notebook
}
FILES = sorted(p for part in ("graphnn", "backends", "models", "tools") for p in (ROOT / part).rglob("*.py"))


def module_of(path: Path) -> str:
    """Give the installed name: backends/numpy/conv.py is graphnn.backends.numpy.conv."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "graphnn" else ("graphnn", *parts)).removesuffix(".__init__")


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Give each imported module, and whether that happens when the file is loaded; not what is for type checkers."""
    tree = ast.parse(path.read_text("utf-8"))
    inner = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    guards = [i for i in ast.walk(tree) if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.dump(i.test)]
    typing = {n for guard in guards for n in ast.walk(guard)}
    package = module_of(path).split(".")[: None if path.name == "__init__.py" else -1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and node not in typing:
            found += [(a.name, node not in inner) for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node not in typing:
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            # `from . import x` imports the module x where there is one.
            names = [f"{base}.{a.name}" for a in node.names] if base in PACKAGES else [base]
            found += [(n, node not in inner) for n in names]
    return found


PACKAGES = {module_of(p) for p in FILES if p.name == "__init__.py"}


def core(module: str) -> str:
    """Give the part of the core that a module belongs to, such as `passes`; empty outside."""
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    return name if parts[0] == "graphnn" and name in RANK else ""


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down(path):
    module = module_of(path)
    area = module.split(".")[1] if module != "graphnn" else "__init__"
    for target, at_load in imports(path):
        if not target.startswith("graphnn"):
            continue
        where = f"{path.relative_to(ROOT)} imports {target}"
        part = target.split(".")[1] if "." in target else "__init__"
        if area == "tools":
            continue
        if area == "models":
            assert part in ("errors", "given", "models", "rnn", "sym", "symbol"), (
                f"{where}: models use the public API only"
            )
        elif area == "backends":
            own = ".".join(module.split(".")[:3])
            assert target.startswith(own) or (core(target) and RANK[part] <= RANK["backend"]), f"{where}: not its own"
        elif part not in RANK or RANK[part] > RANK[area]:
            assert (area, part) in UPWARD and not at_load, f"{where}, which lies above it"


def test_the_list_of_upward_imports_is_no_longer_than_it_must_be():
    found = {(module_of(p).split(".")[1], t.split(".")[1]) for p in FILES if module_of(p) != "graphnn"
             for t, _ in imports(p) if core(t)}  # fmt: skip
    assert found >= UPWARD


def test_every_part_of_the_core_has_a_layer():
    parts = {p.stem if p.is_file() else p.name for p in (ROOT / "graphnn").iterdir() if p.suffix in ("", ".py")}
    assert {p for p in parts if p != "__pycache__" and (ROOT / "graphnn" / p).suffix == ""} - {"__main__"} == set(RANK)
