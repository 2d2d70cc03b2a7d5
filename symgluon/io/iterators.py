"""Iterators over arrays in memory, and iterators over iterators."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.io.batch import DataBatch, DataDesc, DataIter
from symgluon.ndarray.functions import constant
from symgluon.ops.array import Array


def named_arrays(data: Any, allow_empty: bool, default_name: str) -> list[tuple[str, np.ndarray]]:
    """Return what a user gave as arrays with names.

    Parameters
    ----------
    data : array, list of array, dict of str to array, or None
        The arrays.
    allow_empty : bool
        Whether there may be none.
    default_name : str
        Name of a single array; several get a number before it.

    Returns
    -------
    list of (str, numpy.ndarray)
        Dictionaries are sorted by name.

    Raises
    ------
    TypeError
        For anything else.
    AttributeValueError
        If there is none.
    """
    if data is None:
        data = []
    if isinstance(data, Array | np.ndarray):
        data = [data]
    if isinstance(data, Mapping):
        pairs = sorted(data.items())
    elif isinstance(data, list | tuple):
        single = len(data) == 1
        pairs = [
            (default_name if single else f"_{i}_{default_name}", x) for i, x in enumerate(data)
        ]
    else:
        raise TypeError(
            "Input must be NDArray, numpy.ndarray, a list of them or dict with them as values; "
            f"received {type(data).__name__}"
        )
    if not pairs and not allow_empty:
        raise AttributeValueError("there are no arrays to iterate over")
    found = []
    for name, value in pairs:
        if isinstance(value, Array):
            value = value.numpy_content()
        elif not isinstance(value, np.ndarray):
            try:
                value = np.asarray(value)
            except (TypeError, ValueError):
                raise TypeError(f"Invalid type {type(value).__name__} of {name}") from None
        found.append((name, value.astype(np.float32) if value.dtype == np.float64 else value))
    return found


class NDArrayIter(DataIter):
    """Batches of rows of arrays in memory.

    Parameters
    ----------
    data : array, list of array, or dict of str to array
        Inputs; float64 is taken as float32.
    label : array, list of array, or dict of str to array, optional
        Labels.
    batch_size : int
        Rows of a batch.
    shuffle : bool
        Take the rows in another order after each reset (by NumPy's global generator, as MXNet).
    last_batch_handle : str
        What happens to rows that fill no batch: ``pad`` it from the beginning, ``discard`` them, or
        let them ``roll_over`` to the next epoch.
    data_name, label_name : str
        Names of single arrays.
    layout : str
        Of the data, for `DataDesc`.

    Raises
    ------
    TypeError
        For other things than arrays.
    ValueError
        For arrays of different lengths, and another `last_batch_handle`.

    Notes
    -----
    Source: MXNet's ``mx.io.NDArrayIter``.

    Examples
    --------
    >>> import symgluon as mx
    >>> batches = mx.io.NDArrayIter(mx.nd.arange(5), batch_size=2)
    >>> [(b.data[0].asnumpy().tolist(), b.pad) for b in batches]
    [([0.0, 1.0], 0), ([2.0, 3.0], 0), ([4.0, 0.0], 1)]
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        layout: str = "NCHW",
    ) -> None:
        super().__init__(batch_size)
        if last_batch_handle not in ("pad", "discard", "roll_over"):
            raise AttributeValueError(
                "last_batch_handle", expected="pad, discard or roll_over",
                received=last_batch_handle,
            )  # fmt: skip
        self.data = named_arrays(data, False, data_name)
        self.label = named_arrays(label, True, label_name)
        self.num_data = len(self.data[0][1])
        wrong = [n for n, x in (*self.data, *self.label) if len(x) != self.num_data]
        if wrong:
            raise ShapeError(
                f"all arrays have as many rows as {self.data[0][0]}, {self.num_data}; "
                f"{', '.join(wrong)} has others"
            )
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.layout = layout
        self.idx = np.arange(self.num_data)
        self.cursor = -batch_size
        self._left = self.idx[:0]  # rows of the epoch before
        if shuffle:
            np.random.shuffle(self.idx)  # noqa: NPY002

    def _describe(self, arrays: Sequence[tuple[str, np.ndarray]]) -> list[DataDesc]:
        return [
            DataDesc(n, (self.batch_size, *x.shape[1:]), x.dtype.type, self.layout)
            for n, x in arrays
        ]

    @property
    def provide_data(self) -> list[DataDesc]:
        """Descriptions of the inputs."""
        return self._describe(self.data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Descriptions of the labels."""
        return self._describe(self.label)

    def hard_reset(self) -> None:
        """Go back to the first row, whatever rolled over."""
        if self.shuffle:
            np.random.shuffle(self.idx)  # noqa: NPY002
        self._left = self.idx[:0]
        self.cursor = -self.batch_size

    def reset(self) -> None:
        """Go back to the first batch; rows that roll over come first."""
        left = self.idx[:0]
        if self.last_batch_handle == "roll_over" and 0 <= self.cursor < self.num_data:
            left = self.idx[self.cursor :].copy()
        if self.shuffle:
            np.random.shuffle(self.idx)  # noqa: NPY002
        self._left = left
        self.cursor = -self.batch_size - len(left)

    def iter_next(self) -> bool:
        """Go to the next batch.

        Returns
        -------
        bool
            Whether there is one.
        """
        self.cursor += self.batch_size
        if self.last_batch_handle == "pad":
            return self.cursor < self.num_data
        return self.cursor + self.batch_size <= self.num_data

    def next(self) -> DataBatch:
        """Return the next batch.

        Returns
        -------
        DataBatch
            The batch.

        Raises
        ------
        StopIteration
            After the last one.
        """
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), None)

    def _rows(self) -> np.ndarray:
        start = self.cursor
        stop = start + self.batch_size
        if start < 0:
            return np.concatenate([self._left, self.idx[:stop]])
        rows = self.idx[start:stop]
        while len(rows) < self.batch_size:  # a batch may be longer than the data
            rows = np.concatenate([rows, self.idx[: self.batch_size - len(rows)]])
        return rows

    def _taken(self, arrays: Sequence[tuple[str, np.ndarray]]) -> list[Any]:
        rows = self._rows()
        return [constant(x[rows]) for _, x in arrays]

    def getdata(self) -> list[Any]:
        """Return the inputs of the present batch.

        Returns
        -------
        list of array
            The inputs.
        """
        return self._taken(self.data)

    def getlabel(self) -> list[Any]:
        """Return the labels of the present batch.

        Returns
        -------
        list of array
            The labels.
        """
        return self._taken(self.label)

    def getpad(self) -> int:
        """Return how many rows only fill the present batch up.

        Returns
        -------
        int
            Their number; for rows that rolled over, how many did.
        """
        if self.last_batch_handle == "pad":
            return max(0, self.cursor + self.batch_size - self.num_data)
        return -self.cursor if self.last_batch_handle == "roll_over" and self.cursor < 0 else 0


class ResizeIter(DataIter):
    """Gives a number of batches of another iterator, which starts anew where it ends.

    Parameters
    ----------
    data_iter : DataIter
        The other one.
    size : int
        Number of batches of an epoch.
    reset_internal : bool
        Let the other one start anew at a reset.

    Notes
    -----
    Source: MXNet's ``mx.io.ResizeIter``.
    """

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.current_batch: DataBatch | None = None
        for name in ("provide_data", "provide_label", "default_bucket_key"):
            if hasattr(data_iter, name):
                setattr(self, name, getattr(data_iter, name))

    def reset(self) -> None:
        """Begin a new epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Go to the next batch.

        Returns
        -------
        bool
            Whether there is one.
        """
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True

    def next(self) -> DataBatch:
        """Return the next batch.

        Returns
        -------
        DataBatch
            The batch.

        Raises
        ------
        StopIteration
            After the last one.
        """
        if not self.iter_next() or self.current_batch is None:
            raise StopIteration
        return self.current_batch

    def _of(self, name: str) -> Any:
        return getattr(self.current_batch, name)

    def getdata(self) -> Any:
        """Return the inputs of the present batch.

        Returns
        -------
        list of array
            The inputs.
        """
        return self._of("data")

    def getlabel(self) -> Any:
        """Return the labels of the present batch.

        Returns
        -------
        list of array
            The labels.
        """
        return self._of("label")

    def getindex(self) -> Any:
        """Return the numbers of the rows of the present batch.

        Returns
        -------
        array or None
            None where they are not known.
        """
        return self._of("index")

    def getpad(self) -> Any:
        """Return how many rows only fill the present batch up.

        Returns
        -------
        int or None
            Their number.
        """
        return self._of("pad")


class PrefetchingIter(DataIter):
    """Reads the next batch of one or several iterators in threads; batches are joined.

    Parameters
    ----------
    iters : DataIter or list of DataIter
        What is read.
    rename_data, rename_label : list of dict of str to str, optional
        New names of the arrays of each iterator.

    Raises
    ------
    AttributeValueError
        If there is no iterator; at a batch, if one ends before another.

    Notes
    -----
    Source: MXNet's ``mx.io.PrefetchingIter``.
    """

    def __init__(
        self,
        iters: DataIter | Sequence[DataIter],
        rename_data: Sequence[Mapping[str, str]] | None = None,
        rename_label: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        self.iters: list[Any] = list(iters) if isinstance(iters, list | tuple) else [iters]
        if not self.iters:
            raise AttributeValueError("PrefetchingIter: there is no iterator to read from")
        self.n_iter = len(self.iters)
        self.rename_data = rename_data
        self.rename_label = rename_label
        super().__init__(self.provide_data[0][1][0])
        self._threads: list[threading.Thread] = []
        self._found: list[Any] = []
        self.current_batch: DataBatch | None = None
        self._start()

    def _described(self, name: str, renamed: Sequence[Mapping[str, str]] | None) -> list[DataDesc]:
        found = []
        for i, it in enumerate(self.iters):
            names = renamed[i] if renamed is not None else {}
            for desc in getattr(it, name):
                known = desc if isinstance(desc, DataDesc) else DataDesc(*desc)
                found.append(
                    DataDesc(names.get(known.name, known.name), known.shape, known.dtype,
                             known.layout)
                )  # fmt: skip
        return found

    @property
    def provide_data(self) -> list[DataDesc]:
        """Descriptions of the inputs."""
        return self._described("provide_data", self.rename_data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Descriptions of the labels."""
        return self._described("provide_label", self.rename_label)

    def _start(self) -> None:
        self._found = [None] * self.n_iter

        def read(i: int) -> None:
            try:
                self._found[i] = self.iters[i].next()
            except Exception as error:  # raised again where the batch is asked for
                self._found[i] = error

        self._threads = [
            threading.Thread(target=read, args=(i,), daemon=True) for i in range(self.n_iter)
        ]
        for thread in self._threads:
            thread.start()

    def _wait(self) -> list[Any]:
        for thread in self._threads:
            thread.join()
        return self._found

    def reset(self) -> None:
        """Go back to the first batch."""
        self._wait()
        for it in self.iters:
            it.reset()
        self._start()

    def iter_next(self) -> bool:
        """Go to the next batch.

        Returns
        -------
        bool
            Whether there is one.

        Raises
        ------
        AttributeValueError
            If one iterator ends before another.
        """
        found = self._wait()
        ended = [isinstance(b, StopIteration) for b in found]
        if any(ended):
            if not all(ended):
                raise AttributeValueError("PrefetchingIter: one iterator ends before another")
            return False
        for batch in found:
            if isinstance(batch, Exception):
                raise batch
        self.current_batch = DataBatch(
            [x for b in found for x in b.data],
            [x for b in found for x in b.label or ()],
            found[0].pad,
            found[0].index,
            provide_data=self.provide_data,
            provide_label=self.provide_label,
        )
        self._start()
        return True

    def next(self) -> DataBatch:
        """Return the next batch.

        Returns
        -------
        DataBatch
            The batch.

        Raises
        ------
        StopIteration
            After the last one.
        """
        if not self.iter_next() or self.current_batch is None:
            raise StopIteration
        return self.current_batch

    def getdata(self) -> Any:
        """Return the inputs of the present batch.

        Returns
        -------
        list of array
            The inputs.
        """
        return None if self.current_batch is None else self.current_batch.data

    def getlabel(self) -> Any:
        """Return the labels of the present batch.

        Returns
        -------
        list of array
            The labels.
        """
        return None if self.current_batch is None else self.current_batch.label

    def getpad(self) -> Any:
        """Return how many rows only fill the present batch up.

        Returns
        -------
        int or None
            Their number.
        """
        return None if self.current_batch is None else self.current_batch.pad
