"""Data sets by name."""

from .datasets import Dataset, load

__all__ = ["Dataset", "load"]
