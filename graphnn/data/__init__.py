"""Data sets by name, and iterators that make batches of them."""

from .datasets import Dataset, load
from .iterators import DataBatch, DataDesc, DataIter, NDArrayIter
from .prefetch import PrefetchIter

__all__ = ["DataBatch", "DataDesc", "DataIter", "Dataset", "NDArrayIter", "PrefetchIter", "load"]
