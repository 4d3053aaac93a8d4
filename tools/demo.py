"""graphnn-demo: a page on which one draws for a trained network."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from graphnn.runs.config import in_bytes
from graphnn.tools.entry import add_common, note, printable, run
from graphnn.tools.options import add_program, backend_of, positive

if TYPE_CHECKING:
    from graphnn.demo.look import Look
    from graphnn.demo.server import Server

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-demo --run runs/alexnet             then open the address that it prints
  graphnn-demo --run runs/alexnet --open --port 9000

The page answers to this machine alone. Ctrl-C ends it.
"""
_PORT = 8765  # unless it is taken


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-demo",
        description="Serve a page to draw on: probabilities and activations of a trained network as one draws.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run folder")
    p.add_argument("--epoch", type=positive, help="take the parameters after this epoch (the best)")
    p.add_argument("--port", type=_port, help=f"of 127.0.0.1; 0 is any that is free ({_PORT}, or any if it is taken)")
    p.add_argument("--open", action="store_true", help="open the page in the browser")
    add_program(p)
    add_common(p, "one object: url")
    return p


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number up to 65535, got {text[:20]!r}")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    args = parser().parse_args(argv)
    return run(lambda: _demo(args), args.debug, args.quiet)


def _demo(args: argparse.Namespace) -> int:
    from graphnn.demo.look import Look
    from graphnn.predictor import load

    backend = backend_of(args.backend, args.quiet)
    predictor = load(args.run, args.epoch, backend, args.threads, in_bytes(args.max_memory))
    with _server(Look.at(predictor, args.run.resolve().name), args.port) as server:
        print(json.dumps({"url": server.url}) if args.json else server.url, flush=True)
        if not args.quiet:
            note(f"{printable(str(args.run))} is at {server.url} until Ctrl-C")
        if args.open:
            import webbrowser

            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    if not args.quiet:
        note("ended")
    return 0


def _server(look: Look, port: int | None) -> Server:
    from graphnn.demo.server import Server

    if port is not None:
        return Server(look, port)
    try:
        return Server(look, _PORT)
    except OSError:
        return Server(look)
