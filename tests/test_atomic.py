"""Safe writing, and opening regular files only."""

import errno
import os
import stat

import pytest

from graphnn.errors import FormatError
from graphnn.formats import atomic
from graphnn.formats.regular import reading


def only(folder):
    """The names in a folder: no temporary may be left."""
    return sorted(os.listdir(folder))


def test_write_replaces_and_keeps_the_mode(tmp_path):
    file = tmp_path / "x.bin"
    atomic.write(file, "grün")
    assert file.read_text("utf-8") == "grün"
    file.chmod(0o640)
    atomic.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert only(tmp_path) == ["x.bin"]


def test_new_files_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        atomic.write(tmp_path / "x", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(2)])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    file = tmp_path / "x"
    file.write_bytes(b"old")
    with pytest.raises(type(error)), atomic.writing(file) as stream:
        stream.write(b"half")
        raise error
    assert file.read_bytes() == b"old"
    assert only(tmp_path) == ["x"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_disk_errors_name_the_file_and_keep_the_old_one(tmp_path, monkeypatch, call, number):
    file = tmp_path / "x"
    file.write_bytes(b"old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        atomic.write(file, b"new")
    assert caught.value.filename == str(file)
    assert file.read_bytes() == b"old"
    assert only(tmp_path) == ["x"]


def test_the_folder_is_synced_after_the_rename(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def note(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "x").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    atomic.write(tmp_path / "x", b"new")
    assert synced == [(False, False), (True, True)]


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/absent"])
def test_devices_and_streams_are_refused(device):
    before = os.path.lexists(device) and os.lstat(device)
    with pytest.raises(OSError, match=f"cannot be written.*{device}"):
        atomic.write(device, b"new")
    assert os.path.lexists(device) == bool(before)
    assert not before or os.path.samestat(before, os.lstat(device))


def test_pipes_folders_and_missing_folders_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"not a regular file.*pipe"):
        atomic.write(tmp_path / "pipe", b"")
    with pytest.raises(IsADirectoryError):
        atomic.write(tmp_path, b"")
    with pytest.raises(FileNotFoundError, match="absent/x"):
        atomic.write(tmp_path / "absent" / "x", b"")
    assert only(tmp_path) == ["pipe"]


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    atomic.write(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"old"


def test_sweep_removes_old_temporaries_alone(tmp_path):
    for name in (".graphnn-0123.part", ".graphnn-4567.part", "mine.part"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".graphnn-0123.part", (0, 0))
    os.utime(tmp_path / "mine.part", (0, 0))
    assert atomic.sweep(tmp_path) == 1
    assert only(tmp_path) == [".graphnn-4567.part", "mine.part"]


def test_reading_opens_regular_files_only(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    with reading(tmp_path / "x") as (file, size):
        assert (file.read(), size) == (b"abc", 3)
    os.mkfifo(tmp_path / "pipe")  # a plain open() would wait for a writer
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(FormatError, match="not a regular file"), reading(path):
            pass
    with pytest.raises(FileNotFoundError), reading(tmp_path / "absent"):
        pass
