"""`DataLoader`: batches of a dataset, prepared ahead by threads (MXNet's ``gluon.data``)."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from symgluon.errors import SymgluonError
from symgluon.gluon.data.batchify import default_batchify_fn
from symgluon.gluon.data.dataset import UseError
from symgluon.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from symgluon.gluon.data.workers import _MultiWorkerIter  # noqa: F401  (MXNet 1.x has it here)
from symgluon.ops.array import Array
from symgluon.ops.state import state

__all__ = ["DataLoader", "default_batchify_fn", "default_mp_batchify_fn"]

#: MXNet's function for worker processes; workers are threads here, so it is the same
default_mp_batchify_fn = default_batchify_fn


def __getattr__(name: str) -> Any:
    if name == "ForkingPickler":  # what MXNet 1.x pickles batches with; its import costs 8 ms
        from multiprocessing.reduction import ForkingPickler

        return ForkingPickler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _as_in_context(data: Any, ctx: Any) -> Any:
    """Copy the arrays of nested lists to a device."""
    if isinstance(data, Array):
        return data.as_in_context(ctx)  # type: ignore[attr-defined]
    if isinstance(data, list | tuple):
        return [_as_in_context(each, ctx) for each in data]
    return data


class DataLoader:
    """Batches of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Or anything with ``__getitem__`` and ``__len__``.
    batch_size : int
        Samples in a batch, unless there is a `batch_sampler`.
    shuffle : bool
        Take the samples in another order each time.
    sampler : Sampler
        Takes the place of `shuffle`.
    last_batch : str
        ``keep``, ``discard`` or ``rollover`` (see `BatchSampler`).
    batch_sampler : Sampler
        Gives lists of numbers.
    batchify_fn : callable
        Makes a batch of a list of samples.
    num_workers : int
        Threads that prepare batches ahead; 0: none.  MXNet starts processes unless `thread_pool`
        is set; here workers are always threads, since samples are NumPy arrays whose work
        runs beside others and need not be copied from process to process.
    pin_memory : bool
        Accepted, without effect.
    pin_device_id : int
        Accepted, without effect.
    prefetch : int, optional
        How many batches are prepared ahead; twice the workers if left out.
    thread_pool : bool
        Accepted, without effect.
    timeout : int
        Seconds that a batch may take.
    try_nopython : bool, optional
        Accepted, without effect.

    Raises
    ------
    ValueError
        If the arguments contradict each other.
    AssertionError
        If `timeout` is not positive.

    Notes
    -----
    Source: MXNet's ``gluon.data.DataLoader``.

    Examples
    --------
    >>> import symgluon as mx
    >>> dataset = mx.gluon.data.ArrayDataset(mx.np.arange(5), mx.np.ones((5, 2)))
    >>> loader = mx.gluon.data.DataLoader(dataset, batch_size=2)
    >>> [(x.asnumpy().tolist(), y.shape) for x, y in loader], len(loader)
    ([([0.0, 1.0], (2, 2)), ([2.0, 3.0], (2, 2)), ([4.0], (1, 2))], 3)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = None,
        shuffle: bool = False,
        sampler: Any = None,
        last_batch: str | None = None,
        batch_sampler: Any = None,
        batchify_fn: Callable[..., Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        prefetch: int | None = None,
        thread_pool: bool = False,
        timeout: int = 120,
        try_nopython: bool | None = None,
    ) -> None:
        if timeout <= 0:
            raise UseError(f"timeout must be positive, given {timeout}")
        self._dataset = dataset
        self._timeout = timeout
        self._batch_sampler = _batches(
            dataset, batch_size, shuffle, sampler, last_batch, batch_sampler
        )
        self._batchify_fn = default_batchify_fn if batchify_fn is None else batchify_fn
        self._num_workers = max(num_workers, 0)
        self._prefetch = max(2 * self._num_workers if prefetch is None else prefetch, 0)

    def _make(self, indices: list[Any], flags: tuple[bool, bool]) -> Any:
        # a new thread starts without NumPy's semantics
        state.np_shape, state.np_array = flags
        return self._batchify_fn([self._dataset[i] for i in indices])

    def __iter__(self) -> Iterator[Any]:
        flags = (state.np_shape, state.np_array)
        if not self._num_workers:
            for indices in self._batch_sampler:
                yield self._make(indices, flags)
            return
        with concurrent.futures.ThreadPoolExecutor(self._num_workers) as pool:
            waiting: deque[Any] = deque()
            try:
                for indices in self._batch_sampler:
                    waiting.append(pool.submit(self._make, indices, flags))
                    if len(waiting) > self._prefetch:
                        yield self._result(waiting.popleft())
                while waiting:
                    yield self._result(waiting.popleft())
            finally:
                for future in waiting:
                    future.cancel()

    def _result(self, future: Any) -> Any:
        try:
            return future.result(self._timeout)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
            raise SymgluonError(
                f"a worker of the DataLoader took more than {self._timeout} s for a batch",
                hint="raise `timeout`, or find out why a sample of the dataset takes so long",
            ) from None

    def __len__(self) -> int:
        return len(self._batch_sampler)


def _batches(
    dataset: Any,
    batch_size: int | None,
    shuffle: bool,
    sampler: Any,
    last_batch: str | None,
    batch_sampler: Any,
) -> Any:
    """Return what gives the numbers of each batch."""
    if batch_sampler is not None:
        if batch_size is not None or shuffle or sampler is not None or last_batch is not None:
            raise ValueError(
                "batch_size, shuffle, sampler and last_batch must not be specified if "
                "batch_sampler is specified."
            )
        return batch_sampler
    if batch_size is None:
        raise ValueError("batch_size must be specified unless batch_sampler is specified")
    if sampler is None:
        sampler = RandomSampler(len(dataset)) if shuffle else SequentialSampler(len(dataset))
    elif shuffle:
        raise ValueError("shuffle must not be specified if sampler is specified")
    return BatchSampler(sampler, batch_size, last_batch or "keep")
