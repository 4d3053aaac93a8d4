"""graphnn-compile: write inference of a trained network as C, for programs without Python."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graphnn.errors import BackendError, ParameterError
from graphnn.runs.config import in_bytes
from graphnn.tools.entry import add_common, add_shape, note, printable, run, shapes_of, symbol_of
from graphnn.tools.options import positive

if TYPE_CHECKING:
    import numpy as np

    from graphnn.backends.c.ahead import Program
    from graphnn.backends.c.interface import Scaling
    from graphnn.backends.c.toolchain import Target
    from graphnn.bound import Bound

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-compile --run runs/alexnet -o alexnet.c
  graphnn-compile --run runs/alexnet -o alexnet.c --weights alexnet.weights --batch 16
  graphnn-compile --run runs/alexnet -o alexnet.so
  graphnn-compile --symbol net-symbol.json --params net-0009.params --shape data=1,3,224,224 -o net.c

Beside the C file lies its header. The code is C99 with GNU's vectors: compile it with gcc or clang, -O2 -march=native
-ffp-contract=fast -fno-math-errno, and link with -lm. docs/ahead-of-time.md has a program that calls it.
"""
SUFFIXES = (".c", ".so")


class Network(NamedTuple):
    """What is compiled: a bound symbol, the names of its inputs, all other arrays, how images become data."""

    bound: Bound
    inputs: list[str]
    arrays: dict[str, np.ndarray]
    scaling: Scaling | None


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-compile",
        description="Write inference of a trained network as C: one function, no Python, no allocation, no threads.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    network = p.add_mutually_exclusive_group(required=True)
    network.add_argument("--run", type=Path, metavar="DIR", help="the run folder")
    network.add_argument("--symbol", "--network", help="a model's name or a symbol JSON file")
    p.add_argument("--params", type=Path, metavar="FILE", help="the parameters of --symbol: a .params file")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the C file, or a library: .c, .so")
    p.add_argument("--weights", type=Path, metavar="FILE", help="put the weights into this file, not into the C")
    p.add_argument("--name", type=_name, help="the function is NAME_run (the name of the output file)")
    p.add_argument("--epoch", type=positive, help="take the parameters after this epoch (the best)")
    p.add_argument("--batch", type=positive, metavar="N", help="images a call (1)")
    add_shape(p)
    p.add_argument(
        "--vector-width", type=int, choices=(4, 8, 16), help="floats a vector of the machine it is for has (this one's)"
    )
    p.add_argument("--exact", action="store_true", help="no Winograd: convolutions as they are defined")
    p.add_argument("--max-memory", type=positive, metavar="MB", help="what compiling may take (75%% of the memory)")
    add_common(p, "one object: function, files, inputs, outputs, workspace_bytes, weight_bytes, vector_width")
    return p


def _name(text: str) -> str:
    """Read --name, for argparse."""
    from graphnn.backends.c.ahead import is_name

    if not is_name(text):
        raise argparse.ArgumentTypeError(f"must be an identifier of C, at most 63 characters, got {text[:80]!r}")
    return text


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_args(argv)
    if wrong := _misuse(args):
        p.error(wrong)
    return run(lambda: _compile(args), args.debug, args.quiet)


def _misuse(args: argparse.Namespace) -> str | None:
    """Say which options do not go together."""
    from graphnn.models import MODELS

    if args.symbol is None and (args.params or args.shape):
        return "--params and --shape go with --symbol"
    if args.symbol is not None and args.params is None:
        return "--symbol needs --params FILE"
    if args.symbol is not None and not args.shape and args.symbol not in MODELS:
        return "a symbol file needs --shape data=N,C,H,W"
    if args.symbol is not None and args.epoch:
        return "--epoch goes with --run"
    if args.shape and args.batch:
        return "--shape has the batch: --batch is for --run"
    if args.weights in (args.output, args.output.with_suffix(".h")):
        return f"--weights must be another file than {args.weights}"
    return None


def _compile(args: argparse.Namespace) -> int:
    from graphnn.backends.c import ahead, toolchain

    if args.output.suffix not in SUFFIXES:
        raise ParameterError(f"{args.output}: the suffix says what to write: it must be one of {', '.join(SUFFIXES)}")
    name = args.name or args.output.stem
    if not ahead.is_name(name):
        raise ParameterError(f"{args.output}: give --name: {name[:80]!r} is no identifier of C")
    library = args.output.suffix == ".so"
    target = ahead.target_of(args.vector_width, _machine(library or args.vector_width is None, library))
    network = _from_run(args) if args.run else _from_files(args)
    program = ahead.compile(
        network.bound, network.inputs, network.arrays, name, target,
        conv_algo="direct" if args.exact else "auto", apart=args.weights is not None,
        scaling=network.scaling, max_memory=in_bytes(args.max_memory),
    )  # fmt: skip
    content = toolchain.compile(program.source, target) if library else program.source.encode()
    files = _write(args.output, args.weights, program, content)
    _tell(args, program, files)
    return 0


def _machine(wanted: bool, needed: bool) -> Target | None:
    """Give this machine with its compiler; None where there is none, unless it is needed."""
    from graphnn.backends.c import toolchain

    if not wanted:
        return None
    try:
        return toolchain.find()
    except BackendError:
        if needed:
            raise
        return None


def _from_run(args: argparse.Namespace) -> Network:
    """Read a run folder."""
    from graphnn.bound import Bound
    from graphnn.predictor import read_run

    symbol, meta, arg, aux = read_run(args.run, args.epoch)
    bound = Bound(symbol, {"data": (args.batch or 1, *meta.shape)}, {})
    return Network(bound, ["data"], {**arg, **aux}, (meta.mean, meta.std))


def _from_files(args: argparse.Namespace) -> Network:
    """Read a symbol and its parameters; arrays that the symbol does not have are left out, as of one that was cut."""
    from graphnn.bound import Bound
    from graphnn.model import read_params

    symbol = symbol_of(args.symbol)
    shapes = shapes_of(args.symbol, args.shape)
    if args.batch:
        shapes = {name: (args.batch, *shape[1:]) for name, shape in shapes.items()}
    arg, aux = read_params(str(args.params))
    bound = Bound(symbol, shapes, {})
    return Network(bound, [n for n in bound.arguments if n in shapes], {**arg, **aux}, None)


def _write(output: Path, weights: Path | None, program: Program, content: bytes) -> list[Path]:
    """Write the files; none is replaced unless all could be written."""
    from graphnn.formats.atomic import writing

    contents = {output: content, output.with_suffix(".h"): program.header.encode()}
    if weights is not None and program.block is not None:
        contents[weights] = program.block
    with ExitStack() as stack:
        for file, data in [(stack.enter_context(writing(path)), data) for path, data in contents.items()]:
            file.write(data)
            file.flush()
    return list(contents)


def _tell(args: argparse.Namespace, program: Program, files: list[Path]) -> None:
    """Print what was made and the memory it takes."""
    face = program.interface
    inputs = [t.shape for _, t in face.inputs]
    outputs = [t.shape for t in face.outputs]
    if args.json:
        row = {"function": f"{face.name}_run", "files": [str(f) for f in files], "inputs": inputs, "outputs": outputs}
        memory = {"workspace_bytes": program.workspace_bytes, "weight_bytes": program.weight_bytes}
        print(json.dumps({**row, **memory, "vector_width": face.lanes}))
        return
    where = printable(str(args.weights or args.output))
    print(f"{face.name}_run: {', '.join(map(str, inputs))} -> {', '.join(map(str, outputs))}, vectors of {face.lanes}")
    print(f"workspace {program.workspace_bytes} bytes\nweights {program.weight_bytes} bytes, in {where}")
    if not args.quiet:
        note(f"wrote {', '.join(printable(str(f)) for f in files)}")
