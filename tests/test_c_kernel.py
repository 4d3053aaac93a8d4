"""C templates: places, indentation, what is missing or too much."""

from __future__ import annotations

import pytest

from graphnn.backends.c.kernel import choice, fill, literal, share, split


def test_places_take_values_and_indentation():
    inner = "a += 1;\nb += 2;\n"
    text = fill(
        """
        for (long i = 0; i < ${n}L; i++) {
          $inner
          $nothing
          c[$n] = {0};
        }
        """,
        n=3,
        inner=inner,
        nothing="",
    )
    assert text == "for (long i = 0; i < 3L; i++) {\n  a += 1;\n  b += 2;\n  c[3] = {0};\n}\n"


@pytest.mark.parametrize("values", [{}, {"a": 1, "b": 2}])
def test_missing_and_unused_names_are_errors(values):
    with pytest.raises(TypeError, match="a" if not values else "b"):
        fill("x = $a;\n", **values)


def test_choice_is_one_chain():
    assert choice([("x < 1", "f();\n"), ("x < 2", "g();\n")]).count("else") == 1


LITERALS = {1.0: "1.0f", -0.5: "(-0.5f)", 1e-8: "1e-08f", float("inf"): "INFINITY", 1e60: "INFINITY"}


@pytest.mark.parametrize(("value", "text"), [*LITERALS.items(), (float("nan"), "NAN")])
def test_literals(value, text):
    assert literal(value) == text


def test_split_is_even_and_shares_cover_all():
    assert split(128, 14) == [13] * 8 + [12] * 2 and sum(split(7, 3)) == 7
    assert "7L * t / T" in share(7)
