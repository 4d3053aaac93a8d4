"""The type stub of graphnn.sym is fresh, and the functions at run time are what it says."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import graphnn
from graphnn import sym
from graphnn.op import OPS, lookup
from graphnn.stub import stub

STUB = Path(graphnn.__file__).with_name("sym.pyi")
DEFINED = {n.name: n for n in ast.parse(stub()).body if isinstance(n, ast.FunctionDef)}


def test_fresh():
    assert stub() == STUB.read_text("utf-8"), "graphnn/sym.pyi is stale: run `python -m graphnn.stub`"


def test_every_public_operator_is_in_it():
    lookup("")
    ours = {n for n, c in OPS.items() if c.public and n[0] != "_" and c.__module__.startswith("graphnn.")}
    assert ours - set(DEFINED) == set()
    assert len(ours) > 100


@pytest.mark.parametrize("name", sorted(set(DEFINED) - {"signature"}))
def test_names_and_docs_agree_with_the_functions(name):
    function, node = getattr(sym, name), DEFINED[name]
    args = node.args
    told = [a.arg for a in (*args.args, *([args.vararg] if args.vararg else ()), *args.kwonlyargs)]
    told += [args.kwarg.arg] if args.kwarg else []
    assert list(inspect.signature(function).parameters) == told
    assert ast.get_docstring(node) == inspect.getdoc(function).splitlines()[0]
    assert len(ast.get_docstring(node)) > 5


def test_a_signature_binds_what_scripts_write():
    x = sym.Variable("data")
    call = inspect.signature(sym.Convolution).bind(x, kernel=(3, 3), num_filter=8, workspace=512, name="c")
    assert call.arguments["num_filter"] == 8
    inspect.signature(sym.Concat).bind(x, x, num_args=2, dim=1)
    with pytest.raises(TypeError, match="kernal"):
        inspect.signature(sym.Convolution).bind(x, kernal=(3, 3))
