"""Datasets, samplers, batches (MXNet's ``gluon.data``)."""

from symgluon.gluon.data import batchify, vision
from symgluon.gluon.data.dataloader import DataLoader
from symgluon.gluon.data.dataset import ArrayDataset, Dataset, RecordFileDataset, SimpleDataset
from symgluon.gluon.data.sampler import (
    BatchSampler,
    FilterSampler,
    IntervalSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

__all__ = [
    "ArrayDataset",
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "FilterSampler",
    "IntervalSampler",
    "RandomSampler",
    "RecordFileDataset",
    "Sampler",
    "SequentialSampler",
    "SimpleDataset",
    "batchify",
    "vision",
]
