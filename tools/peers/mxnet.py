"""A symbol's network by MXNet in a Python of its own, with the symbol as JSON and the arrays in a .params file."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from graphnn.formats import params
from graphnn.tools.peers.walk import DECAY, MOMENTUM, RATE
from graphnn.tools.remote import Remote
from graphnn.tools.runners import Case, parameters

__all__ = ["command", "make"]


def command(python: str) -> list[str]:
    """Give what starts the script under that Python: as text, so that no folder of ours is on its path."""
    return [python, "-c", resources.files("graphnn.tools.peers").joinpath("mxnet_script.py").read_text("utf-8")]


def make(remote: Remote, case: Case, cores: list[int]) -> dict[str, Any]:
    """Send the network with the weights and data that every runner has; give the answer."""
    batch, auxiliary = case.batch(), set(case.symbol.list_auxiliary_states())
    arrays = {f"{'aux' if name in auxiliary else 'arg'}:{name}": a for name, a in parameters(case).items()}
    arrays |= {f"input:{name}": a for name, a in zip(case.shapes, batch.data, strict=True)}
    arrays |= {f"label:{name}": a for name, a in zip(case.labels, batch.label or (), strict=True)}
    sgd = {"rate": RATE, "momentum": MOMENTUM, "decay": DECAY}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.params")
        params.save(path, arrays)
        return remote.ask("make", symbol=case.symbol.tojson(), arrays=str(path), mode=case.mode, cores=cores, **sgd)
