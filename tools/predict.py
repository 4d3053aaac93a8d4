"""graphnn-predict: tell what is on pictures, read strips, or go on writing a text."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnn.runs.config import in_bytes
from graphnn.tools.entry import add_common, message, note, printable, run
from graphnn.tools.options import add_program, backend_of, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from graphnn.predictor import Trained

    Images = list[tuple[Path, np.ndarray]]
    Shown = tuple[list[str], list[dict[str, Any]]]  # lines for people, rows for JSON

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-predict --run runs/alexnet digit.png
  graphnn-predict --run runs/alexnet --top 3 scans/*.jpg
  graphnn-predict --run runs/alexnet --json a.png b.png
  graphnn-predict --run runs/lstm-lm --prompt " two plus " --temperature 0.5

Pictures are PNG, JPEG, BMP, WebP or GIF of any size. For a network trained on mnist a digit may be dark on light or
light on dark; it is cut out, scaled and centred as MNIST's digits are. Of strips of digits it prints the digits read.
"""


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-predict",
        description="Tell what is on pictures, with probabilities; or go on writing a text.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--run", type=Path, required=True, metavar="DIR", help="the run folder")
    p.add_argument("images", type=Path, nargs="*", metavar="IMAGE", help="picture files")
    p.add_argument("--epoch", type=positive, help="take the parameters after this epoch (the best)")
    p.add_argument("--top", type=int, default=1, metavar="K", help="show the K most probable classes in the table (1)")
    p.add_argument("--prompt", metavar="TEXT", help="with a run on text: what the network goes on writing")
    p.add_argument("--length", type=positive, default=200, metavar="N", help="characters it writes (200)")
    p.add_argument("--temperature", type=float, default=1.0, metavar="T", help="below 1 surer, 0 the likeliest (1)")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="of what it draws (0)")
    add_program(p)
    add_common(p, "a list of file, label (of a strip: text), probability; with --prompt the text")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_args(argv)
    if args.top < 1:
        p.error(f"--top must be at least 1, got {args.top}")
    if (args.prompt is None) == (not args.images):
        p.error("give pictures, or --prompt with a run on text")
    if not 0 <= args.temperature < float("inf"):
        p.error(f"--temperature must be a number from 0 on, got {args.temperature}")
    return run(lambda: _predict(args) if args.prompt is None else _write(args), args.debug, args.quiet)


def _write(args: argparse.Namespace) -> int:
    from graphnn.writer import load

    backend = backend_of(args.backend, args.quiet)
    writer = load(args.run, args.epoch, backend, args.threads, in_bytes(args.max_memory))
    text = args.prompt + writer.write(args.prompt, args.length, args.temperature, args.seed)
    print(json.dumps(text) if args.json else "\n".join(map(printable, text.split("\n"))))
    return 0


def _predict(args: argparse.Namespace) -> int:
    from graphnn.errors import ParameterError
    from graphnn.predictor import read_run

    backend = backend_of(args.backend, args.quiet)
    trained = read_run(args.run, args.epoch)
    if trained.meta.kind == "text":
        raise ParameterError("the run's network reads text: give it a beginning with --prompt")
    pictures = [(path, _read(path, trained, args.debug)) for path in args.images]
    read = [(path, image) for path, image in pictures if image is not None]
    shown = _strips if trained.meta.kind == "strings" else _classes
    lines, rows = shown(trained, read, args, (backend, args.threads, in_bytes(args.max_memory)))
    if args.json:
        print(json.dumps(rows))
    elif read:
        print("\n".join(lines))
    return 0 if len(read) == len(pictures) else 1


def _classes(trained: Trained, read: Images, args: argparse.Namespace, how: Sequence[Any]) -> Shown:
    """The most probable classes of each picture."""
    import numpy as np

    from graphnn.predictor import Predictor

    predictor = Predictor(*trained, *how)
    paths = [path for path, _ in read]
    found = predictor.predict(np.stack([image for _, image in read])) if read else np.empty((0, 1))
    rows = [_row(path, p, predictor.classes) for path, p in zip(paths, found, strict=True)]
    return table(paths, found, predictor.classes, args.top), rows


def _strips(trained: Trained, read: Images, args: argparse.Namespace, how: Sequence[Any]) -> Shown:
    """What is on each strip, with the probability of the likeliest path."""
    import numpy as np

    from graphnn.runner import Runner, read_strips

    found = read_strips(Runner(trained, *how), np.stack([image for _, image in read])) if read else []
    rows: list[dict[str, Any]] = [
        {"file": str(path), "text": t, "probability": p} for (path, _), (t, p) in zip(read, found, strict=True)
    ]
    cells = [("file", "text", "probability")]
    cells += [(printable(row["file"]), printable(row["text"]) or "-", f"{row['probability']:.4f}") for row in rows]
    wide, high, _ = (max(map(len, column)) for column in zip(*cells, strict=True))
    return [f"{file:<{wide}}  {text:<{high}}  {p:>11}" for file, text, p in cells], rows


def _read(path: Path, trained: Trained, debug: bool) -> np.ndarray | None:
    """Read a picture; say what is wrong with one that cannot be read, and give None."""
    from graphnn.data.pictures import prepare, read
    from graphnn.errors import GraphnnError, ParameterError

    config = trained.meta.config
    form = config.dataset if config.data is None else ""  # one's own images are of no data set's form
    try:
        return prepare(read(path), trained.shape, form)
    except (GraphnnError, OSError) as error:
        if debug:
            raise
        text = f"{path}: {error}" if isinstance(error, ParameterError) else message(error)
        note(f"error: {printable(text)}")
        return None


def _row(path: Path, probabilities: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {"file": str(path), "label": classes[best], "probability": float(probabilities[best])}


def table(paths: list[Path], found: np.ndarray, classes: tuple[str, ...], top: int) -> list[str]:
    """Write a line for each file: its name, then the most probable classes with their probabilities."""
    names = [printable(c) for c in classes]
    files = ["file", *(printable(str(path)) for path in paths)]
    wide, high = max(map(len, files)), max(5, *map(len, names))
    head = "  ".join([f"{'label':<{high}}  probability"] * min(top, len(classes)))
    lines = [f"{files[0]:<{wide}}  {head}"]
    for file, p in zip(files[1:], found, strict=True):
        best = sorted(range(len(p)), key=lambda k: -p[k])[:top]
        lines.append(f"{file:<{wide}}  " + "  ".join(f"{names[k]:<{high}}  {p[k]:>11.4f}" for k in best))
    return lines
