"""Training runs: what the folder holds, resuming bit by bit after any interruption, refusing what makes no sense."""

import errno
import os
from contextlib import contextmanager

import numpy as np
import pytest
import tiny

import graphnn
from graphnn import sym
from graphnn.data.feed import Feed
from graphnn.errors import DataNotFoundError, FormatError, GraphnnError, NumericError, ParameterError
from graphnn.formats import atomic, npz
from graphnn.model import load_checkpoint, load_params
from graphnn.runs import checkpoint, loop, rows
from graphnn.runs import config as configs
from graphnn.runs import folder as folders
from graphnn.runs import run as runs
from graphnn.runs.config import Config
from graphnn.runs.folder import Meta, read_log
from graphnn.runs.schedule import optimizer_params
from graphnn.runs.score import Tally
from graphnn.train.optimizer import create


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A disk that says it is done at once: half of the time of these tests would go into waiting for it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def make_config(tmp_path, **changes):
    data = tiny.write_digits(tmp_path / "data")
    return Config.from_mapping({"data_dir": data, "batch_size": 8, "epochs": 3, "lr": 0.1, **changes})


@contextmanager
def silent(label, total):
    yield lambda values: None


def stopping_at(epoch, batch):
    """A progress that is interrupted in the middle of an epoch."""

    @contextmanager
    def progress(label, total):
        left = [batch]

        def advance(values):
            left[0] -= 1
            if label.startswith(f"epoch {epoch}/") and left[0] == 0:
                raise KeyboardInterrupt

        yield advance

    return progress


def train(config, folder, symbol=tiny.network):
    run = runs.start(config, symbol, folder)
    return run.folder, loop.train(run, silent, lambda record: None)


def resume(folder, **options):
    return loop.train(runs.resume(folder, **options), silent, lambda record: None)


def contents(folder):
    """The files of a run, without what depends on the clock; of the checkpoints the last."""
    skipped = (folders.LOG, folders.ENVIRONMENT, *(p.name for p in checkpoint.newest(folder)[1:]))
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in skipped}
    times = ("seconds", "images_per_second")
    log = [{k: v for k, v in vars(r).items() if k not in times} for r in read_log(folder)]
    return files, log


# training


def test_what_a_run_leaves(tmp_path):
    folder, records = train(make_config(tmp_path), tmp_path / "run")
    names = [f"model-000{k}.params" for k in (1, 2, 3)]
    best = ["best-0000.params", "best-symbol.json"]
    checkpoints = ["checkpoint-000003-00000000.npz", "checkpoint-000004-00000000.npz"]
    rest = ["config.json", "environment.jsonl", "log.jsonl", *names, *checkpoints, "model-symbol.json"]
    assert sorted(p.name for p in folder.iterdir()) == sorted([*best, *rest])
    assert read_log(folder) == records
    assert [r.epoch for r in records] == [1, 2, 3]
    assert records[2].train_loss < records[0].train_loss
    assert records[2].learning_rate < records[0].learning_rate
    assert Meta.read(folder).shape == (1, 6, 6)
    first_best = max(records, key=lambda r: r.test_accuracy).epoch
    assert (folder / "best-0000.params").read_bytes() == (folder / f"model-000{first_best}.params").read_bytes()
    symbol, arg, aux = load_checkpoint(str(folder / "best"), 0)
    assert symbol.tojson() == tiny.network().tojson()
    assert {"conv_weight", "fc_bias"} < arg.keys() and aux.keys() == {"bn_moving_mean", "bn_moving_var"}


def test_the_same_seed_gives_the_same_run_and_another_does_not(tmp_path):
    config = make_config(tmp_path, epochs=1)
    folder, _ = train(config, tmp_path / "a")
    again, _ = train(config, tmp_path / "b")
    other, _ = train(make_config(tmp_path, epochs=1, seed=1), tmp_path / "c")
    a, b, c = (load_params(str(f / "model"), 1)[0]["fc_weight"] for f in (folder, again, other))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


@pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "schedule": "step"}, {"threads": 2}])
@pytest.mark.parametrize(("epoch", "batch"), [(1, 2), (3, 6)])
def test_an_interrupted_run_goes_on_bit_by_bit(tmp_path, options, epoch, batch):
    config = make_config(tmp_path, **options)
    whole, _ = train(config, tmp_path / "whole")
    run = runs.start(config, tiny.network, tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt):
        loop.train(run, stopping_at(epoch, batch), lambda record: None)
    assert len(read_log(run.folder)) == epoch - 1
    assert len(resume(run.folder)) == 3
    assert contents(run.folder) == contents(whole)


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
@pytest.mark.parametrize("call", range(5, 16))
def test_a_run_that_fails_at_any_write_goes_on(tmp_path, monkeypatch, call, failure):
    """Writes 1 to 4 make the folder; an epoch has parameters, perhaps the best with its symbol, log, checkpoint."""
    config = make_config(tmp_path)
    whole, _ = train(config, tmp_path / "whole")
    run = runs.start(config, tiny.network, tmp_path / "cut")
    replace, count = os.replace, [4]

    def fail(*args):
        count[0] += 1
        if count[0] == call:
            raise failure
        replace(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(type(failure)):
            loop.train(run, silent, lambda record: None)
    assert not list(run.folder.glob(".graphnn*"))
    resume(run.folder)
    assert contents(run.folder) == contents(whole)


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    folder, records = train(make_config(tmp_path, epochs=1), tmp_path / "run")
    before = contents(folder)
    assert resume(folder) == records
    assert len((folder / "environment.jsonl").read_text().splitlines()) == 2
    assert contents(folder) == before


def test_resuming_removes_what_killed_writers_left(tmp_path):
    folder, _ = train(make_config(tmp_path, epochs=1), tmp_path / "run")
    left = folder / f"{atomic._PREFIX}0123{atomic._SUFFIX}"
    left.touch()
    os.utime(left, (0, 0))
    resume(folder)
    assert not left.exists()


def test_resuming_with_missing_or_damaged_files(tmp_path):
    folder, _ = train(make_config(tmp_path, epochs=1), tmp_path / "run")
    whole, before = contents(folder), checkpoint.newest(folder)[0]
    before.write_bytes(before.read_bytes()[:-20])
    said = []
    run = runs.resume(folder, said.append)
    assert run.records == () and "archive: not a whole" in said[0] and "going on from the checkpoint before" in said[0]
    loop.train(run, silent, lambda record: None)
    assert contents(folder) == whole
    for path in checkpoint.newest(folder):
        path.write_bytes(b"PK")
    with pytest.raises(FormatError, match=r"checkpoint-000001-00000000\.npz: archive: not a whole"):
        resume(folder)
    for path in checkpoint.newest(folder):
        path.unlink()
    with pytest.raises(DataNotFoundError, match="there is nothing to go on from"):
        resume(folder)


def test_resuming_with_checkpoints_that_cannot_be_opened_or_are_not_its_own(tmp_path):
    folder, _ = train(make_config(tmp_path, epochs=2), tmp_path / "run")
    whole, newest = contents(folder), checkpoint.newest(folder)[0]
    (folder / "checkpoint-of-mine.npz").write_bytes(b"PK")
    newest.unlink()
    newest.symlink_to("nowhere")
    said = []
    run = runs.resume(folder, said.append)
    assert len(run.records) == 1 and len(said) == 1 and "No such file or directory; going on from the" in said[0]
    loop.train(run, silent, lambda record: None)
    (folder / "checkpoint-of-mine.npz").unlink()
    assert contents(folder) == whole


def test_resuming_writes_through_no_link(tmp_path):
    folder, _ = train(make_config(tmp_path, epochs=1), tmp_path / "run")
    other = tmp_path / "other"
    other.write_text((folder / "environment.jsonl").read_text())
    (folder / "environment.jsonl").unlink()
    (folder / "environment.jsonl").symlink_to(other)
    resume(folder)
    assert len((folder / "environment.jsonl").read_text().splitlines()) == 2
    assert len(other.read_text().splitlines()) == 1


def test_resuming_with_other_data(tmp_path):
    folder, _ = train(make_config(tmp_path, epochs=1), tmp_path / "run")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"9"', '"nine"'))
    with pytest.raises(FormatError, match="classes or shape are not those of mnist"):
        resume(folder)


def outputs(n):
    data = sym.Flatten(sym.Variable("data"))
    return [sym.SoftmaxOutput(sym.FullyConnected(data, num_hidden=k), name=f"s{k}") for k in n]


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        (lambda n: outputs([7])[0], r"10 classes need one output \(8, 10\), got s7_output \(8, 7\)"),
        (lambda n: sym.Group([*outputs([10]), sym.Variable("more")]), "one output"),
        (lambda n: sym.softmax(sym.Variable("data")), "one input for labels, named ..._label, it has: none"),
        (lambda n: sym.Group(outputs([10, 11])), "it has: s10_label, s11_label"),
        (lambda n: sym.SoftmaxOutput(sym.Variable("x"), name="s"), "'data' is no argument of the symbol"),
    ],
)
def test_a_symbol_that_does_not_fit_leaves_no_folder(tmp_path, symbol, message):
    with pytest.raises(GraphnnError, match=message):
        runs.start(make_config(tmp_path), symbol, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_of_many_numbers_come_back_and_longer_ones_leave_no_folder(tmp_path):
    def begin(columns):
        x, y = np.zeros((20, columns), np.float16), np.arange(20) % 2
        npz.save(tmp_path / "wide.npz", {"x": x, "y": y})
        config = Config.from_mapping({"data": str(tmp_path / "wide.npz"), "batch_size": 4, "epochs": 1})
        return runs.start(config, lambda n: outputs([n])[0], tmp_path / f"run{columns}")

    assert Meta.read(begin(60_000).folder).shape == (60_000,)
    with pytest.raises(FormatError, match=r"wide.npz: shape: must be one to three sizes, each at most 65536"):
        begin(70_000)
    assert not (tmp_path / "run70000").exists()


def test_points_in_time_are_told_apart_in_training_and_prediction(tmp_path):
    x = 1.7e9 + np.arange(40.0)[:, None]
    npz.save(tmp_path / "times.npz", {"x": x, "y": np.arange(40) // 20})
    config = Config.from_mapping({"data": str(tmp_path / "times.npz"), "batch_size": 4, "epochs": 1, "threads": 1})
    run = runs.start(config, lambda n: outputs([n])[0], tmp_path / "run")
    assert len(np.unique(np.concatenate([run.feed.source.make(1, k).data[0] for k in range(9)]))) == 36
    loop.train(run, silent, lambda record: None)
    assert len(np.unique(graphnn.load(run.folder).predict(x)[:, 0])) == 40


def test_rows_held_out_of_data_sorted_by_class_are_of_all_classes(tmp_path):
    npz.save(tmp_path / "own.npz", {"x": np.arange(200.0)[:, None], "y": np.arange(200) // 100})
    config = Config.from_mapping({"data": str(tmp_path / "own.npz"), "holdout": 40})
    data, again = rows.data_of(config), runs.data_of(config)
    assert data.note.endswith("tested on 40 of 180 training rows instead, drawn at random")
    assert 10 < data.test_y.sum() < 30
    assert not {*data.train_x.ravel()} & {*data.test_x.ravel()} and len(data.train_x) == 140
    np.testing.assert_array_equal(data.test_x, again.test_x)
    named = rows.data_of(make_config(tmp_path, holdout=5))
    assert named.note.endswith("tested on 5 of 48 training rows instead, the last ones") and len(named.test_x) == 5


def test_a_batch_larger_than_the_data(tmp_path):
    with pytest.raises(ParameterError, match="batch_size 64 is larger than the data"):
        runs.start(make_config(tmp_path, batch_size=64), tiny.network, tmp_path / "run")


def test_the_parameters_of_the_last_epochs_are_kept_beyond_four_digits(tmp_path):
    run = runs.start(make_config(tmp_path, epochs=1, keep=2), tiny.network, tmp_path / "run")
    for epoch in (9998, 9999, 10000):
        (run.folder / f"model-{epoch}.params").touch()
    loop.train(run, silent, lambda record: None)
    assert {p.name for p in run.folder.glob("model-*.params")} == {"model-9999.params", "model-10000.params"}


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_place(tmp_path):
    run = runs.start(make_config(tmp_path, lr=1e6, warmup=0, wd=1e4), tiny.network, tmp_path / "run")
    with pytest.raises(
        NumericError, match=r"epoch \d, batch \d: .* conv_weight is the first .*, since the step of batch \d: lower the"
    ):
        loop.train(run, silent, lambda record: None)


def test_a_parameter_that_never_was_finite_is_no_matter_of_the_rate(tmp_path):
    run = runs.start(make_config(tmp_path), tiny.network, tmp_path / "run")
    run.module.executor.arg_dict["conv_weight"][...] = np.nan
    run.save()
    with pytest.raises(
        NumericError, match=r"batch 1: .*; the parameter conv_weight is not finite from the beginning on$"
    ):
        loop.train(run, silent, lambda record: None)


class Spoilt:
    """The batches of a run, one of them with numbers that are too large."""

    def __init__(self, source, k, value=3e38):
        self.source, self.k, self.value = source, k, value

    def __len__(self):
        return len(self.source)

    def make(self, epoch, k):
        batch = self.source.make(epoch, k)
        if k == self.k:
            batch.data[0][0] = self.value
        return batch


def test_the_place_is_found_in_the_midst_of_gradients_that_are_added_up(tmp_path):
    run = runs.start(make_config(tmp_path, accumulate=2, ema=0.5), tiny.network, tmp_path / "run")
    run.feed = Feed(Spoilt(run.feed.source, 4))
    with pytest.raises(NumericError, match=r"epoch 1, batch 5: .*; conv_output is the first"):
        loop.train(run, silent, lambda record: None)


def test_an_input_that_is_not_finite_is_no_matter_of_the_rate(tmp_path):
    run = runs.start(make_config(tmp_path), tiny.network, tmp_path / "run")
    run.feed = Feed(Spoilt(run.feed.source, 1, np.inf))
    with pytest.raises(NumericError, match=r"epoch 1, batch 2: .*; the input data itself is not finite$"):
        loop.train(run, silent, lambda record: None)


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_loss_on_the_test_data_that_is_not_finite_names_the_place(tmp_path, ema):
    run = runs.start(make_config(tmp_path, ema=ema), tiny.network, tmp_path / "run")
    run.test = Spoilt(run.test, 1)
    with pytest.raises(NumericError, match=r"epoch 1, batch 2 of the test data: .*; conv_output is the first"):
        loop.train(run, silent, lambda record: None)


def test_a_loss_that_is_not_finite_only_in_one_program(tmp_path, monkeypatch):
    run = runs.start(make_config(tmp_path), tiny.network, tmp_path / "run")
    monkeypatch.setattr(loop, "TALLIES", {"images": lambda *_: Tally(np.nan, 0, 8)})
    with pytest.raises(NumericError, match=r"epoch 1, batch 1: .*; node by node all is finite"):
        loop.train(run, silent, lambda record: None)


def test_a_second_interruption_while_the_average_makes_way_for_the_weights(tmp_path):
    """What is in the arrays then is neither, and no checkpoint is made of it."""
    run = runs.start(make_config(tmp_path, epochs=1, ema=0.5), tiny.network, tmp_path / "run")
    loop.train(run, silent, lambda record: None)
    assert run.between_steps
    weight = next(iter(run.average._own.values()))
    with pytest.raises(KeyError), run.average.in_place(6):
        run.average._own["later"] = None  # at which putting the weights back fails
    assert weight is run.module.executor.arg_dict["conv_weight"] and not run.between_steps


@pytest.mark.parametrize("schedule", configs.SCHEDULES)
def test_schedules_begin_low_and_reach_their_peak(tmp_path, schedule):
    config = make_config(tmp_path, schedule=schedule, warmup=1.0)
    params = optimizer_params(config, 6)
    scheduler = create("sgd", **params).lr_scheduler
    rates = [scheduler(t) for t in range(1, 19)]
    assert rates[0] < rates[5] and max(rates) == pytest.approx(0.1, rel=0.02)
    assert (rates[-1] < 0.2 * scheduler.base_lr) == (schedule not in ("constant", "restarts"))
