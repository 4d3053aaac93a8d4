"""graphnn-train: train a network on a data set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from graphnn.tools.entry import run

__all__ = ["main"]

EXAMPLES = """examples:
  graphnn-train --symbol alexnet
  graphnn-train --symbol mlp --dataset fashion-mnist --epochs 20 --output runs/clothes
  graphnn-train --symbol net-symbol.json --lr 0.01
"""


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-train",
        description="Train a network; write parameters and a log into a run folder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--symbol", help="a model's name or a symbol JSON file (default alexnet)")
    p.add_argument("--dataset", help="mnist, fashion-mnist or cifar-10 (default mnist)")
    p.add_argument("--data-dir", help="where the data set's files are")
    for name, kind, text in (
        ("batch-size", int, "images a step (128)"),
        ("epochs", int, "passes over the training data (10)"),
        ("lr", float, "learning rate (0.05)"),
        ("momentum", float, "of SGD (0.9)"),
        ("wd", float, "weight decay (0.0005)"),
        ("warmup", float, "epochs of rising rate (0.5)"),
        ("seed", int, "of everything random (0)"),
        ("threads", int, "of the program's own pool (1)"),
    ):
        p.add_argument(f"--{name}", type=kind, help=text)
    p.add_argument("--optimizer", help="sgd, nag, adam, adamw, rmsprop, adagrad (sgd)")
    p.add_argument("--schedule", choices=["cosine", "constant"], help="of the learning rate (cosine)")
    p.add_argument("--output", type=Path, help="the run folder (runs/SYMBOL; a second run is SYMBOL-2)")
    p.add_argument("--quiet", action="store_true", help="no progress on stderr")
    p.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    args = parser().parse_args(argv)
    return run(lambda: _train(args), args.debug)


def _train(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from graphnn.tools.entry import symbol_of
    from graphnn.train.runs import Config, Record, new_folder, train

    given = {k: v for k, v in vars(args).items() if v is not None and k not in ("output", "quiet", "debug")}
    config = Config.from_mapping(given)
    symbol = symbol_of(config.symbol)
    folder = new_folder(args.output or Path("runs") / Path(config.symbol).stem.removesuffix("-symbol"))
    print(f"run folder: {folder}", file=sys.stderr)

    def progress(batches: Any, total: int, label: str) -> Any:
        hidden = args.quiet or not sys.stderr.isatty()
        return tqdm(batches, desc=label, total=total or None, disable=hidden, leave=False)

    def report(r: Record) -> None:
        print(
            f"epoch {r.epoch}: train loss {r.train_loss:.4f} accuracy {r.train_accuracy:.4f}, "
            f"test loss {r.test_loss:.4f} accuracy {r.test_accuracy:.4f}, {r.images_per_second:.0f} images/s",
            flush=True,
        )

    train(symbol, config, folder, progress, report)
    return 0
