"""The peak memory of some training steps by one runner, in a process of its own: for graphnn-bench --memory."""

from __future__ import annotations

import json
import sys

from graphnn.errors import GraphnnError
from graphnn.tools.entry import note, symbol_of

__all__ = ["main"]

_STEPS = 3


def main(argv: list[str] | None = None) -> int:
    """Take settings as one JSON value; print the peak in MB (10^6 bytes) above what imports take."""
    (text,) = argv or sys.argv[1:]
    settings = json.loads(text)
    from graphnn.tools.runners import RUNNERS, Case

    if settings["runner"] == "torch":
        import torch  # noqa: F401  # its own memory is not the network's
    shapes = {name: tuple(shape) for name, shape in settings["shapes"].items()}
    more = {key: settings[key] for key in ("threads", "backend", "conv_algo", "tune") if key in settings}
    case = Case(symbol_of(settings["symbol"]), shapes, "train", **more)
    before = peak()
    try:
        runner = RUNNERS[settings["runner"]](case)
        for _ in range(_STEPS):
            runner.run()
    except GraphnnError as error:
        note(str(error))
        return 1
    print((peak() - before) / 1e6)
    return 0


def peak() -> int:
    """Give the largest resident size of this process in bytes.

    Linux's ru_maxrss may begin with that of the parent, which its VmHWM does not.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM:"))
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
