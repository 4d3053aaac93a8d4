"""Processes that work for this one: Ctrl-C is its business alone, and they do not outlive it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

__all__ = ["pool", "shared", "submitting"]

# Forked ones would inherit the program's threads in whatever state they are.
_CONTEXT = multiprocessing.get_context("spawn")


def pool(workers: int, begin: Callable[[], object] | None = None) -> ProcessPoolExecutor:
    """Make a pool of processes, each of which calls `begin` first; give it work in a submitting() block."""
    return ProcessPoolExecutor(workers, _CONTEXT, _begin, (begin,))


def shared(size: int) -> Any:
    """Make memory of `size` bytes that processes share.

    It is a file in /dev/shm, or where there is too little room in the folder for temporary files. Raises OSError where
    that is full, too: else whoever writes there would be ended by the system without a word.
    """
    folders = [f for f in ("/dev/shm", tempfile.gettempdir()) if os.path.isdir(f)]
    if max(shutil.disk_usage(f).free for f in folders) < size:
        raise OSError(errno.ENOSPC, f"no room for {size >> 20} MB that processes share", folders[-1])
    return _CONTEXT.RawArray("b", max(1, size))


@contextmanager
def submitting() -> Iterator[None]:
    """Have processes that start here never hear of Ctrl-C: else one that still loads would show a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(begin: Callable[[], object] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, name="graphnn-parent", daemon=True).start()
    if begin is not None:
        begin()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
