"""A page on which one draws for a trained network, and the server that shows it: what `graphnn-demo` runs."""

from __future__ import annotations

__all__: list[str] = []
