"""Functions that make a batch of a list of samples (MXNet's ``gluon.data.batchify``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

__all__ = ["Append", "AsList", "Group", "Pad", "Stack", "default_batchify_fn"]


class _UseError(AttributeValueError, AssertionError):
    """Samples or functions that do not fit: an AssertionError in MXNet."""


def to_numpy(x: Any) -> np.ndarray:
    """NumPy content of `x`, an array or whatever NumPy takes for one."""
    return x.numpy_content("making a batch") if isinstance(x, Array) else np.asarray(x)


def to_array(content: np.ndarray) -> Any:
    """Array with the numbers `content`, of the class that Gluon gives now."""
    if state.np_array:
        from symgluon.numpy import ndarray

        return wrap(content, ndarray)
    from symgluon.ndarray import NDArray

    return wrap(content, NDArray)


def _numeric(content: np.ndarray) -> np.ndarray:
    if content.dtype.kind not in "biuf":
        raise TypeError(
            f"samples of type {content.dtype} are no numbers; batch them with batchify.AsList()"
        )
    return content


def default_batchify_fn(data: Sequence[Any]) -> Any:
    """Stack arrays and numbers; samples that are tuples give a list, one batch a part.

    Parameters
    ----------
    data : sequence of sample
        Arrays or numbers of one shape, or tuples of those.

    Returns
    -------
    array (N, ...), or list of array
        The batch.

    Raises
    ------
    TypeError
        For samples that are no numbers.
    """
    if isinstance(data[0], tuple):
        return [default_batchify_fn(part) for part in zip(*data, strict=True)]
    return to_array(_numeric(np.stack([to_numpy(d) for d in data])))


class Stack:
    """Stack samples of one shape; samples that are tuples or lists give a list of stacks.

    Parameters
    ----------
    use_shared_mem : bool
        Accepted, without effect: workers are threads.

    Notes
    -----
    Source: MXNet's ``gluon.data.batchify.Stack``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.batchify.Stack()([[1, 2], [3, 4]])[0].asnumpy()
    array([1, 3])
    """

    def __init__(self, use_shared_mem: bool = False) -> None:
        self._use_shared_mem = use_shared_mem

    def __call__(self, data: Sequence[Any]) -> Any:
        """Batch of the samples."""
        if isinstance(data[0], tuple | list):
            return [self(part) for part in zip(*data, strict=True)]
        return to_array(_numeric(np.stack([to_numpy(d) for d in data])))


class Pad:
    """Fill samples up to the size of the largest along each axis, and stack them.

    Parameters
    ----------
    val : float, optional
        What is filled in; 0 if left out.
    dtype : dtype, optional
        Of the batch; that of the first sample if left out.
    round_to : int, optional
        Sizes are rounded up to a multiple of it.
    use_shared_mem : bool
        Accepted, without effect: workers are threads.

    Raises
    ------
    AssertionError
        If `val` is no number; in a call, if samples differ in the number of their axes.

    Notes
    -----
    Source: MXNet's ``gluon.data.batchify.Pad``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.batchify.Pad(val=-1)([[1.0], [2.0, 3.0]]).asnumpy()
    array([[ 1., -1.],
           [ 2.,  3.]])
    """

    def __init__(
        self,
        val: float | None = None,
        dtype: Any = None,
        round_to: int | None = None,
        use_shared_mem: bool = False,
    ) -> None:
        self._pad_val = 0 if val is None else val
        if not isinstance(self._pad_val, int | float):
            raise _UseError(f"pad_val must be a real number, received {type(val)}")
        self._dtype, self._round_to = dtype, round_to

    def __call__(self, data: Sequence[Any]) -> Any:
        """Batch of the samples."""
        arrays = [_numeric(to_numpy(d)) for d in data]
        dtype = arrays[0].dtype if self._dtype is None else np.dtype(self._dtype)
        ranks = {a.ndim for a in arrays}
        if len(ranks) > 1:
            raise _UseError(f"samples differ in the number of their axes: {sorted(ranks)}")
        sizes = [max(a.shape[i] for a in arrays) for i in range(arrays[0].ndim)]
        if self._round_to is not None:
            sizes = [math.ceil(n / self._round_to) * self._round_to for n in sizes]
        batch = np.full((len(arrays), *sizes), self._pad_val, dtype)
        for row, array in zip(batch, arrays, strict=True):
            row[tuple(slice(n) for n in array.shape)] = array
        return to_array(batch)


class Append:
    """Make an array of each sample; they may differ in shape.

    Parameters
    ----------
    expand : bool
        Give each an axis of size 1 for the batch.
    batch_axis : int
        Where.
    use_shared_mem : bool
        Accepted, without effect: workers are threads.

    Notes
    -----
    Source: MXNet's ``gluon.data.batchify.Append``.

    Examples
    --------
    >>> import symgluon as mx
    >>> [x.shape for x in mx.gluon.data.batchify.Append()([[1.0], [2.0, 3.0]])]
    [(1, 1), (1, 2)]
    """

    def __init__(
        self, expand: bool = True, batch_axis: int = 0, use_shared_mem: bool = False
    ) -> None:
        self._expand, self._batch_axis = expand, batch_axis

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        """Arrays of the samples."""
        arrays = [_numeric(to_numpy(d)) for d in data]
        if self._expand:
            arrays = [np.expand_dims(a, self._batch_axis) for a in arrays]
        return [to_array(np.array(a)) for a in arrays]


class AsList:
    """The samples as they are, as a list.

    Notes
    -----
    Source: MXNet's ``gluon.data.batchify.AsList``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.data.batchify.AsList()(("a", "b"))
    ['a', 'b']
    """

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        """List of the samples."""
        return list(data)


class Group:
    """One function a part of the samples, which are tuples or lists.

    Parameters
    ----------
    fn : callable or list of callable
        The function of the first part, or those of all parts.
    *args : callable
        Those of the other parts.

    Raises
    ------
    AssertionError
        For something that is no function; in a call, if samples have another number of parts.

    Notes
    -----
    Source: MXNet's ``gluon.data.batchify.Group``.

    Examples
    --------
    >>> import symgluon as mx
    >>> batchify = mx.gluon.data.batchify
    >>> data, names = batchify.Group(batchify.Stack(), batchify.AsList())([(1.0, "a"), (2.0, "b")])
    >>> data.asnumpy(), names
    (array([1., 2.]), ['a', 'b'])
    """

    def __init__(self, fn: Any, *args: Callable[..., Any]) -> None:
        if isinstance(fn, list | tuple):
            if args:
                raise _UseError("Input pattern not understood: a list of functions and more")
            self._fn = list(fn)
        else:
            self._fn = [fn, *args]
        for i, each in enumerate(self._fn):
            if not callable(each):
                raise _UseError(
                    f"Batchify functions must be callable! type(fn[{i}]) = {type(each)}"
                )

    def __call__(self, data: Sequence[Any]) -> tuple[Any, ...]:
        """One batch a part."""
        if len(data[0]) != len(self._fn):
            raise _UseError(
                "The number of attributes in each data sample should contains "
                f"{len(self._fn)} elements, received {len(data[0])}"
            )
        return tuple(fn([sample[i] for sample in data]) for i, fn in enumerate(self._fn))
