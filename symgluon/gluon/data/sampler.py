"""Samplers: which samples, in which order (MXNet's ``gluon.data``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.ops.generator import generator

__all__ = [
    "BatchSampler",
    "FilterSampler",
    "IntervalSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
]


class _IntervalError(AttributeValueError, AssertionError):
    """An interval that is longer than the data: an AssertionError in MXNet."""


class Sampler:
    """Base class: subclasses define ``__iter__`` over numbers and ``__len__``.

    Raises
    ------
    NotImplementedError
        When used, if the subclass does not define them.

    Notes
    -----
    Source: MXNet's ``gluon.data.Sampler``.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler):
    """Numbers one after the other.

    Parameters
    ----------
    length : int
        How many.
    start : int
        The first.

    Notes
    -----
    Source: MXNet's ``gluon.data.SequentialSampler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> list(mx.gluon.data.SequentialSampler(3, start=2))
    [2, 3, 4]
    """

    def __init__(self, length: int, start: int = 0) -> None:
        self._length, self._start = length, start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._start + self._length))

    def __len__(self) -> int:
        return self._length


class RandomSampler(Sampler):
    """0 ... `length` - 1 in an order that `mx.random.seed` decides, another one each time.

    Notes
    -----
    Source: MXNet's ``gluon.data.RandomSampler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> sorted(mx.gluon.data.RandomSampler(3))
    [0, 1, 2]
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def __iter__(self) -> Iterator[int]:
        return iter(generator().permutation(self._length).tolist())

    def __len__(self) -> int:
        return self._length


class FilterSampler(Sampler):
    """Numbers of the samples for which a function is true.

    Parameters
    ----------
    fn : callable
        Gets a sample.
    dataset : Dataset
        The samples.

    Notes
    -----
    Source: MXNet's ``gluon.data.FilterSampler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> list(mx.gluon.data.FilterSampler(lambda x: x > 1, [3, 1, 2]))
    [0, 2]
    """

    def __init__(self, fn: Callable[[Any], Any], dataset: Any) -> None:
        self._fn, self._dataset = fn, dataset
        self._indices = [i for i, sample in enumerate(dataset) if fn(sample)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)


class IntervalSampler(Sampler):
    """Every so-many-th number.

    Parameters
    ----------
    length : int
        Number of samples.
    interval : int
        Distance of the numbers.
    rollover : bool
        Go on with those after each of them, until all were there.

    Raises
    ------
    AssertionError
        If `interval` is larger than `length`.

    Notes
    -----
    Source: MXNet's ``gluon.data.IntervalSampler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> list(mx.gluon.data.IntervalSampler(5, 2))
    [0, 2, 4, 1, 3]
    >>> list(mx.gluon.data.IntervalSampler(5, 2, rollover=False))
    [0, 2, 4]
    """

    def __init__(self, length: int, interval: int, rollover: bool = True) -> None:
        if interval > length:
            raise _IntervalError(
                f"Interval {interval} must be smaller than or equal to length {length}"
            )
        self._length, self._interval, self._rollover = length, interval, rollover

    def _starts(self) -> range:
        return range(self._interval if self._rollover else 1)

    def __iter__(self) -> Iterator[int]:
        for start in self._starts():
            yield from range(start, self._length, self._interval)

    def __len__(self) -> int:
        return sum(len(range(s, self._length, self._interval)) for s in self._starts())


class BatchSampler(Sampler):
    """Lists of numbers.

    Parameters
    ----------
    sampler : Sampler
        Gives the numbers.
    batch_size : int
        Numbers in a list.
    last_batch : str
        What to do with the last ones if they are too few: ``keep`` them, ``discard`` them, or let
        them ``rollover`` to the next time.

    Raises
    ------
    ValueError
        For another `last_batch`.

    Notes
    -----
    Source: MXNet's ``gluon.data.BatchSampler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> list(mx.gluon.data.BatchSampler(range(5), 2))
    [[0, 1], [2, 3], [4]]
    >>> list(mx.gluon.data.BatchSampler(range(5), 2, last_batch="discard"))
    [[0, 1], [2, 3]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, last_batch: str = "keep") -> None:
        if last_batch not in ("keep", "discard", "rollover"):
            raise ValueError(
                f"last_batch must be one of 'keep', 'discard', or 'rollover', but got {last_batch}"
            )
        self._sampler: Any = sampler
        self._batch_size, self._last_batch = batch_size, last_batch
        self._left: list[Any] = []

    def __iter__(self) -> Iterator[list[Any]]:
        batch, self._left = self._left, []
        for i in self._sampler:
            batch.append(i)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if not batch:
            return
        if self._last_batch == "keep":
            yield batch
        elif self._last_batch == "rollover":
            self._left = batch

    def __len__(self) -> int:
        count = len(self._sampler)
        if self._last_batch == "keep":
            return (count + self._batch_size - 1) // self._batch_size
        return (count + len(self._left)) // self._batch_size
