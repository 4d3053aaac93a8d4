"""Data sets by name or of one's own, and iterators that make batches of them."""

from .datasets import Dataset, load
from .iterators import DataBatch, DataDesc, DataIter, NDArrayIter
from .own import load_own
from .prefetch import PrefetchIter

__all__ = ["DataBatch", "DataDesc", "DataIter", "Dataset", "NDArrayIter", "PrefetchIter", "load", "load_own"]
