"""Key-value stores (MXNet's ``mx.kvstore``): sums over devices, and over MPI ranks.

Logical devices share one memory, so ``local`` and ``device`` are the same store: pushed lists are
summed, pulled values shared.  ``dist_sync`` sums over the ranks of :mod:`symgluon.distributed` too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgluon import distributed
from symgluon.errors import AttributeValueError
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap

__all__ = ["DistributedStore", "KVStore", "KVStoreBase", "create"]

_LOCAL = ("local", "device", "nccl", "local_allreduce_cpu", "local_allreduce_device", "teststore")
_DISTRIBUTED = ("dist_sync", "dist_device_sync", "dist_sync_device", "dist", "horovod")


class KVStoreBase:
    """Base class of stores.

    Notes
    -----
    Source: MXNet's ``mx.kvstore.KVStoreBase``.
    """

    OPTIMIZER = "optimizer"

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Give a value to every array of a list.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        value : array, or list of array
            An array a key, or a list of arrays, one a device; lists of those for several keys.
        out : array, or list of array
            As `value`; written.
        priority : int
            Accepted, without effect: calls are done when they return.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define broadcast")

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Sum arrays and give the sum to every array of a list.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        value : array, or list of array
            An array a key, or a list of arrays, one a device; lists of those for several keys.
        out : array, or list of array
            As `value`; written.
        priority : int
            Accepted, without effect: calls are done when they return.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define pushpull")

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store has the `capability`: only ``optimizer`` is known."""
        return capability.lower() == KVStoreBase.OPTIMIZER


class KVStore(KVStoreBase):
    """Store of arrays by key; see :func:`create`.

    Parameters
    ----------
    type : str
        Name it is created by.

    Notes
    -----
    Source: MXNet's ``mx.kvstore.KVStore``.

    Examples
    --------
    >>> import symgluon as mx
    >>> store = mx.kvstore.create("local")
    >>> store.init("w", mx.np.zeros(2))
    >>> store.push("w", [mx.np.ones(2), mx.np.ones(2)])
    >>> out = mx.np.zeros(2)
    >>> store.pull("w", out)
    >>> out
    array([2., 2.])
    """

    def __init__(self, type: str = "local") -> None:
        self._type = type
        self._values: dict[Any, Array] = {}
        self._updater: Callable[[Any, Any, Any], None] | None = None

    # ---- facts ---------------------------------------------------------------------------------
    @property
    def type(self) -> str:
        """Name the store was created by."""
        return self._type

    @property
    def rank(self) -> int:
        """Number of this process: 0."""
        return 0

    @property
    def num_workers(self) -> int:
        """Number of processes: 1."""
        return 1

    # ---- values --------------------------------------------------------------------------------
    def init(self, key: Any, value: Any) -> None:
        """Set the first values of keys.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        value : array, or list of array
            An array a key, or a list of arrays, one a device; lists of those for several keys.

        Raises
        ------
        AttributeValueError
            If a key is initialised already.
        """
        for k, v in _pairs(key, value):
            if k in self._values:
                raise AttributeValueError(f"kvstore: key {k!r} is initialized already")
            self._values[k] = self._initial(_first(v))

    def _initial(self, value: Array) -> Array:
        return _copy(value)

    def _total(self, value: Any) -> Array:
        return _sum(value)

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Sum the arrays of each key; the updater, if set, changes the stored value by the sum.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        value : array, or list of array
            An array a key, or a list of arrays, one a device; lists of those for several keys.
        priority : int
            Accepted, without effect: calls are done when they return.

        Raises
        ------
        AttributeValueError
            If a key is not initialised.
        """
        for k, v in _pairs(key, value):
            total = self._total(v)
            if self._updater is not None:
                self._updater(k, total, self._stored(k))
            else:
                self._stored(k)._assign(total)

    def pull(
        self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True
    ) -> None:
        """Copy the stored values into arrays.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        out : array, or list of array
            As `value`; written.
        priority : int
            Accepted, without effect: calls are done when they return.
        ignore_sparse : bool
            Accepted, without effect.

        Raises
        ------
        AttributeValueError
            If a key is not initialised.
        """
        for k, o in _pairs(key, out):
            for target in o if isinstance(o, list | tuple) else [o]:
                target._assign(_copy(self._stored(k)))

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Push, then pull.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        value : array, or list of array
            An array a key, or a list of arrays, one a device; lists of those for several keys.
        out : array, or list of array, optional
            Written; `value` itself if left out.
        priority : int
            Accepted, without effect: calls are done when they return.
        """
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Set the first values and copy them into arrays.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        value : array, or list of array
            An array a key, or a list of arrays, one a device; lists of those for several keys.
        out : array, or list of array
            As `value`; written.
        priority : int
            Accepted, without effect: calls are done when they return.
        """
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(
        self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None
    ) -> None:
        """Pull; all storage is dense, so all rows come.

        Parameters
        ----------
        key : str or int, or list of those
            The keys.
        out : array, or list of array
            As `value`; written.
        priority : int
            Accepted, without effect: calls are done when they return.
        row_ids : array, optional
            Accepted, without effect.
        """
        self.pull(key, out, priority)

    def _stored(self, key: Any) -> Array:
        found = self._values.get(key)
        if found is None:
            raise AttributeValueError(
                f"kvstore: key {key!r} has not been initialized",
                hint="call init(key, value) first",
            )
        return found

    def sum_in_place(self, arrays: Sequence[Any]) -> None:
        """Let every one of `arrays` hold the sum of all of them."""
        total = self._total(arrays)
        fresh = [bool(getattr(a, "_fresh", False)) for a in arrays]
        for array, was in zip(arrays, fresh, strict=True):
            array._assign(wrap(total._data))
            array._fresh = was

    # ---- optimizer -----------------------------------------------------------------------------
    def set_optimizer(self, optimizer: Any) -> None:
        """Let pushes update the stored values by `optimizer`."""
        from symgluon.optimizer import get_updater

        self._updater = get_updater(optimizer)

    def set_updater(self, updater: Callable[[Any, Any, Any], None]) -> None:
        """Let pushes call ``updater(key, pushed, stored)``."""
        self._updater = updater

    _set_updater = set_updater

    def set_gradient_compression(self, compression_params: Any) -> None:
        """Refuse: there is no network to save.

        Parameters
        ----------
        compression_params : dict
            Of MXNet.

        Raises
        ------
        AttributeValueError
            Always.
        """
        raise AttributeValueError(
            "gradient compression is not supported: all devices share one memory"
        )

    def save_optimizer_states(
        self, fname: str | os.PathLike[str], dump_optimizer: bool = False
    ) -> None:
        """Save the states of the optimizer to a file.

        Parameters
        ----------
        fname : str or path
            The file.
        dump_optimizer : bool
            Store its settings and update counts too.

        Raises
        ------
        AttributeValueError
            If there is no optimizer.
        """
        from symgluon.formats.atomic import write_bytes

        write_bytes(fname, self._states().get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Load what :meth:`save_optimizer_states` wrote.

        Parameters
        ----------
        fname : str or path
            The file.

        Raises
        ------
        FormatError
            If it is damaged.
        AttributeValueError
            If there is no optimizer.
        """
        with open(fname, "rb") as file:
            self._states().set_states(file.read())

    def _states(self) -> Any:
        if not hasattr(self._updater, "get_states"):
            raise AttributeValueError(
                "kvstore: there is no optimizer whose states could be saved",
                hint="call set_optimizer first",
            )
        return self._updater


class DistributedStore(KVStore):
    """Store whose sums go over all MPI ranks, and whose first values are those of rank 0.

    Parameters
    ----------
    type : str
        Name it is created by.

    Notes
    -----
    Source: MXNet's ``mx.kvstore``, type ``dist_sync``.
    """

    @property
    def rank(self) -> int:
        """Number of this process."""
        return distributed.rank()

    @property
    def num_workers(self) -> int:
        """Number of processes."""
        return distributed.size()

    def _initial(self, value: Array) -> Array:
        content = distributed.broadcast(value.numpy_content("a kvstore"))
        return wrap(content, type(value))  # type: ignore[no-any-return]

    def _total(self, value: Any) -> Array:
        total = _sum(value)
        return wrap(distributed.all_reduce(total.numpy_content("a kvstore")), type(total))  # type: ignore[no-any-return]

    def barrier(self) -> None:
        """Wait until all processes are here."""
        distributed.all_gather(np.zeros(1, np.uint8))


def create(name: str = "local") -> KVStore:
    """Return a store.

    Parameters
    ----------
    name : str
        ``local`` or ``device``: inside this process.  ``dist_sync`` (``dist_device_sync``,
        ``horovod``): over all MPI ranks; :func:`symgluon.distributed.init` is called if it was
        not.

    Returns
    -------
    KVStore
        The store.

    Raises
    ------
    AttributeValueError
        For an asynchronous store, or an unknown name; a ValueError.
    TypeError
        If `name` is no string.
    MXNetError
        If MPI is not installed.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, received {type(name).__name__}")
    kind = name.lower()
    if kind in _DISTRIBUTED:
        if not distributed.is_initialized():
            distributed.init()
        return DistributedStore(kind)
    if kind not in _LOCAL:
        known = ", ".join((*_LOCAL[:2], _DISTRIBUTED[0]))
        raise AttributeValueError(
            f"kvstore {name!r} is not available: stores are synchronous, and over MPI if several "
            "processes take part",
            hint=f"use {known}",
        )
    return KVStore(kind)


def _pairs(key: Any, value: Any) -> list[tuple[Any, Any]]:
    if isinstance(key, list | tuple):
        return list(zip(key, value, strict=True))
    return [(key, value)]


def _first(value: Any) -> Array:
    return value[0] if isinstance(value, list | tuple) else value  # type: ignore[no-any-return]


def _copy(value: Array) -> Array:
    """Return a handle of its own to the same content (contents are never written while shared)."""
    value._owned = False
    return wrap(value.numpy_content("a kvstore"), type(value))  # type: ignore[no-any-return]


def _sum(value: Any) -> Array:
    arrays = value if isinstance(value, list | tuple) else [value]
    total: Array = wrap(arrays[0].numpy_content("a kvstore"), type(arrays[0]))
    for array in arrays[1:]:
        total = F.add(total, wrap(array.numpy_content("a kvstore")))
    total.__class__ = type(arrays[0])
    return total
