"""What iterators give: a batch, the description of its arrays, and the base of iterators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class _Described(NamedTuple):
    name: str
    shape: tuple[int, ...]


class DataDesc(_Described):
    """Name, shape, dtype and layout of an array of batches; equal to ``(name, shape)``.

    Parameters
    ----------
    name : str
        Name of the variable that it is fed to.
    shape : tuple of int
        Shape of the batch.
    dtype : dtype
        Of the elements.
    layout : str
        A letter an axis; ``N`` is the batch.

    Notes
    -----
    Source: MXNet's ``mx.io.DataDesc``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.io.DataDesc("data", (32, 10))
    DataDesc[data,(32, 10),<class 'numpy.float32'>,NCHW]
    """

    dtype: Any
    layout: str

    def __new__(
        cls, name: str, shape: Sequence[int], dtype: Any = np.float32, layout: str = "NCHW"
    ) -> DataDesc:
        """Describe an array."""
        made = super().__new__(cls, name, tuple(shape))
        made.dtype = dtype
        made.layout = layout
        return made

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    def __reduce__(self) -> Any:
        return DataDesc, (self.name, self.shape, self.dtype, self.layout)

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """Return the axis of the batch.

        Parameters
        ----------
        layout : str or None
            A letter an axis.

        Returns
        -------
        int
            0 without a layout.
        """
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(
        shapes: Sequence[tuple[str, Sequence[int]]], types: Sequence[tuple[str, Any]] | None
    ) -> list[DataDesc]:
        """Return descriptions of pairs of names and shapes.

        Parameters
        ----------
        shapes : list of (str, tuple of int)
            Names and shapes.
        types : list of (str, dtype), optional
            Names and dtypes.

        Returns
        -------
        list of DataDesc
            One for each of `shapes`.
        """
        kinds = dict(types or ())
        return [DataDesc(n, s, kinds[n]) if types else DataDesc(n, s) for n, s in shapes]


class DataBatch:
    """Arrays of one step of training.

    Parameters
    ----------
    data : list of array
        Inputs.
    label : list of array, optional
        Labels.
    pad : int, optional
        How many rows at the end only fill the batch up.
    index : array, optional
        Numbers of the rows.
    bucket_key : object, optional
        Which symbol of a `BucketingModule` runs it.
    provide_data, provide_label : list of DataDesc, optional
        Descriptions of the arrays.

    Raises
    ------
    TypeError
        If data or label is no list.

    Notes
    -----
    Source: MXNet's ``mx.io.DataBatch``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.io.DataBatch([mx.nd.ones((2, 3))], [mx.nd.ones((2,))])
    DataBatch: data shapes: [(2, 3)] label shapes: [(2,)]
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        pad: int | None = None,
        index: Any = None,
        bucket_key: Any = None,
        provide_data: Any = None,
        provide_label: Any = None,
    ) -> None:
        for name, value in (("data", data), ("label", label)):
            if value is not None and not isinstance(value, list | tuple):
                raise TypeError(f"{name} must be a list of arrays, not {type(value).__name__}")
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __repr__(self) -> str:
        data = [x.shape for x in self.data]
        label = None if not self.label else [x.shape for x in self.label]
        return f"{type(self).__name__}: data shapes: {data} label shapes: {label}"

    __str__ = __repr__


class DataIter:
    """Base class of iterators over batches.

    Subclasses define `iter_next`, `getdata` and `getlabel`, or `next`; and ``provide_data`` and
    ``provide_label``, lists of `DataDesc`.

    Parameters
    ----------
    batch_size : int
        Rows of a batch.

    Notes
    -----
    Source: MXNet's ``mx.io.DataIter``.
    """

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Go back to the first batch."""

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
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    def iter_next(self) -> bool:
        """Go to the next batch.

        Returns
        -------
        bool
            Whether there is one.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define iter_next, or next")

    def getdata(self) -> Any:
        """Return the inputs of the present batch.

        Returns
        -------
        list of array
            The inputs.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define getdata, or next")

    def getlabel(self) -> Any:
        """Return the labels of the present batch.

        Returns
        -------
        list of array
            The labels.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define getlabel, or next")

    def getindex(self) -> Any:
        """Return the numbers of the rows of the present batch.

        Returns
        -------
        array or None
            None where they are not known.
        """
        return None

    def getpad(self) -> Any:
        """Return how many rows at the end of the present batch only fill it up.

        Returns
        -------
        int or None
            The number.
        """
        return None
