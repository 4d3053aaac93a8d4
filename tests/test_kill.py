"""kill -9 at any moment: what is on the disk can be read, and the run goes on to the same bits."""

import os
import signal
import time

import numpy as np
import pytest
import test_runs
import tiny

from graphnn.formats import atomic
from graphnn.runs import checkpoint, loop
from graphnn.runs import run as runs
from graphnn.runs.folder import Meta, read_log

KILLS = 20
EPOCHS = 10
RUNS = {
    "plain": {"threads": 2},
    "everything": {
        "accumulate": 2, "augment": "crop:1,flip", "cutmix": 1.0, "ema": 0.9, "clip_norm": 1.0, "optimizer": "adam",
        "schedule": "restarts", "cycle": 2.0, "lr": 0.01,
    },
}  # fmt: skip


def forked(task):
    """Run a task in a child that ends without any of pytest's farewells; give its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        task()
        code = 0
    finally:
        os._exit(code)


def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def go_on(folder, begun=-1):
    """Resume, without being told of any damage, say so by a byte to `begun`, and train to the end."""
    said = []
    run = runs.resume(folder, said.append)
    assert not said
    if begun >= 0:
        os.write(begun, b"!")
    loop.train(run, test_runs.silent, lambda record: None)


def killed(folder, seconds, resumed):
    """Go on with a run in a child, kill it after a time, of its training if `resumed`; tell whether it was at work."""
    reader, writer = os.pipe()
    child = forked(lambda: go_on(folder, writer))
    os.close(writer)
    if resumed:
        os.read(reader, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.close(reader)
    code = wait(child)
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the child runs no thread of this process
@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_killed_at_random_moments(tmp_path, name):
    """Every second time while it trains, else at any time since its beginning."""
    config = test_runs.make_config(tmp_path, epochs=EPOCHS, save_minutes=0.0, keep=EPOCHS, **RUNS[name])
    begin = time.perf_counter()
    whole, _ = test_runs.train(config, tmp_path / "whole")
    length = time.perf_counter() - begin
    rng, places, count = np.random.default_rng(), set(), 0
    while count < KILLS:
        folder, cut = runs.start(config, tiny.network, tmp_path / "cut").folder, True
        while cut and count < KILLS:
            cut = killed(folder, rng.uniform(0, 0.7 * length), resumed=count % 2 == 1)
            count += cut
            places.add((folder.name, checkpoint.newest(folder)[0].name))
        assert wait(forked(lambda: go_on(folder))) == 0  # noqa: B023
        for left in folder.glob(f"{atomic._PREFIX}*"):  # young ones stay: a living process might be writing them
            left.unlink()
        assert len(read_log(folder)) == Meta.read(folder).config.epochs
        assert test_runs.contents(folder) == test_runs.contents(whole)
    assert len(places) > KILLS // 4
