"""Datasets: samples by number (MXNet's ``gluon.data``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.gluon.data import sampler as samplers
from symgluon.gluon.data.record import IndexedRecords
from symgluon.ops.array import Array

__all__ = ["ArrayDataset", "Dataset", "RecordFileDataset", "SimpleDataset"]


class UseError(AttributeValueError, AssertionError):
    """An argument that does not fit: an AssertionError in MXNet."""


class Dataset:
    """Base class: subclasses define ``__getitem__`` and ``__len__``.

    Raises
    ------
    NotImplementedError
        When used, if the subclass does not define them.

    Notes
    -----
    Source: MXNet's ``gluon.data.Dataset``.

    Examples
    --------
    >>> import symgluon as mx
    >>> data = mx.gluon.data.SimpleDataset([3, 1, 2])
    >>> list(data.transform(lambda x: x * 10).filter(lambda x: x > 10))
    [30, 20]
    >>> list(data.shard(2, 0)), list(data.take(1))
    ([3, 1], [3])
    """

    def __getitem__(self, idx: Any) -> Any:
        """Sample number `idx`."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    def filter(self, fn: Callable[[Any], Any]) -> Dataset:
        """Dataset of the samples for which `fn` is true."""
        return _SampledDataset(self, samplers.FilterSampler(fn, self))

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Part of the dataset.

        Parameters
        ----------
        num_shards : int
            Number of parts, which differ in size by one at most.
        index : int
            Number of the part.

        Returns
        -------
        Dataset
            The part.

        Raises
        ------
        AssertionError
            If there is no such part.
        """
        if num_shards <= 0:
            raise UseError("Number of shards should be greater than 0", received=num_shards)
        if not 0 <= index < num_shards:
            raise UseError(f"Shard index of out bound: {index} out of {num_shards}")
        step, longer = divmod(len(self), num_shards)
        start = step * index + min(index, longer)
        length = step + (index < longer)
        return _SampledDataset(self, samplers.SequentialSampler(length, start))

    def take(self, count: int | None) -> Dataset:
        """Dataset of the first `count` samples (None: all)."""
        if count is None or count > len(self):
            count = len(self)
        return _SampledDataset(self, samplers.SequentialSampler(count))

    def sample(self, sampler: Any) -> Dataset:
        """Dataset of the samples that a sampler chooses, in its order.

        Raises
        ------
        TypeError
            If `sampler` is none.
        """
        if not isinstance(sampler, samplers.Sampler):
            raise TypeError(
                f"Invalid sampler type: {type(sampler)}. Expected gluon.data.Sampler instead."
            )
        return _SampledDataset(self, sampler)

    def transform(self, fn: Callable[..., Any], lazy: bool = True) -> Dataset:
        """Dataset of ``fn(*sample)``.

        Parameters
        ----------
        fn : callable
            Gets the parts of a sample.
        lazy : bool
            Call `fn` anew each time a sample is asked for; otherwise once, now.

        Returns
        -------
        Dataset
            As long as this one.
        """
        changed = _TransformedDataset(self, fn)
        return changed if lazy else SimpleDataset(list(changed))

    def transform_first(self, fn: Callable[[Any], Any], lazy: bool = True) -> Dataset:
        """Dataset in which the first part of each sample is changed.

        Parameters
        ----------
        fn : callable
            Gets the first part.
        lazy : bool
            Call `fn` anew each time a sample is asked for; otherwise once, now.

        Returns
        -------
        Dataset
            As long as this one.
        """
        return self.transform(_First(fn), lazy)


class SimpleDataset(Dataset):
    """Dataset of what a list (or the like) holds.

    Parameters
    ----------
    data : sequence
        The samples.

    Notes
    -----
    Source: MXNet's ``gluon.data.SimpleDataset``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.SimpleDataset(["a", "b"])[1]
    'b'
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def __getitem__(self, idx: Any) -> Any:
        """Sample number `idx`."""
        return self._data[idx]

    def __len__(self) -> int:
        return len(self._data)


class _TransformedDataset(Dataset):
    def __init__(self, data: Dataset, fn: Callable[..., Any]) -> None:
        self._data, self._fn = data, fn

    def __getitem__(self, idx: Any) -> Any:
        sample = self._data[idx]
        return self._fn(*sample) if isinstance(sample, tuple) else self._fn(sample)

    def __len__(self) -> int:
        return len(self._data)


class _SampledDataset(Dataset):
    def __init__(self, data: Dataset, sampler: Any) -> None:
        self._data, self._indices = data, list(sampler)

    def __getitem__(self, idx: Any) -> Any:
        return self._data[self._indices[idx]]

    def __len__(self) -> int:
        return len(self._indices)


class _First:
    """Changes the first of several values (a class, so that it can be pickled)."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn

    def __call__(self, first: Any, *rest: Any) -> Any:
        return (self._fn(first), *rest) if rest else self._fn(first)


class ArrayDataset(Dataset):
    """Samples of several arrays (or lists) of one length.

    Parameters
    ----------
    *args : array or sequence
        The parts of the samples.

    Raises
    ------
    AssertionError
        If the lengths differ, or there is no array.

    Notes
    -----
    Source: MXNet's ``gluon.data.ArrayDataset``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.ArrayDataset([1, 2], ["a", "b"])[1]
    (2, 'b')
    """

    def __init__(self, *args: Any) -> None:
        if not args:
            raise UseError("Needs at least 1 arrays")
        self._length = len(args[0])
        self._data = []
        for i, data in enumerate(args):
            if len(data) != self._length:
                raise UseError(
                    "All arrays must have the same length; array[0] has length "
                    f"{self._length} while array[{i + 1}] has {len(data)}."
                )
            single = isinstance(data, Array) and len(data.shape) == 1
            self._data.append(data.asnumpy() if single else data)  # type: ignore[union-attr]

    def __getitem__(self, idx: Any) -> Any:
        """Sample number `idx`: a tuple, or the value itself where there is one array."""
        if len(self._data) == 1:
            return self._data[0][idx]
        return tuple([data[idx] for data in self._data])

    def __len__(self) -> int:
        return self._length


class RecordFileDataset(Dataset):
    """Records of a ``.rec`` file, as bytes; the ``.idx`` file beside it tells where they are.

    Parameters
    ----------
    filename : str
        The ``.rec`` file.

    Raises
    ------
    FormatError
        If the index is damaged; when a record is read, if there is none.

    Notes
    -----
    Source: MXNet's ``gluon.data.RecordFileDataset``.
    """

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.idx_file = os.path.splitext(filename)[0] + ".idx"
        self._record = IndexedRecords(self.idx_file, filename)

    def __getitem__(self, idx: int) -> Any:
        """Bytes of record number `idx`."""
        return self._record.read(self._record.keys[idx])

    def __len__(self) -> int:
        return len(self._record.keys)
