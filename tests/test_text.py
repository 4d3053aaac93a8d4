"""Generated text: the sums and their entropy, text files of one's own, drawing from probabilities."""

import math

import numpy as np
import pytest

from graphnn.data import text
from graphnn.errors import FormatError, ParameterError


def rows_of(data, labels, classes):
    return [text.decode([*a, b[-1]], classes) for a, b in zip(data, labels, strict=True)]


def test_rows_of_sums_and_their_labels():
    data = text.load_text(t=40, rows=20, seed=3)
    assert data.train_x.shape == data.train_y.shape == (20, 40)
    assert data.test_x.shape == (2, 40) and data.train_x.dtype == np.uint8
    assert (data.train_x[:, 1:] == data.train_y[:, :-1]).all()
    assert data.classes == tuple(sorted(data.classes)) and len(data.classes) == 22 and data.kind == "text"
    for row in rows_of(data.train_x, data.train_y, data.classes):
        first = row[1:].partition(". ")[0]
        assert row[0] == " " and any(f"{first}. " in kind for kind in text.sums())


def test_sums_are_right():
    values = {text._word(n): n for n in range(100)}
    assert len(values) == 100 and values["forty-two"] == 42
    signs = {"plus": int.__add__, "minus": int.__sub__, "times": int.__mul__}
    for sentence in (s for kind in text.sums() for s in kind):
        a, sign, b, _, c = sentence.removesuffix(". ").split(" ")
        assert signs[sign](values[a], values[b]) == values[c]


def test_the_seed_decides():
    a, b, c = (text.load_text(t=20, rows=5, seed=seed).train_x for seed in (1, 1, 2))
    assert (a == b).all() and (a != c).any()


def test_entropy_is_that_of_the_draws():
    """One whole sentence: 1/3 for the operation, 1 in 100 for its numbers; a cut one: as many as begin like it."""
    row = " two plus two is four. "
    assert text.entropy([row]) == pytest.approx(math.log(300) / (len(row) - 1))
    tens = sum(s.startswith("t") for s in text.sums()[0]) / 100
    minus = sum(s.startswith("t") for s in text.sums()[1]) / 55
    assert text.entropy([" t"]) == pytest.approx(-math.log((tens + minus + tens) / 3))
    with pytest.raises(ParameterError, match="'two and' does not begin a sum"):
        text.entropy([" two and"])
    with pytest.raises(ParameterError, match="a space and a character"):
        text.entropy([" "])


def test_no_distribution_of_characters_beats_the_entropy():
    """A model of long rows: for each beginning of a sentence how often which character follows, as counted."""
    counts = {}
    for kind in text.sums():
        for s in kind:
            for k, c in enumerate(s):
                following = counts.setdefault(s[:k], {})
                following[c] = following.get(c, 0) + 1 / len(kind)
    data = text.load_text(t=200, rows=1, test=0.99)
    (row,) = rows_of(data.test_x, data.test_y, data.classes)
    total, start = 0.0, ""
    for c in row[1:]:
        total -= math.log(counts[start][c] / sum(counts[start].values()))
        start = "" if (start + c).endswith(". ") else start + c
    assert total / 200 == pytest.approx(text.entropy([row]))
    assert "entropy" in data.note


def test_a_file_is_cut_into_rows(tmp_path):
    path = tmp_path / "own.txt"
    path.write_bytes("\ufeffabc\r\nüa".encode() * 1)
    data = text.load_text(path, t=2, test=0.4)
    assert data.classes == ("\n", "a", "b", "c", "ü")
    assert [text.decode(r, data.classes) for r in (*data.train_x, *data.test_x)] == ["ab", "c\n"]
    assert [text.decode(r, data.classes) for r in (*data.train_y, *data.test_y)] == ["bc", "\nü"]
    assert (data.source, data.kind) == (str(path), "text")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"abc\xff", "byte 3: is not UTF-8"), (b"", "0 characters make no two rows of 4"), (b"abcdefgh", "8 characters")],
)
def test_a_file_that_is_no_text(tmp_path, content, reason):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        text.load_text(path, t=4)


def test_a_file_that_is_too_much(tmp_path, monkeypatch):
    path = tmp_path / "own.txt"
    path.write_text("".join(map(chr, range(0x4E00, 0x4E00 + 5000))), "utf-8")
    with pytest.raises(FormatError, match="5000 different ones, at most 4096"):
        text.load_text(path)
    monkeypatch.setattr(text, "LARGEST", 100)
    with pytest.raises(FormatError, match="size: more than 100 bytes: give a part of it"):
        text.load_text(path)


def test_many_characters_are_int32(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("".join(map(chr, range(0x4E00, 0x4E00 + 300))), "utf-8")
    data = text.load_text(path, t=10)
    assert data.train_x.dtype == np.int32 and data.test_x.max() == 289


@pytest.mark.parametrize("wrong", [{"t": 0}, {"rows": 0}, {"test": 0.0}, {"test": 1.0}])
def test_numbers_that_leave_nothing(wrong):
    with pytest.raises(ParameterError, match="t and rows must be at least 1"):
        text.load_text(**wrong)


def test_a_character_that_is_not_there():
    with pytest.raises(ParameterError, match="'c' is not one of the 2 characters"):
        text.encode("abc", ("a", "b"))


def test_samples_follow_the_probabilities():
    p = np.array([0.1, 0.0, 0.6, 0.3])
    drawn = text.sample(lambda numbers: p, [0], 1500, seed=5)
    assert (drawn == text.sample(lambda numbers: p, [0], 1500, seed=5)).all()
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 1500, p, atol=0.05)
    cold = np.bincount(text.sample(lambda numbers: p, [0], 1500, 0.5), minlength=4) / 1500
    np.testing.assert_allclose(cold, p**2 / (p**2).sum(), atol=0.05)
    assert set(text.sample(lambda numbers: p, [0], 20, temperature=0)) == {2}
    assert len(text.sample(lambda numbers: p, [0], 0)) == 0


def test_a_sample_reads_what_it_drew():
    """The next is always one more than the last."""
    found = text.sample(lambda numbers: np.eye(7)[(numbers[-1] + 1) % 7], [3, 4], 6)
    assert found.tolist() == [5, 6, 0, 1, 2, 3]


@pytest.mark.parametrize(("prefix", "temperature"), [([], 1.0), ([0], -1.0), ([0], math.nan)])
def test_samples_of_nothing(prefix, temperature):
    with pytest.raises(ParameterError, match="the prefix must not be empty nor the temperature under 0"):
        text.sample(lambda numbers: np.ones(2), prefix, 3, temperature)


def test_a_model_of_rows_reads_the_last_ones():
    seen = []

    def predict(row):
        seen.append(row[0].tolist())
        return np.arange(3)[:, None] * 10 + np.arange(4)

    following = text.rolling(predict, 3)
    assert following(np.array([5, 6])).tolist() == [10, 11, 12, 13]
    assert following(np.array([5, 6, 7, 8])).tolist() == [20, 21, 22, 23]
    assert seen == [[5, 6, 0], [6, 7, 8]]
