"""graphnn-viz: draw a network, what the compiler makes of it, and how it runs; or print its layers."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from graphnn.tools.entry import add_shape, note, printable, run
from graphnn.tools.listing import add_list, print_list
from graphnn.tools.options import add_backend, backend_of, positive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphnn.bound import Bound
    from graphnn.graph import Value
    from graphnn.symbol import Symbol
    from graphnn.types import Shape
    from graphnn.viz.drawing import Drawing
    from graphnn.viz.layers import Layer

    Shapes = dict[str, Shape]
    Known = Mapping[Value, Shape | None]

__all__ = ["main"]

ALL = 1 << 20  # levels of blocks
GRAPHS = (".png", ".svg", ".pdf", ".dot")
DEPTHS = (("blocks", 0), ("opened once", 1), ("all layers", ALL))
CHARTS = (".png", ".svg", ".pdf")

EXAMPLES = """examples:
  graphnn-viz --symbol alexnet -o alexnet.png
  graphnn-viz --symbol alexnet --summary
  graphnn-viz --symbol resnet-50 -o net.svg --depth 1
  graphnn-viz --symbol net-symbol.json --shape data=1,3,224,224 --html net.html
  graphnn-viz --symbol resnet-20 --passes passes/ --backend c
  graphnn-viz --symbol resnet-50 --memory --train --batch 8 -o plan.png
  graphnn-viz --symbol lenet --gradient -o step.png
  graphnn-viz --symbol resnet-50 --profile --threads 2 -o time.png
  graphnn-viz --diff resnet-18 resnet-34 -o difference.png
"""


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-viz",
        description="Draw a network, what the compiler makes of it, and how it runs; or print its layers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--symbol", "--network", help="a model's name or a symbol JSON file")
    add_list(p)
    p.add_argument("-o", "--output", type=Path, help="the picture; its suffix is .png, .svg, .pdf or .dot")
    p.add_argument("--html", type=Path, metavar="FILE", help="a page with the drawing: zoom, search, a panel for a box")
    add_shape(p)
    p.add_argument("--batch", type=positive, metavar="N", help="how many images the inputs hold (1 for a model)")
    p.add_argument("--summary", action="store_true", help="print the layers: shapes, parameters, what comes before")
    p.add_argument("--json", action="store_true", help="print the summary as one JSON value")
    p.add_argument("--weights", action="store_true", help="draw the parameters too")
    p.add_argument(
        "--depth",
        type=_depth,
        metavar="N|all",
        help="levels of repeated and branched blocks that are opened: 0 draws each as one box "
        "(all up to 60 layers, else 0)",
    )
    what = p.add_argument_group("what to draw instead of the network").add_mutually_exclusive_group()
    what.add_argument("--passes", type=Path, metavar="DIR", help="a picture of each rewrite of the compiler, into DIR")
    what.add_argument("--memory", action="store_true", help="the memory plan: steps across, the arena's offsets up")
    what.add_argument(
        "--profile", action="store_true", help="run it: a table of the slowest steps, the network by time"
    )
    what.add_argument("--gradient", action="store_true", help="a training step: forward, backward and update")
    what.add_argument(
        "--diff", nargs=2, metavar=("A", "B"), help="two models or files: what is added, removed and changed in B"
    )
    how = p.add_argument_group("how it is compiled, for --passes, --memory and --profile")
    how.add_argument("--train", action="store_true", help="a training step, not an inference with frozen parameters")
    add_backend(how)
    how.add_argument("--threads", type=positive, default=1, help="of the program (1)")
    how.add_argument("--by", choices=("time", "memory"), help="what colours the picture of --profile (time)")
    p.add_argument("--quiet", action="store_true", help="say nothing on stderr but warnings and errors")
    p.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    return p


def _depth(text: str) -> int:
    """Read the number of levels; `all` is more than there are."""
    if text == "all":
        return ALL
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"must be a whole number or 'all', got {text[:20]!r}")
    return int(text)


def _wrong(args: argparse.Namespace) -> str:
    """Give what is wrong with the combination of options, if anything."""
    mode = next((m for m in MODES if getattr(args, m)), "")
    compiled = mode in ("passes", "memory", "profile")
    picture = args.output is not None or args.html is not None or args.summary or mode in PRINTING
    rules = (
        (not args.symbol and mode != "diff", "give --symbol, --diff A B, or --list to see what models there are"),
        (args.symbol is not None and mode == "diff", "--diff A B takes no --symbol"),
        (not picture, f"--{mode} needs -o FILE" if mode else "give -o FILE, --html FILE or --summary"),
        (args.json and not args.summary and mode != "profile", "--json goes with --summary or --profile"),
        (mode == "passes" and args.output is not None, "--passes DIR takes no -o: it names its pictures itself"),
        (args.html is not None and mode in ("passes", "memory"), f"--{mode} makes no page: leave --html out"),
        (bool(mode) and args.summary, f"--{mode} prints no summary: leave --summary out"),
        (bool(mode) and args.weights, "--weights goes with the network alone"),
        (mode == "memory" and args.depth is not None, "--memory has no --depth"),
        (args.train and not compiled, "--train goes with --passes, --memory or --profile"),
        (args.threads != 1 and not compiled, "--threads goes with --passes, --memory or --profile"),
        (args.by is not None and mode != "profile", "--by goes with --profile"),
    )
    return next((message for wrong, message in rules if wrong), "")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_args(argv)
    if args.list is not None:
        return run(lambda: print_list(args.list, args.json), args.debug, args.quiet)
    wrong = _wrong(args)
    if wrong:
        p.error(wrong)
    mode = next((m for m in MODES if getattr(args, m)), "network")
    return run(lambda: _viz(args, mode), args.debug, args.quiet)


def _viz(args: argparse.Namespace, mode: str) -> int:
    from graphnn.errors import DrawingError
    from graphnn.tools.entry import shapes_of

    suffixes = CHARTS if mode == "memory" else GRAPHS
    if args.output is not None and args.output.suffix.lower() not in suffixes:
        raise DrawingError(f"{args.output}: the suffix says what to draw: it must be one of {', '.join(suffixes)}")
    name = args.diff[1] if mode == "diff" else args.symbol
    symbol = _symbol(name)
    shape = shapes_of(name, args.shape)
    if args.batch:
        shape = {name: (args.batch, *sizes[1:]) for name, sizes in shape.items()}
    MODES.get(mode, _network)(args, symbol, shape)
    return 0


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

    chart.available(args.output)
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
        import json
        from dataclasses import asdict

        rows = [asdict(step) for step in found.steps]
        print(
            json.dumps(
                {
                    "notes": found.notes,
                    "apart": found.apart,
                    "whole": found.whole,
                    "rounds": found.rounds,
                    "steps": rows,
                }
            )
        )
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
