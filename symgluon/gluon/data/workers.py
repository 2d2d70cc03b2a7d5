"""Batches from a pool of workers: the iterator that loaders of MXNet 1.x derive from."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import multiprocessing.pool

__all__: list[str] = []


class _MultiWorkerIter:
    """Batches in order, each made by a worker of a pool ahead of its turn.

    `worker_fn` is called as ``worker_fn(indices, batchify_fn, dataset)`` and returns a batch, pickled
    or as it is.  A subclass may override ``_push_next``, which sends the next task.
    """

    def __init__(
        self,
        worker_pool: multiprocessing.pool.Pool,
        batchify_fn: Callable[..., Any],
        batch_sampler: Any,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        worker_fn: Callable[..., Any] | None = None,
        prefetch: int = 0,
        dataset: Any = None,
        data_loader: Any = None,
        timeout: int = 120,
    ) -> None:
        self._worker_pool, self._worker_fn = worker_pool, worker_fn or _make_batch
        self._batchify_fn, self._batch_sampler = batchify_fn, batch_sampler
        self._dataset, self._data_loader = dataset, data_loader
        self._pin_memory, self._pin_device_id = pin_memory, pin_device_id
        self._timeout = timeout
        self._data_buffer: dict[int, Any] = {}
        self._sent_idx = self._rcvd_idx = 0
        self._iter = iter(batch_sampler)
        for _ in range(prefetch):
            self._push_next()

    def __len__(self) -> int:
        return len(self._batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        return self

    def _push_next(self) -> None:
        indices = next(self._iter, None)
        if indices is None:
            return
        task = (indices, self._batchify_fn, self._dataset)
        self._data_buffer[self._sent_idx] = self._worker_pool.apply_async(self._worker_fn, task)
        self._sent_idx += 1

    def __next__(self) -> Any:
        self._push_next()
        if self._rcvd_idx == self._sent_idx:
            raise StopIteration
        made = self._data_buffer.pop(self._rcvd_idx).get(self._timeout)
        self._rcvd_idx += 1
        return pickle.loads(made) if isinstance(made, bytes) else made

    next = __next__


def _make_batch(indices: Any, batchify_fn: Callable[..., Any], dataset: Any) -> Any:
    return batchify_fn([dataset[i] for i in indices])
