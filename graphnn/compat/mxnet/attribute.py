"""mx.attribute: attributes that a `with` block gives every symbol made in it."""

from __future__ import annotations

from ...naming import AttrScope

__all__ = ["AttrScope"]
