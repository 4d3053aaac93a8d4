"""What graphnn-viz draws, mode by mode: from the options to a picture, a page or text."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from graphnn.tools.entry import folder_of, note, printable
from graphnn.tools.options import backend_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphnn.bound import Bound
    from graphnn.graph import Value
    from graphnn.symbol import Symbol
    from graphnn.types import Shape
    from graphnn.viz.drawing import Drawing
    from graphnn.viz.layers import Layer
    from graphnn.viz.profile import Profile

    Shapes = dict[str, Shape]
    Known = Mapping[Value, Shape | None]

__all__ = ["ALL", "MODES", "PRINTING", "explore"]

ALL = 1 << 20  # levels of blocks
GRAPHS = (".png", ".svg", ".pdf", ".dot")
CHARTS = (".png", ".svg", ".pdf")
DEPTHS = (("blocks", 0), ("opened once", 1), ("all layers", ALL))


def explore(args: argparse.Namespace, mode: str) -> int:
    """Do what one of MODES, or "network", says; give the exit code."""
    from graphnn.errors import DrawingError
    from graphnn.tools.entry import shapes_of

    suffixes = CHARTS if mode == "memory" else GRAPHS
    if args.output is not None and args.output.suffix.lower() not in suffixes:
        raise DrawingError(f"{args.output}: the suffix says what to draw: it must be one of {', '.join(suffixes)}")
    _writable(args, mode)
    name = args.diff[1] if mode == "diff" else args.symbol
    symbol = _symbol(name)
    shape = shapes_of(name, args.shape)
    if args.batch:
        shape = {name: (args.batch, *sizes[1:]) for name, sizes in shape.items()}
    MODES.get(mode, _network)(args, symbol, shape)
    return 0


def _writable(args: argparse.Namespace, mode: str) -> None:
    """Tell before anything is compiled or run what would keep the result from being drawn."""
    for path in (args.output, args.html):
        folder_of(path)
    if mode == "memory":
        return
    from graphnn.viz.renderer import renderer_for

    if args.output is not None:
        renderer_for(args.output.suffix.lower()[1:])
    if args.html is not None:
        renderer_for("svg")
    if mode == "passes":
        renderer_for("png")


def _symbol(name: str) -> Symbol:
    """Give a model or a file's network; automatic names count from 0, so that two networks are alike where they are."""
    from graphnn.naming import NameManager
    from graphnn.tools.entry import symbol_of

    with NameManager():
        return symbol_of(name)


def _network(args: argparse.Namespace, symbol: Symbol, shape: Shapes) -> None:
    from graphnn.viz.layers import layers
    from graphnn.viz.network import MOST_OPEN, network

    if args.summary:
        _summarize(symbol, shape, args.json)
    found, shapes = layers(symbol, shape or None)
    # A page of a large network has it closed and open.
    several = args.html is not None and args.depth is None and len(found) > MOST_OPEN
    views = [
        (name, replace(network(symbol, shape or None, not args.weights, depth), title=_name(args.symbol)))
        for name, depth in (DEPTHS if several else [("", args.depth)])
    ]
    if args.output is not None:
        _draw(replace(views[0][1], title=""), args)
    _page(views, args, found, shapes)


def _summarize(symbol: Symbol, shape: Shapes, as_json: bool) -> None:
    from graphnn.viz import print_summary, summary

    if not as_json:
        print_summary(symbol, shape)
        return
    import json

    table = summary(symbol, shape)
    print(json.dumps({**table._asdict(), "rows": [row._asdict() for row in table.rows]}))


def _passes(args: argparse.Namespace, symbol: Symbol, shape: Shapes) -> None:
    from graphnn.errors import DrawingError
    from graphnn.viz import passes

    bound, name = _bound(symbol, shape), _name(args.symbol)
    backend = backend_of(args.backend, args.quiet)
    args.passes.mkdir(parents=True, exist_ok=True)
    arrays = None if args.train else passes.frozen(bound)
    for number, rewrite in enumerate(passes.rewritten(bound, args.train, backend, args.threads, arrays)):
        told = ""
        if rewrite.changes:
            args.output = args.passes / f"{number:02d}-{rewrite.name}.png"
            title = f"{name}, {_mode(args)}, {backend}: {rewrite.name}"
            try:
                _draw(passes.drawing(rewrite, _shown(bound), title, args.depth), args, told=False)
                told = f" -> {printable(str(args.output))}"
            except DrawingError as error:
                told = f" (not drawn: {error})"
        print(f"{number:02d} {rewrite}{told}")


def _memory(args: argparse.Namespace, symbol: Symbol, shape: Shapes) -> None:
    from graphnn import backend as backends
    from graphnn.formats.atomic import write
    from graphnn.viz import chart, passes, training
    from graphnn.viz.pictures.figure import need_matplotlib

    need_matplotlib(args.output)
    bound = _bound(symbol, shape)
    backend = backend_of(args.backend, args.quiet)
    if args.train:
        step = training.step_of(bound)
        plan = backends.compile(step.graph, step.inputs, backend, threads=args.threads)
        roles = {node.name: role for node, role in step.roles.items()}
    else:
        graph, inputs = bound.inference()
        plan = backends.compile(graph, inputs, backend, frozen=passes.frozen(bound), threads=args.threads)
        roles = {}
    title = f"{_name(args.symbol)}: {_mode(args)}, {backend}, batch {_images(shape)}"
    write(args.output, chart.chart(plan, title, args.output.suffix.lower()[1:], roles))
    if not args.quiet:
        note(f"wrote {args.output}")


def _profile(args: argparse.Namespace, symbol: Symbol, shape: Shapes) -> None:
    from graphnn.viz import profile, training
    from graphnn.viz.layers import layers, typed_layers
    from graphnn.viz.network import network

    bound = _bound(symbol, shape)
    found = profile.measure(bound, args.train, backend_of(args.backend, args.quiet), args.threads)
    if args.json:
        _print_json(found)
    else:
        print("\n".join(profile.table(found)))
    if args.output is None and args.html is None:
        return
    title = f"{_name(args.symbol)}: {_mode(args)}, batch {_images(shape)}"
    if found.training is not None:
        drawn = training.drawing(found.training, _shown(bound), title, args.depth)
        own, shapes = typed_layers(found.training.graph.values, _shown(bound))
    else:
        drawn = replace(network(symbol, shape, depth=args.depth), title=title)
        own, shapes = layers(symbol, shape)
    _give(profile.painted(drawn, found, args.by or "time"), args, own, shapes)


def _print_json(found: Profile) -> None:
    import json
    from dataclasses import asdict

    rows = [asdict(step) for step in found.steps]
    told = {"notes": found.notes, "apart": found.apart, "whole": found.whole, "rounds": found.rounds, "steps": rows}
    print(json.dumps(told))


def _images(shape: Shapes) -> int:
    return next(iter(shape.values()))[0]


def _gradient(args: argparse.Namespace, symbol: Symbol, shape: Shapes) -> None:
    from graphnn.viz import training
    from graphnn.viz.layers import typed_layers

    bound = _bound(symbol, shape)
    step = training.step_of(bound)
    drawn = training.drawing(step, _shown(bound), f"{_name(args.symbol)}: one training step", args.depth)
    _give(drawn, args, *typed_layers(step.graph.values, _shown(bound)))


def _diff(args: argparse.Namespace, symbol: Symbol, shape: Shapes) -> None:
    from graphnn.viz import difference

    a, b = args.diff
    found = difference.compare(_symbol(a), symbol, shape)
    print("\n".join(difference.report(found)))
    if args.output is not None or args.html is not None:
        drawn = difference.drawing(found, f"{_name(a)} -> {_name(b)}", args.depth)
        _give(drawn, args, [*found.old, *found.new], found.shapes)


MODES = {"passes": _passes, "memory": _memory, "profile": _profile, "gradient": _gradient, "diff": _diff}
PRINTING = ("passes", "profile", "diff")  # these need no picture


def _name(symbol: str) -> str:
    """Give what a title calls a network: a model's name, a file's without its folder."""
    return Path(symbol).name


def _mode(args: argparse.Namespace) -> str:
    return "one training step" if args.train else "inference"


def _bound(symbol: Symbol, shape: Shapes) -> Bound:
    from graphnn.bound import Bound

    return Bound(symbol, shape, {})


def _shown(bound: Bound) -> set[str]:
    """Name the variables that are drawn: data and labels."""
    return {*bound.shapes, *(n for n in bound.arguments if n.endswith("label"))}


def _give(drawing: Drawing, args: argparse.Namespace, found: Sequence[Layer], shapes: Known) -> None:
    """Write what was asked for: a picture, a page."""
    if args.output is not None:
        _draw(drawing, args)
    _page([("", drawing)], args, found, shapes)


def _draw(drawing: Drawing, args: argparse.Namespace, told: bool = True) -> None:
    from graphnn.formats.atomic import write
    from graphnn.viz import render
    from graphnn.viz.drawing import digraph

    picture, warning = render(digraph(drawing), args.output.suffix.lower()[1:])
    write(args.output, picture)
    if warning:
        note(f"warning: {warning}")
    if told and not args.quiet:
        note(f"wrote {args.output}")


def _page(
    views: Sequence[tuple[str, Drawing]], args: argparse.Namespace, found: Sequence[Layer], shapes: Known
) -> None:
    if args.html is None:
        return
    from graphnn.formats.atomic import write
    from graphnn.viz.page import facts_of, page

    write(args.html, page(views, facts_of(found, shapes)))
    if not args.quiet:
        note(f"wrote {args.html}")
