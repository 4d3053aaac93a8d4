"""One runner in a process of its own, told what to do by lines of JSON on stdin: for graphnn-bench."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from graphnn.errors import GraphnnError

if TYPE_CHECKING:
    from graphnn.tools.runners import Case, Runner

__all__ = ["case_of", "main"]


def main() -> int:
    """Answer requests, one a line, until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    made: dict[str, Runner] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), made)
        except GraphnnError as error:
            answer = {"error": str(error)}
        except Exception as error:  # whatever a library may raise: one line for the table, the whole for stderr
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return 0


def _answer(request: Mapping[str, Any], made: dict[str, Runner]) -> dict[str, Any]:
    if request["do"] == "make":
        if request["cores"]:
            os.sched_setaffinity(0, request["cores"])  # before a library counts the cores
        return _make(request, made)
    runner = made["runner"]
    if request["do"] == "outputs":
        return {"outputs": runner.outputs().tolist()}
    times = []
    for _ in range(request["times"]):
        start = perf_counter()
        runner.run()
        times.append(perf_counter() - start)
    return {"seconds": times}


def _make(request: Mapping[str, Any], made: dict[str, Runner]) -> dict[str, Any]:
    from graphnn.tools.runners import make

    case = case_of(request)
    runner = made["runner"] = make(request["runner"], case)
    if runner.plan is None:
        return {"name": runner.name}
    from graphnn.backend import get
    from graphnn.tools.flops import traffic

    plan, fallbacks = runner.plan, getattr(get(case.backend), "plan_fallbacks", None)
    answer = {"name": runner.name, "planned_bytes": plan.planned_bytes, "traffic_bytes": traffic(plan)}
    return answer | {"fallbacks": None if fallbacks is None else list(fallbacks(plan))}


def case_of(settings: Mapping[str, Any]) -> Case:
    """Read a case back from JSON."""
    from graphnn.tools.entry import symbol_of
    from graphnn.tools.runners import Case

    shapes = {name: tuple(shape) for name, shape in settings["shapes"].items()}
    rest = {key: settings[key] for key in ("mode", "threads", "backend", "conv_algo", "fold", "tune", "recompute")}
    return Case(symbol_of(settings["symbol"]), shapes, **rest)


if __name__ == "__main__":
    sys.exit(main())
