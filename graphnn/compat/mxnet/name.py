"""mx.name: how nodes without a name get theirs."""

from __future__ import annotations

from ...naming import NameManager, Prefix

__all__ = ["NameManager", "Prefix"]
