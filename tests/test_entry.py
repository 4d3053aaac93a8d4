"""What command lines do when their output goes nowhere."""

import os
import subprocess
import sys

import pytest

from graphnn.tools.entry import folder_of

SUMMARY = "import sys; from graphnn.tools.viz import main; sys.exit(main(['--symbol', 'mlp', '--summary']))"
# buffered, as with most users: what is printed is written only when Python ends
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}


def summary(script=SUMMARY, **streams):
    return subprocess.run([sys.executable, "-c", script], text=True, stderr=subprocess.PIPE, env=ENVIRONMENT, **streams)


@pytest.mark.parametrize(
    ("name", "error"), [("absent/x.png", FileNotFoundError), ("", IsADirectoryError), ("x.png", PermissionError)]
)
def test_where_nothing_can_be_written_is_told_before_the_work(tmp_path, monkeypatch, name, error):
    folder_of(None)
    folder_of(tmp_path / "x.png")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(error):
        folder_of(tmp_path / name)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_line():
    with open("/dev/full", "wb") as full:
        done = summary(stdout=full)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_closed_pipe_is_one_line():
    read, write = os.pipe()
    os.close(read)
    done = summary(stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "error: nobody reads the output any more\n")


def test_closed_streams_do_no_harm():
    assert summary("import sys; sys.stdout = None\n" + SUMMARY).returncode == 0


def test_progress_does_not_go_to_stdout_where_stderr_is_closed(capsys, monkeypatch):
    from graphnn.tools.entry import note
    from graphnn.tools.train import progress

    monkeypatch.setattr(sys, "stderr", None)
    note("progress")
    with progress(False)("epoch 1", 2) as step:
        step([("accuracy", 1.0)])
    assert capsys.readouterr().out == ""


def test_a_model_takes_the_image_of_its_data_set():
    from graphnn.tools.entry import shapes_of

    assert shapes_of("resnet-20", []) == {"data": (1, 1, 28, 28)}
    assert shapes_of("resnet-50", []) == {"data": (1, 3, 224, 224)}
    assert shapes_of("resnet-20", [("data", (2, 3, 32, 32))]) == {"data": (2, 3, 32, 32)}
    assert shapes_of("net-symbol.json", []) == {}
