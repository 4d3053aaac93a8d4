"""graphnn-convert: bring the files of any MXNet to today's form, or to npz or safetensors."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graphnn.errors import GraphnnError, ParameterError
from graphnn.tools.entry import add_common, add_shape, note, printable, run
from graphnn.tools.options import add_backend, backend_of

if TYPE_CHECKING:
    import numpy as np

    from graphnn.symbol import Symbol

__all__ = ["main", "parser"]

EXAMPLES = """examples:
  graphnn-convert model-symbol.json model-0080.params -o new/model
  graphnn-convert model 80 -o new/model --check --shape data=1,3,224,224
  graphnn-convert model-symbol.json model-0080.params -o new/model --to safetensors
  graphnn-convert model-symbol.json

Without -o nothing is written: the operators are counted, and those that graphnn lacks are named.
"""
KINDS = ("params", "npz", "safetensors")


class Network(NamedTuple):
    """A network as its files have it."""

    symbol: Symbol
    arg: dict[str, np.ndarray]
    aux: dict[str, np.ndarray]


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    p = argparse.ArgumentParser(
        prog="graphnn-convert",
        description="Read a network saved by any MXNet from 0.7 to 1.9, and write it as 1.9 would, or for others.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("symbol", metavar="SYMBOL", help="the symbol file, or the prefix before -symbol.json")
    p.add_argument(
        "params", metavar="PARAMS", nargs="?", help="the parameters (.params, .npz, .safetensors), or an epoch's number"
    )
    p.add_argument("-o", "--output", metavar="PREFIX", help="write PREFIX-symbol.json and PREFIX-0000.params or such")
    p.add_argument("--to", choices=KINDS, default="params", help="the format of the parameters (params)")
    p.add_argument("--check", action="store_true", help="run old and new files on random input; print the difference")
    p.add_argument("--keep-unknown", action="store_true", help="convert although there are operators graphnn lacks")
    add_shape(p)
    add_backend(p)
    add_common(p, "one object: operators, unknown, missing, unused, files, differences")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    p = parser()
    args = p.parse_intermixed_args(argv)
    if args.check and args.output is None:
        p.error("--check compares with what is written: give -o PREFIX")
    if args.check and args.params is None:
        p.error("--check needs PARAMS")
    return run(lambda: _convert(args), args.debug, args.quiet)


def _convert(args: argparse.Namespace) -> int:
    symbol_file, params_file = _files(args.symbol, args.params)
    network, report = _read(symbol_file, params_file)
    if not args.json:
        print("\n".join(_table(report)))
    unknown: dict[str, list[str]] = report["unknown"]  # type: ignore[assignment]
    if unknown and not args.keep_unknown:
        if args.json:
            print(json.dumps(report))
        raise ParameterError(
            f"{symbol_file}: graphnn lacks {', '.join(map(printable, unknown))}; --keep-unknown converts nevertheless"
        )
    if args.output is not None:
        report["files"] = written = _write(network, args.output, args.to, params_file is not None)
        if not args.json:
            print("\n".join(f"wrote {printable(f)}" for f in written))
        if args.check:
            backend = backend_of(args.backend, args.quiet)
            report["differences"] = found = differences(network, written, dict(args.shape), backend)
            for name, value in found.items() if not args.json else ():
                print(f"{printable(name)}: largest difference {value:.3g} of its largest value")
    if args.json:
        print(json.dumps(report))
    return 0


def _files(symbol: str, params: str | None) -> tuple[Path, Path | None]:
    """Give the files' paths: what is no file is a prefix, and an epoch's number belongs to it."""
    path = Path(symbol)
    if not path.exists() and Path(f"{symbol}-symbol.json").exists():
        path = Path(f"{symbol}-symbol.json")
    if params is None:
        return path, None
    if params.isascii() and params.isdigit() and not Path(params).exists():
        prefix = str(path).removesuffix("-symbol.json")
        return path, Path(f"{prefix}-{int(params[:9]):04d}.params")
    return path, Path(params)


def _read(symbol_file: Path, params_file: Path | None) -> tuple[Network, dict[str, object]]:
    """Read the files; give the network and what there is to say of it."""
    from graphnn.graph import toposort
    from graphnn.op import Unknown
    from graphnn.symbol import load

    symbol = load(str(symbol_file))
    nodes = [n for n in toposort(symbol.values) if not n.op.is_variable]
    unknown: dict[str, list[str]] = {}
    for node in nodes:
        if isinstance(node.op, Unknown):
            unknown.setdefault(node.op.kind, []).append(node.name)
    arg, aux = _params(symbol, params_file) if params_file is not None else ({}, {})
    needed = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    missing = [n for n in needed if n not in arg and n not in aux] if params_file is not None else []
    report: dict[str, object] = {
        "operators": dict(Counter(n.op.name for n in nodes).most_common()),
        "unknown": unknown,
        "missing": missing,
        "unused": [n for n in (*arg, *aux) if n not in needed],
    }
    return Network(symbol, arg, aux), report


def _params(symbol: Symbol, path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read parameters; those without arg: or aux: before their names are told apart by the symbol."""
    from graphnn.model import FORMATS, read_params

    try:
        return read_params(str(path))
    except GraphnnError:
        arrays = FORMATS.get(path.suffix, FORMATS[".params"]).load(path)
        states = set(symbol.list_auxiliary_states())
        known = {*symbol.list_arguments(), *states}
        if not isinstance(arrays, dict) or not known.issuperset(arrays):
            raise
    return {k: v for k, v in arrays.items() if k not in states}, {k: v for k, v in arrays.items() if k in states}


def _table(report: dict[str, object]) -> list[str]:
    """Write the counts of operators, and what the parameters lack or have too many."""
    operators: dict[str, int] = report["operators"]  # type: ignore[assignment]
    unknown: dict[str, list[str]] = report["unknown"]  # type: ignore[assignment]
    wide = max(map(len, operators), default=0)
    lines = [f"{printable(k):<{wide}}  {n:>6}{'  unknown' if k in unknown else ''}" for k, n in operators.items()]
    for kind, nodes in unknown.items():
        lines.append(f"unknown operator {printable(kind)}: {_some(nodes)}")
    said = (("inputs (without parameters)", report["missing"]), ("parameters that the network lacks", report["unused"]))
    for what, names in said:
        if names:
            lines.append(f"{what}: {_some(names)}")  # type: ignore[arg-type]
    return lines


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(map(printable, names[:8])) + more


def _write(network: Network, prefix: str, kind: str, params: bool) -> list[str]:
    from graphnn.model import write_params

    files = [f"{prefix}-symbol.json"]
    network.symbol.save(files[0])
    if params:
        files.append(f"{prefix}-0000.{kind}")
        write_params(files[1], network.arg, network.aux)
    return files


def differences(
    network: Network, files: list[str], shapes: dict[str, tuple[int, ...]], backend: str
) -> dict[str, float]:
    """Run the network as it was read, node by node, and as it was written, compiled; compare the outputs.

    Gives for every output the largest difference, relative to the output's largest value. Inputs without parameters
    are random from [-1, 1).
    """
    import numpy as np

    from graphnn.model import read_params
    from graphnn.symbol import load

    new = Network(load(files[0]), *read_params(files[1]))
    inputs = [n for n in network.symbol.list_arguments() if n not in network.arg]
    for name in shapes:
        if name not in inputs:
            raise ParameterError(f"--shape {printable(name)}: inputs without parameters are {_some(inputs) or 'none'}")
    shapes = {n: a.shape for n, a in network.arg.items()} | shapes
    inferred, _, _ = network.symbol.infer_shape_partial(**shapes)
    for name, shape in zip(network.symbol.list_arguments(), inferred, strict=True):
        if name in inputs and not (shape and all(shape)):
            raise ParameterError(f"the shape of {printable(name)} is not known: give --shape {printable(name)}=N,N,...")
    plain = network.symbol.simple_bind("null", None, optimize=False, **shapes)
    fast = new.symbol.simple_bind("null", None, backend=backend, **shapes)
    rng = np.random.default_rng(0)
    feed = {n: rng.uniform(-1, 1, plain.arg_dict[n].shape).astype(np.float32) for n in inputs}
    for executor, source in ((plain, network), (fast, new)):
        executor.copy_params_from({**source.arg, **feed}, source.aux, allow_extra_params=True)
    fast.freeze(*inputs)
    found = {}
    for name, a, b in zip(network.symbol.list_outputs(), plain.forward(), fast.forward(), strict=True):
        scale = float(np.max(np.abs(a), initial=0)) or 1.0
        found[name] = float(np.max(np.abs(a.astype(np.float64) - b), initial=0)) / scale
    if not inputs:
        note("the network has no inputs without parameters")
    return found
