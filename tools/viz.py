"""graphnn-viz: draw a network, what the compiler makes of it, and how it runs; or print its layers."""

from __future__ import annotations

import argparse
from pathlib import Path

from graphnn.tools.entry import add_shape, run
from graphnn.tools.explorer import ALL, MODES, PRINTING, explore
from graphnn.tools.listing import add_list, print_list
from graphnn.tools.options import DEFAULT_BACKEND, add_backend, positive

__all__ = ["main"]

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
        (args.html is not None and args.html == args.output, "-o and --html name one file"),
        (bool(mode) and args.summary, f"--{mode} prints no summary: leave --summary out"),
        (bool(mode) and args.weights, "--weights goes with the network alone"),
        (mode == "memory" and args.depth is not None, "--memory has no --depth"),
        (args.train and not compiled, "--train goes with --passes, --memory or --profile"),
        (args.threads != 1 and not compiled, "--threads goes with --passes, --memory or --profile"),
        (args.backend != DEFAULT_BACKEND and not compiled, "--backend goes with --passes, --memory or --profile"),
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
    return run(lambda: explore(args, mode), args.debug, args.quiet)
