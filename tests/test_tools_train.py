"""graphnn-train: options, what goes to stdout and to stderr, exit codes, Ctrl-C, a full disk."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import tiny

from graphnn.data import load
from graphnn.runs import rows
from graphnn.runs.folder import read_log
from graphnn.tools.train import main, parser

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The arguments of a small run; the folder of the test is the current one."""
    monkeypatch.chdir(tmp_path)
    network = tiny.write_network(tmp_path / "net-symbol.json")
    data = tiny.write_digits(tmp_path / "data")
    args = ["--symbol", network, "--data-dir", data, "--batch-size", "8", "--epochs", "2", "--lr", "0.1"]
    return [*args, "--backend", "numpy"]


@pytest.fixture
def plain(monkeypatch):
    """No pictures: importing matplotlib takes half a second."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


# A run that never ends by itself: its third epoch waits for a signal, awake often enough to see one that came before.
WAITING = """
import time
from graphnn.runs import loop
epoch = loop._epoch
def wait(watch):
    while True:
        time.sleep(0.01)
        watch.check()
loop._epoch = lambda run, progress, watch: wait(watch) if run.position.epoch == 3 else epoch(run, progress, watch)
"""


def child(args, before="", **options):
    code = f"{before}import sys; from graphnn.tools.train import main; sys.exit(main())"
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code, *args], stdout=pipe, stderr=pipe, text=True, **options)


def test_help_has_examples_and_loads_no_numpy():
    code = "import sys; from graphnn.tools.train import parser; print(parser().format_help(), 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("False\n")
    for text in ("graphnn-train --symbol alexnet\n", "--batch-size", "--resume DIR", "weight decay (0.001)"):
        assert text in result.stdout


def test_a_run(command, tmp_path, capsys):
    assert main(command) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "test loss" in lines[1] and lines[1].endswith("images/s")
    batches = [f"{part} {k}/2: {n} batches" for k in (1, 2) for part, n in (("epoch", 6), ("test", 3))]
    assert err.splitlines() == ["run folder: runs/net", *batches, "report: runs/net/report.html"]
    folder = tmp_path / "runs" / "net"
    assert len(read_log(folder)) == 2
    assert (folder / "curves.png").read_bytes().startswith(PNG)


def test_a_second_run_goes_beside_the_first(command, tmp_path, plain):
    assert [main([*command, "--quiet"]) for _ in range(2)] == [0, 0]
    assert main([*command, "--quiet", "--output", str(tmp_path / "runs" / "net")]) == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["net", "net-2", "net-3"]


def test_without_matplotlib_a_line_says_so(command, plain, capsys):
    assert main([*command, "--quiet"]) == 0
    assert (
        capsys.readouterr().err
        == "drawing curves.png needs matplotlib, of graphnn's extra 'plot': pip install -e '.[plot]' in a checkout\n"
    )


def test_json_is_one_value(command, plain, capsys):
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert value["run"] == "runs/net"
    assert [e["epoch"] for e in value["epochs"]] == [1, 2]
    assert value["best_test_accuracy"] == value["epochs"][value["best_epoch"] - 1]["test_accuracy"]
    assert "epoch 2: train loss" in err


def test_a_bar_on_a_terminal(command, plain, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(command) == 0
    assert "epoch 1/2:" in (err := capsys.readouterr().err) and "batch/s" in err


def test_what_a_data_set_lacks_is_said(command, plain, capsys, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(rows, "load", lambda *args: replace(load(*args), note="first 1,000 test images only"))
    assert main([*command, "--quiet"]) == 0
    assert "note: first 1,000 test images only\n" in capsys.readouterr().err


# options


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--epoch", "x"], "argument --epochs/--num-epochs: invalid int value: 'x'"),
        (["--sybmol", "mlp"], "unrecognized arguments: --sybmol mlp"),
        (["--batch-size", "0"], "batch_size must be from 1"),
        (["--lr", "nan"], "lr must be from"),
        (["--preset", "cifar10-fast", "--epochs", "2"], "warmup is 2 epochs, which leaves nothing of 2 for schedule"),
        (["--optimizer", "sdg"], "optimizer must be one of sgd, nag"),
        (["--config", "absent.toml"], "absent.toml: No such file"),
        (["--resume", "a", "--output", "b"], "--output makes a new run, --resume goes on with one"),
    ],
)
def test_usage_errors(args, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--symbol", "alexnett"],
            "error: no model and no file 'alexnett': graphnn-train --list shows the models; did you mean alexnet",
        ),
        (["--symbol", "os:system"], "error: no model and no file"),
        (["--dataset", "mnits"], "error: no data set is called 'mnits'"),
        (["--data-dir", "absent"], "error: mnist is not in absent/mnist, absent: put train-images"),
        (["--backend", "abacus"], "error: no backend 'abacus'"),
        (["--symbol", "data"], "error: data: file: not a regular file"),
        (["--resume", "absent"], "error: absent: no run is there"),
        (["--batch-size", "100"], "error: batch_size 100 is larger"),
        (["--model-prefix", "/absent/net"], "error: model_prefix: there is no folder /absent: make it first"),
        (["--output", "."], "error: '.' names no folder of the run's own: give it a name"),
        (["--output", "/"], "error: '/' names no folder"),
        (["--output", ".."], "error: '..' names no folder"),
    ],
)
def test_failures_are_one_line(command, args, message, capsys, tmp_path):
    message = message.replace("absent/mnist, absent", f"{tmp_path}/absent/mnist, {tmp_path}/absent")
    assert main([*command, *args]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message) and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_prefix_where_nothing_can_be_written_is_told_before_the_first_epoch(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main([*command, "--model-prefix", str(tmp_path / "net")]) == 1
    assert f"model_prefix: nothing can be written into {tmp_path}: give another" in capsys.readouterr().err


def test_names_of_files_do_not_steer_the_terminal(command, tmp_path, capsys):
    for name in ("cat", "dog\x1b[31m"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "0.png").write_bytes(b"no picture")
    (tmp_path / "photos" / "cat" / "0.png").unlink()
    assert main([*command[:2], "--data", str(tmp_path / "photos")]) == 1
    assert capsys.readouterr().err.endswith("dog?[31m/0.png: picture: no PNG, JPEG, BMP, WEBP, GIF file\n")


def test_debug_shows_the_traceback(command):
    with pytest.raises(ValueError, match="no model and no file"):
        main([*command, "--symbol", "absent", "--debug"])


def toml(tmp_path, text):
    (tmp_path / "run.toml").write_text(text, encoding="utf-8-sig")  # as some editors write it
    return ["--config", str(tmp_path / "run.toml")]


def test_a_toml_file_under_the_command_line(command, tmp_path, plain, capsys):
    symbol, data = command[1], command[3]
    text = f'symbol = "{symbol}"\ndata-dir = "{data}"\nbatch_size = 8\nepochs = 3\nlr = 1\noutput = "r"\njson = true\n'
    assert main([*toml(tmp_path, text), "--epochs", "1"]) == 0
    assert len(json.loads(capsys.readouterr().out)["epochs"]) == 1
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert (config["lr"], config["epochs"], config["batch_size"]) == (1.0, 1, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "run.toml: 'epoch': no such option; did you mean 'epochs'?"),
        ("config = 'x'", "run.toml: 'config': no such option"),
        ("epochs = 3.5", "run.toml: 'epochs': must be a whole number, got 3.5"),
        ("epochs = true", "run.toml: 'epochs': must be a whole number, got True"),
        ("symbol = 3", "run.toml: 'symbol': must be text, got 3"),
        ('output = "a\\u0000b"', "run.toml: 'output': must hold no character 0"),
        ("quiet = 1", "run.toml: 'quiet': must be true or false, got 1"),
        ("lr = 'x'", "run.toml: 'lr': must be a number, got 'x'"),
        ("lr = nan", "lr must be from"),
        ("data-dir = 'a'\ndata_dir = 'b'", "run.toml: 'data_dir': it is given twice"),
        ("epochs = ", "run.toml: TOML: Invalid value"),
        ("[run]\nepochs = 1", "run.toml: 'run': no such option"),
    ],
)
def test_wrong_toml_files(tmp_path, text, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(toml(tmp_path, text))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_every_option_can_stand_in_a_toml_file(command, tmp_path, plain):
    values = {"int": 1, "float": 0.5, "Path": str(tmp_path / "x"), "str": "mlp", "bool": "false"}
    lines = [f"data-dir = '{command[3]}'", "dataset = 'mnist'", "optimizer = 'adam'", "schedule = 'constant'"]
    lines.append("max-memory = 1000")
    given = {"data_dir", "dataset", "optimizer", "schedule", "max_memory", "backend", "resume", "config", "help"}
    given |= {
        "lr_step_epochs",
        "load_epoch",
        "data",
        "label",
        "image_size",
        "pretrained",
        "freeze",
        "augment",
        "preset",
    }
    given |= {"show_augmentation", "find_lr", "workers", "list"}
    lines += ["freeze = 'fc1_*'", "augment = 'flip'", "workers = 0"]
    for action in parser()._actions:
        if action.dest not in given:
            kind = "bool" if action.nargs == 0 else action.type.__name__
            lines.append(f"{action.dest} = {values[kind] if kind != 'Path' and kind != 'str' else repr(values[kind])}")
    assert main(toml(tmp_path, "\n".join(lines))) == 0
    assert (tmp_path / "x" / "model-0001.params").exists()


def test_memory_has_a_limit(command, plain, capsys):
    assert main(["--symbol", "mlp", *command[2:], "--max-memory", "1"]) == 1
    assert "more than 1.0 MiB, max_memory: bind smaller shapes" in capsys.readouterr().err


# going on


def test_resume_refuses_other_options(command, tmp_path, plain, capsys):
    assert main([*command, "--quiet", "--model-prefix", "net"]) == 0
    assert main(["--resume", "runs/net", "--lr", "0.2"]) == 1
    assert "--lr is 0.1 in this run and cannot become 0.2" in capsys.readouterr().err
    assert main(["--resume", "runs/net", "--threads", "2", "--lr", "0.1", "--model-prefix", "net"]) == 0
    assert "all 2 epochs are done" in capsys.readouterr().err


def test_ctrl_c_and_going_on(command, tmp_path, plain, capsys):
    command = [*command, "--epochs", "4", "--seed", "3"]
    assert main([*command, "--quiet", "--output", "whole"]) == 0
    process = child([*command, "--output", "cut"], WAITING)
    assert process.stdout.readline().startswith("epoch 1: ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted: go on with graphnn-train --resume cut"
    assert len(read_log(tmp_path / "cut")) in (1, 2)
    assert main(["--resume", "cut", "--quiet"]) == 0
    for name in ("model-0004.params", "checkpoint-000005-00000000.npz", "best-0000.params"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


LOADING = """
import time
from graphnn.runs import rows
rows.load = lambda *args: print("loading", flush=True) or time.sleep(60)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_before_there_is_a_run(command, number, code):
    process = child(command, LOADING)
    assert process.stdout.readline() == "loading\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (code, "interrupted")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_processes_of_a_run(command, number, code):
    process = child([*command, "--epochs", "100000", "--workers", "1", "--quiet"], start_new_session=True)
    assert process.stdout.readline().startswith("epoch 1: ")
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "interrupted: go on with graphnn-train --resume runs/net\n")


def test_a_full_disk_under_print_config():
    with open("/dev/full", "w") as full:
        code = "from graphnn.tools.train import main; raise SystemExit(main(['--print-config']))"
        found = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (found.returncode, found.stderr.count("\n")) == (1, 1) and "No space left" in found.stderr


def test_two_processes_do_not_go_on_with_one_run(command, tmp_path, plain, capsys):
    process = child([*command, "--epochs", "4", "--output", "one"], WAITING)
    assert process.stdout.readline().startswith("epoch 1: ")
    before = (tmp_path / "one" / "environment.jsonl").read_bytes()
    assert main(["--resume", "one"]) == 1
    assert capsys.readouterr().err == "error: one: another process trains this run: let it end, or end it first\n"
    assert (tmp_path / "one" / "environment.jsonl").read_bytes() == before
    process.kill()
    process.communicate(timeout=60)
    assert main(["--resume", "one", "--quiet"]) == 0


def test_ctrl_c_before_there_is_a_run(command, monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "load", interrupted)
    assert main(command) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_full_disk(command, tmp_path, plain, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fsync, count = os.fsync, [0]

    def fsync_until_full(descriptor):
        count[0] += 1
        (fsync if count[0] < 9 else full)(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_until_full)
    assert main([*command, "--quiet"]) == 1
    again = "stopped: go on with graphnn-train --resume runs/net\n"
    assert capsys.readouterr().err == again + "error: runs/net/model-0001.params: No space left on device\n"
    left = ["checkpoint-000001-00000000.npz", "config.json", "environment.jsonl", "model-symbol.json"]
    assert sorted(p.name for p in (tmp_path / "runs" / "net").iterdir()) == left


def test_a_limit_of_the_system_on_the_size_of_files(command, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    process = child([*command, "--quiet"], preexec_fn=limit)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: runs/net/") and err.endswith(": File too large\n")
    assert err.count("\n") == 1 + err.startswith("stopped: go on with graphnn-train --resume runs/net\n")
    assert not [p for p in (tmp_path / "runs" / "net").iterdir() if p.stat().st_size > 2000 or p.suffix == ".part"]
