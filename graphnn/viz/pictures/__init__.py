"""Pictures of a run, by matplotlib (extra `plot`): curves, scores, mistakes, filters, activations, each one PNG."""

from __future__ import annotations

from .curves import save_curves, save_places, save_search
from .images import save_activations, save_filters, save_misread, save_mistakes
from .scores import save_classes, save_confusion, save_roc

__all__ = [
    "save_activations",
    "save_classes",
    "save_confusion",
    "save_curves",
    "save_filters",
    "save_misread",
    "save_mistakes",
    "save_places",
    "save_roc",
    "save_search",
]
