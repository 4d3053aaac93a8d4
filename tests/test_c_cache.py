"""Compiled programs that are kept: what is taken from the cache, and what is compiled again."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import warnings

import pytest

from graphnn.backends.c import cache, library, toolchain
from graphnn.errors import BackendError

SOURCE = '__attribute__((visibility("default"))) int state = 7;\n' \
         '__attribute__((visibility("default"))) int next(void) { return state++; }\n'  # fmt: skip


@pytest.fixture(scope="module")
def real():
    try:
        return toolchain.find()
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture
def target(real, monkeypatch):
    """A compiler that counts: `compiled` has the sources of each call."""
    kept = toolchain.compile([SOURCE], real)

    def counting(units, target, extra_flags=()):
        compiled.append(list(units))
        return kept

    compiled.clear()
    monkeypatch.setattr(cache, "compile", counting)
    cache._warn.cache_clear()
    return real


compiled: list[list[str]] = []


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.fixture
def folder(home):
    return home / ".cache" / "graphnn" / "c"


def entry(folder):
    (found,) = (p for p in folder.iterdir() if p.name != "key")
    return found


@pytest.fixture
def filled(target, folder):
    """A cache that holds the program."""
    assert cache.load(SOURCE, target).next() == 7
    assert len(compiled) == 1
    return entry(folder)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS keeps caches elsewhere")
def test_the_users_folder(home, monkeypatch):
    assert cache.user_folder() == home / ".cache" / "graphnn" / "c"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert str(cache.user_folder()) == "/elsewhere/graphnn/c"


def test_a_program_is_compiled_once(filled, target, folder):
    first, second = cache.load(SOURCE, target), cache.load([SOURCE], target)
    assert len(compiled) == 1
    assert [first.next(), first.next(), second.next()] == [7, 8, 7]  # variables of their own
    modes = {p.stat().st_mode & 0o777 for p in folder.iterdir()}
    assert (modes, folder.stat().st_mode & 0o777) == ({0o600}, 0o700)


def test_a_cache_home_that_is_not_there_yet(target, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new" / "cache"))
    for _ in range(2):
        cache.load(SOURCE, target)
    assert len(compiled) == 1 and (tmp_path / "new" / "cache" / "graphnn" / "c").is_dir()


def test_without_a_cache(target, folder):
    cache.load(SOURCE, target, None)
    assert (len(compiled), folder.exists()) == (1, False)


def test_a_folder_of_ones_own(target, tmp_path):
    for _ in range(2):
        cache.load(SOURCE, target, tmp_path / "own")
    assert len(compiled) == 1


def test_a_hit_is_used_last(filled, target):
    os.utime(filled, (1, 1))
    cache.load(SOURCE, target)
    assert filled.stat().st_mtime > 1


# What is not taken


def again(target, count=2, warns=""):
    """Load once more; it must work and be compiled, with a warning or without."""
    if warns:
        with pytest.warns(cache.CacheWarning, match=f"^compiled programs are not kept: .*{warns}"):
            assert cache.load(SOURCE, target).next() == 7
    else:
        assert cache.load(SOURCE, target).next() == 7
    assert len(compiled) == count


def test_planted(filled, target):
    good = filled.read_bytes()
    filled.write_bytes(bytes(32) + good[32:])
    again(target)
    assert filled.read_bytes() == good
    again(target)


def test_an_entry_of_another_program(filled, target, folder):
    cache.load(SOURCE + "\n", target)
    (other,) = (p for p in folder.iterdir() if p not in (filled, folder / "key"))
    filled.write_bytes(other.read_bytes())
    again(target, 3)


@pytest.mark.parametrize("size", [0, 31, 32, 1000, -1])
def test_truncated(filled, target, size):
    good = filled.read_bytes()
    filled.write_bytes(good[:size])
    again(target)
    assert filled.read_bytes() == good


def test_a_linked_entry(filled, target, tmp_path):
    filled.rename(tmp_path / "away")
    filled.symlink_to(tmp_path / "away")
    again(target)
    assert not filled.is_symlink()


def test_a_pipe_for_an_entry(filled, target):
    filled.unlink()
    os.mkfifo(filled)
    again(target)
    again(target)


@pytest.mark.parametrize("part", ["c", "graphnn", ".cache"])
def test_a_link_on_the_way(filled, target, home, folder, part):
    linked = next(p for p in (folder, *folder.parents) if p.name == part)
    linked.rename(home / "away")
    linked.symlink_to(home / "away")
    again(target, warns=f"{part} is a symbolic link")


def test_foreign_owned(filled, target, monkeypatch):
    user = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: user)
    again(target, warns="belongs to another user")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_an_open_folder(filled, target, folder, mode):
    folder.chmod(mode)
    again(target, warns=rf"c is open to other users \(mode {mode:04o}\)")


def test_an_open_folder_on_the_way(filled, target, folder):
    folder.parent.chmod(0o777)
    again(target, warns="graphnn is open to other users")


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o700])
def test_a_key_that_others_may_read(filled, target, folder, mode):
    (folder / "key").chmod(mode)
    again(target, warns="the file 'key' of the cache is open to other users")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_size(filled, target, folder, size):
    (folder / "key").write_bytes(bytes(size))
    again(target, warns="the file 'key' of the cache is damaged: remove it")


def test_a_linked_key(filled, target, folder, tmp_path):
    (folder / "key").rename(tmp_path / "key")
    (folder / "key").symlink_to(tmp_path / "key")
    again(target, warns="'key' in the cache is a symbolic link")


def test_a_file_for_a_folder(target, folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("")
    again(target, 1, warns="Not a directory")


def test_a_full_disk(target, folder, monkeypatch):
    def full(folder, content):
        if len(content) > 32:
            raise OSError(28, "No space left on device")
        return write(folder, content)

    write = cache._write_part
    monkeypatch.setattr(cache, "_write_part", full)
    again(target, 1, warns="No space left on device")
    assert [p.name for p in folder.iterdir()] == ["key"]


def test_one_warning(filled, target, folder):
    folder.chmod(0o777)
    again(target, warns="is open")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again(target, 3)


# Names and bounds


def test_the_name_depends_on_all_that_decides(real, monkeypatch):
    name = cache.entry_name([SOURCE], real)
    assert name == cache.entry_name([SOURCE], dataclasses.replace(real))
    others = [
        cache.entry_name([SOURCE, ""], real),
        cache.entry_name([SOURCE + " "], real),
        cache.entry_name([SOURCE], dataclasses.replace(real, flags=(*real.flags, "-O3"))),
        cache.entry_name([SOURCE], dataclasses.replace(real, flags=(" ".join(real.flags),))),
        cache.entry_name([SOURCE], dataclasses.replace(real, version="13")),
        cache.entry_name([SOURCE], dataclasses.replace(real, command=(*real.command, "-m64"))),
    ]
    monkeypatch.setattr(cache, "_processor", lambda: "another")
    others.append(cache.entry_name([SOURCE], real))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    others.append(cache.entry_name([SOURCE], real))
    assert len({name, *others}) == len(others) + 1


def test_bounds(target, folder, monkeypatch):
    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    for k in range(5):
        cache.load(SOURCE + " " * k, target)
        for p in folder.iterdir():
            os.utime(p, (p.stat().st_mtime - 10,) * 2)
    kept = {p.name for p in folder.iterdir()}
    assert kept == {"key", *(cache.entry_name([SOURCE + " " * k], target) for k in (2, 3, 4))}
    monkeypatch.setattr(cache, "MAX_BYTES", int(1.5 * entry_size(folder)))
    cache.load(SOURCE + " " * 5, target)
    assert {p.name for p in folder.iterdir()} == {"key", cache.entry_name([SOURCE + " " * 5], target)}


def entry_size(folder):
    return max(p.stat().st_size for p in folder.iterdir())


def test_what_killed_writers_left_is_removed(filled, target, folder):
    old, new = folder / ".part-old", folder / ".part-new"
    old.write_text("")
    new.write_text("")
    os.utime(old, (1, 1))
    cache.load(SOURCE + " ", target)
    assert (old.exists(), new.exists()) == (False, True)


# Loading and compiling


@pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's")
def test_the_library_lies_in_sealed_memory(real, tmp_path, monkeypatch):
    code = toolchain.compile(SOURCE, real)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))  # no file can be written
    for _ in range(3):  # the descriptor's number is the same each time
        loaded = library.open_library(code)
        assert loaded.next() == 7
    with open("/proc/self/maps") as maps:
        assert "/memfd:graphnn" in maps.read()


def test_the_library_from_a_file(real, tmp_path, monkeypatch):
    code = toolchain.compile(SOURCE, real)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "other")
    assert [library.open_library(code).next() for _ in range(2)] == [7, 7]
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_library(monkeypatch):
    with pytest.raises(BackendError, match=r"^the compiled program cannot be loaded: "):
        library.open_library(b"\x7fELF and no more")


def test_compile_times_are_logged(real, caplog):
    with caplog.at_level(logging.INFO, "graphnn.c"):
        cache.load([SOURCE, ""], real, None)
    first, second = (r.getMessage() for r in caplog.records)
    assert first == "compiling 2 lines of C"
    assert second.startswith("compiled 2 lines of C in ")


def test_what_cannot_be_compiled_is_said_once(real, folder):
    with pytest.raises(BackendError, match="cannot compile the generated C"):
        cache.load("nothing\n", real)


RACE = """
import os, sys, warnings
from graphnn.backends.c import cache, toolchain
warnings.simplefilter("error")
target = toolchain.find()
for k in range(25):
    source = '__attribute__((visibility("default"))) int f(void) { return %d; }' % k
    assert cache.load(source, target).f() == k
    if sys.argv[1] == "0":  # one of them does damage
        os.truncate(cache.user_folder() / cache.entry_name([source], target), 5000)
"""


@pytest.mark.slow
def test_processes_race(real, folder):
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, str(k)], stderr=subprocess.PIPE, text=True) for k in range(8)
    ]
    for racer in racers:
        assert (racer.communicate()[1], racer.returncode) == ("", 0)
    assert len(list(folder.iterdir())) == 26
