"""A plan linked to arrays: calls without arguments, run by one thread or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Barrier, BrokenBarrierError
from time import perf_counter
from typing import Any

import numpy as np

from graphnn.arena import ALIGN, ARENA
from graphnn.errors import BackendError
from graphnn.op import Op
from graphnn.plan import Plan, Slot
from graphnn.types import TensorType

from .pace import Pace
from .registry import LINKERS, SCRATCH, Run
from .threads import Part, Piece, cut_type, partial_sizes, phases

__all__ = ["NumpyProgram", "memory", "scratch_bytes"]

# Elements of NumPy's buffers. Rows of strided or repeated operands that are shorter than a buffer take twice the time
# of longer ones, even where nothing is buffered: 131072 float32 as rows of 2048, y += b with one row b, take 18
# microseconds with 1024 and 35 with NumPy's 8192 (NumPy 2.4.6, Zen 4). Below 1024 what is buffered becomes slower.
BUFFER = 1024


def memory(n: int) -> np.ndarray:
    """Give n bytes on a 64-byte boundary."""
    raw = np.empty(n + ALIGN, np.uint8)
    skip = -raw.ctypes.data % ALIGN
    return raw[skip : skip + n]


def scratch_bytes(op: Op, ins: Sequence[TensorType], outs: Sequence[TensorType]) -> int:
    """Give the working memory that an operator's kernel wants."""
    rule: Callable[..., int] | None = SCRATCH.get(type(op))
    return rule(op, ins, outs) if rule else 0


class NumpyProgram:
    """The calls of each part of the plan, thread by thread, in phases between which all threads wait."""

    def __init__(self, plan: Plan, arrays: Mapping[str, np.ndarray], threads: int) -> None:
        self.plan = plan
        given = arrays.get(ARENA)
        self._arena = memory(plan.arena_bytes) if given is None else given
        self._arrays = {**arrays, **{k: np.asarray(v) for k, v in plan.constants.items()}}
        parts = [phases([s for s in plan.steps if s.part == k], threads) for k in (0, 1)]
        for name, size in partial_sizes([p for part in parts for p in part]).items():
            self._arrays[name] = memory(size)
        self._used = max((p.thread for part in parts for pieces in part for p in pieces), default=0) + 1
        scratch = [0] * self._used
        for piece in (p for part in parts for pieces in part for p in pieces):
            scratch[piece.thread] = max(scratch[piece.thread], self._need(piece))
        self._scratch = [memory(n) for n in scratch]
        self._runs = [[self._link_phase(pieces) for pieces in part] for part in parts]
        self._barrier = Barrier(self._used)
        self._pool = ThreadPoolExecutor(self._used - 1, "graphnn") if self._used > 1 else None
        self._paces: dict[int | None, Pace] = {None: Pace(), 0: Pace(), 1: Pace()}
        self._blas = _one_blas_thread()

    def _need(self, piece: Piece) -> int:
        return scratch_bytes(piece.op, [cut_type(p) for p in piece.ins], [cut_type(p) for p in piece.outs])

    def _link_phase(self, pieces: Sequence[Piece]) -> list[list[Run]]:
        """Give the calls of each thread."""
        runs: list[list[Run]] = [[] for _ in range(self._used)]
        for piece in pieces:
            ins, outs = [self._view(p) for p in piece.ins], [self._view(p) for p in piece.outs]
            scratch = self._scratch[piece.thread][: self._need(piece)]
            run = LINKERS[type(piece.op)](piece.op, ins, outs, scratch)
            if not callable(run):
                raise BackendError(f"{piece.op.name}: its linked() function must give a call, not {type(run).__name__}")
            runs[piece.thread].append(run)
        return runs

    def _view(self, part: Part) -> np.ndarray:
        whole = self._whole(part.slot)
        if part.cut is None:
            return whole
        return whole[(slice(None),) * part.cut.axis + (slice(part.cut.start, part.cut.end),)]

    def _whole(self, slot: Slot) -> np.ndarray:
        if slot.name is not None and not slot.name.startswith("partial:"):
            return self._arrays[slot.name].reshape(slot.type.shape)
        whole = self._arena if slot.name is None else self._arrays[slot.name]
        piece = whole[slot.offset : slot.offset + slot.type.nbytes]
        return piece.view(slot.type.dtype).reshape(slot.type.shape)

    def run(self, part: int | None = None) -> None:
        """Run one part, or (None) both in turn."""
        todo = [phase for k, found in enumerate(self._runs) if part is None or part == k for phase in found]
        with self._blas(), _settings():
            pace = self._paces[part]
            together = self._pool is not None and pace.together()
            start = perf_counter()
            if together and self._pool is not None:
                self._run_threads(todo, self._pool)
            else:
                self._run_alone(todo)
            pace.took(together, perf_counter() - start)

    def seconds(self) -> list[float]:
        """Run the whole in one thread, for which the program must be; give the seconds of each step."""
        order = sorted(range(len(self.plan.steps)), key=lambda k: self.plan.steps[k].part)
        calls = [call for part in self._runs for phase in part for thread in phase for call in thread]
        found = [0.0] * len(order)
        with self._blas(), _settings():
            for k, call in zip(order, calls, strict=True):
                start = perf_counter()
                call()
                found[k] = perf_counter() - start
        return found

    def _run_alone(self, todo: Sequence[list[list[Run]]]) -> None:
        for phase in todo:
            for calls in phase:
                for call in calls:
                    call()

    def _run_threads(self, todo: Sequence[list[list[Run]]], pool: ThreadPoolExecutor) -> None:
        others = [pool.submit(self._work, todo, k) for k in range(1, self._used)]
        try:
            self._work(todo, 0)
        except BaseException:
            for other in others:
                other.exception()  # wait until it has stopped
            self._barrier.reset()
            failed = [e for e in (o.exception() for o in others) if e and not isinstance(e, BrokenBarrierError)]
            if failed:
                raise failed[0] from None
            raise

    def _work(self, todo: Sequence[list[list[Run]]], thread: int) -> None:
        """Run a thread's calls; whoever fails lets nobody wait."""
        try:
            with _settings():  # they hold in one thread only
                for phase in todo:
                    for call in phase[thread]:
                        call()
                    self._barrier.wait()
        except BaseException:
            self._barrier.abort()
            raise


@contextmanager
def _settings() -> Iterator[None]:
    """Let NumPy be silent about what overflows, with short buffers."""
    with np.errstate(all="ignore"):
        before = np.setbufsize(BUFFER)
        try:
            yield
        finally:
            np.setbufsize(before)


def _one_blas_thread() -> Callable[[], AbstractContextManager[Any]]:
    """Give what holds BLAS at one thread while a program runs; nothing where it has one."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    if all(lib["num_threads"] == 1 for lib in controller.info() if lib["user_api"] == "blas"):
        return nullcontext
    return lambda: controller.limit(limits=1, user_api="blas")
