"""graphnn-viz: draw a network, or print its layers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from graphnn.tools.entry import add_shape, note, run

if TYPE_CHECKING:
    from graphnn.symbol import Symbol

__all__ = ["main"]

ALL = 1 << 20  # levels of blocks
SUFFIXES = (".png", ".svg", ".pdf", ".dot")

EXAMPLES = """examples:
  graphnn-viz --symbol alexnet -o alexnet.png
  graphnn-viz --symbol alexnet --summary
  graphnn-viz --symbol net-symbol.json --shape data=1,3,224,224 -o net.svg
  graphnn-viz --symbol mlp --summary --json
"""


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-viz",
        description="Draw a network, or print its layers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--symbol", "--network", required=True, help="a model's name or a symbol JSON file")
    p.add_argument("-o", "--output", type=Path, help="the picture; its suffix is .png, .svg, .pdf or .dot")
    add_shape(p)
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


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_args(argv)
    if args.output is None and not args.summary:
        p.error("give -o FILE, --summary or both")
    if args.json and not args.summary:
        p.error("--json goes with --summary")
    return run(lambda: _viz(args), args.debug, args.quiet)


def _viz(args: argparse.Namespace) -> int:
    from graphnn.errors import DrawingError
    from graphnn.tools.entry import shapes_of, symbol_of

    if args.output is not None and args.output.suffix.lower() not in SUFFIXES:
        raise DrawingError(f"{args.output}: the suffix says what to draw: it must be one of {', '.join(SUFFIXES)}")
    symbol = symbol_of(args.symbol)
    shape = shapes_of(args.symbol, args.shape)
    if args.summary:
        _summarize(symbol, shape, args.json)
    if args.output is not None:
        _draw(symbol, shape, args)
    return 0


def _summarize(symbol: Symbol, shape: dict[str, tuple[int, ...]], as_json: bool) -> None:
    from graphnn.viz import print_summary, summary

    if not as_json:
        print_summary(symbol, shape)
        return
    import json

    table = summary(symbol, shape)
    print(json.dumps({**table._asdict(), "rows": [row._asdict() for row in table.rows]}))


def _draw(symbol: Symbol, shape: dict[str, tuple[int, ...]], args: argparse.Namespace) -> None:
    from graphnn.formats.atomic import write
    from graphnn.viz import plot_network, render

    graph = plot_network(symbol, shape=shape or None, hide_weights=not args.weights, depth=args.depth)
    picture, warning = render(graph, args.output.suffix.lower()[1:])
    write(args.output, picture)
    if warning:
        note(f"warning: {warning}")
    if not args.quiet:
        note(f"wrote {args.output}")
