"""Learning rates that change with the number of updates (MXNet's ``mx.lr_scheduler``)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

__all__ = [
    "CosineScheduler",
    "FactorScheduler",
    "LRScheduler",
    "MultiFactorScheduler",
    "PolyScheduler",
]


class LRScheduler:
    """Base class: a warm-up from `warmup_begin_lr` to `base_lr`, then the rule of the subclass.

    A subclass defines ``__call__(self, num_update)``, the learning rate of an update.

    Parameters
    ----------
    base_lr : float
        Learning rate at the end of the warm-up.
    warmup_steps : int
        Number of updates of the warm-up.
    warmup_begin_lr : float
        Learning rate at its beginning.
    warmup_mode : str
        ``linear``: increases steadily; ``constant``: stays `warmup_begin_lr`.

    Raises
    ------
    ValueError
        If the warm-up begins above `base_lr`, is negative, or has another mode.
    TypeError
        If `warmup_steps` is no int.

    Notes
    -----
    Source: MXNet's ``mx.lr_scheduler.LRScheduler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Halving(mx.lr_scheduler.LRScheduler):
    ...     def __call__(self, num_update):
    ...         return self.base_lr / 2**num_update
    >>> Halving(base_lr=1.0)(3)
    0.125
    """

    def __init__(
        self,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        if not isinstance(warmup_steps, int):
            raise TypeError(f"warmup_steps must be an int, received {warmup_steps!r}")
        if warmup_begin_lr > base_lr:
            raise ValueError(
                f"Base lr has to be higher than warmup_begin_lr: {base_lr} and {warmup_begin_lr}"
            )
        if warmup_steps < 0:
            raise ValueError(f"Warmup steps has to be positive or 0, received {warmup_steps}")
        if warmup_mode not in ("linear", "constant"):
            raise ValueError(
                f"Supports only linear and constant modes of warmup, received {warmup_mode!r}"
            )
        self.base_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_begin_lr = warmup_begin_lr
        self.warmup_final_lr = base_lr
        self.warmup_mode = warmup_mode

    def get_warmup_lr(self, num_update: int) -> float:
        """Learning rate within the warm-up.

        Parameters
        ----------
        num_update : int
            Number of the update.

        Returns
        -------
        float
            The learning rate.

        Raises
        ------
        ValueError
            If the warm-up is over then.
        """
        if num_update >= self.warmup_steps:
            raise ValueError(
                f"the warm-up has {self.warmup_steps} steps, update {num_update} is after it"
            )
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        part = num_update / self.warmup_steps
        return self.warmup_begin_lr + (self.warmup_final_lr - self.warmup_begin_lr) * part

    def __call__(self, num_update: int) -> float:
        """Learning rate for an update; a subclass gives the rule.

        Raises
        ------
        NotImplementedError
            In the base class.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__")


class FactorScheduler(LRScheduler):
    """Multiply by `factor` every `step` updates, down to `stop_factor_lr`.

    Parameters
    ----------
    step : int
        Number of updates between changes.
    factor : float
        At most 1.
    stop_factor_lr : float
        Lowest learning rate.
    base_lr : float
        Learning rate at the end of the warm-up.
    warmup_steps : int
        Number of updates of the warm-up.
    warmup_begin_lr : float
        Learning rate at its beginning.
    warmup_mode : str
        ``linear``: increases steadily; ``constant``: stays `warmup_begin_lr`.

    Raises
    ------
    ValueError
        If `step` is below 1 or `factor` above 1.

    Notes
    -----
    Updates come in rising order.  Source: MXNet's ``mx.lr_scheduler.FactorScheduler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=1.0)
    >>> [schedule(t) for t in range(1, 7)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if step < 1:
            raise ValueError("Schedule step must be greater or equal than 1 round")
        _check_factor(factor)
        self.step = step
        self.factor = factor
        self.stop_factor_lr = stop_factor_lr
        self.count = 0

    def __call__(self, num_update: int) -> float:
        """Learning rate for an update; updates come in rising order."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while num_update > self.count + self.step:
            self.count += self.step
            self.base_lr = max(self.base_lr * self.factor, self.stop_factor_lr)
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiply by `factor` after each of the updates in `step`.

    Parameters
    ----------
    step : list of int
        Rising numbers of updates.
    factor : float
        At most 1.
    base_lr : float
        Learning rate at the end of the warm-up.
    warmup_steps : int
        Number of updates of the warm-up.
    warmup_begin_lr : float
        Learning rate at its beginning.
    warmup_mode : str
        ``linear``: increases steadily; ``constant``: stays `warmup_begin_lr`.

    Raises
    ------
    ValueError
        If `step` does not increase or begins below 1, or `factor` is above 1.

    Notes
    -----
    Updates come in rising order.  Source: MXNet's ``mx.lr_scheduler.MultiFactorScheduler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> schedule = mx.lr_scheduler.MultiFactorScheduler(step=[2, 4], factor=0.5, base_lr=1.0)
    >>> [schedule(t) for t in range(1, 7)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        step: Sequence[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(step, list | tuple) or not step:
            raise ValueError(f"Schedule step must be a list of updates, received {step!r}")
        if step[0] < 1:
            raise ValueError("Schedule step must be greater or equal than 1 round")
        if any(a >= b for a, b in itertools.pairwise(step)):
            raise ValueError("Schedule step must be an increasing integer list")
        _check_factor(factor)
        self.step = list(step)
        self.factor = factor
        self.cur_step_ind = 0
        self.count = 0

    def __call__(self, num_update: int) -> float:
        """Learning rate for an update; updates come in rising order."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
        return self.base_lr


def _check_factor(factor: float) -> None:
    if factor > 1.0:
        raise ValueError(f"Factor must be no more than 1 to make lr reduce, received {factor}")


class _Falling(LRScheduler):
    """A curve from `base_lr` to `final_lr`, reached at `max_update`."""

    def __init__(
        self,
        max_update: int,
        base_lr: float,
        final_lr: float,
        warmup_steps: int,
        warmup_begin_lr: float,
        warmup_mode: str,
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(max_update, int):
            raise TypeError(f"max_update must be an int, received {max_update!r}")
        if max_update < 1:
            raise ValueError("maximum number of updates must be strictly positive")
        self.base_lr_orig = base_lr
        self.max_update = max_update
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def _share(self, part: float) -> float:
        """What is left of the way after `part` of the steps."""
        raise NotImplementedError(f"{type(self).__name__} must define _share")

    def __call__(self, num_update: int) -> float:
        """Learning rate for an update; it stays `final_lr` after `max_update`."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            done = num_update - self.warmup_steps
            part = done / self.max_steps if self.max_steps else 1.0
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * self._share(part)
        return self.base_lr


class PolyScheduler(_Falling):
    """Fall like ``(1 - t / max_update) ** pwr`` to `final_lr`.

    Parameters
    ----------
    max_update : int
        Update at which `final_lr` is reached, warm-up included.
    base_lr : float
        Learning rate at the end of the warm-up.
    pwr : int
        Exponent.
    final_lr : float
        Learning rate from then on.
    warmup_steps : int
        Number of updates of the warm-up.
    warmup_begin_lr : float
        Learning rate at its beginning.
    warmup_mode : str
        ``linear``: increases steadily; ``constant``: stays `warmup_begin_lr`.

    Raises
    ------
    ValueError
        If `max_update` is below 1.
    TypeError
        If it is no int.

    Notes
    -----
    Source: MXNet's ``mx.lr_scheduler.PolyScheduler``.

    Examples
    --------
    >>> import symgluon as mx
    >>> schedule = mx.lr_scheduler.PolyScheduler(max_update=4, base_lr=1.0, pwr=1)
    >>> [schedule(t) for t in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: int = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def _share(self, part: float) -> float:
        return float((1.0 - part) ** self.power)


class CosineScheduler(_Falling):
    """Fall like half a cosine wave to `final_lr`.

    Parameters
    ----------
    max_update : int
        Update at which `final_lr` is reached, warm-up included.
    base_lr : float
        Learning rate at the end of the warm-up.
    final_lr : float
        Learning rate from then on.
    warmup_steps : int
        Number of updates of the warm-up.
    warmup_begin_lr : float
        Learning rate at its beginning.
    warmup_mode : str
        ``linear``: increases steadily; ``constant``: stays `warmup_begin_lr`.

    Raises
    ------
    ValueError
        If `max_update` is below 1.
    TypeError
        If it is no int.

    Notes
    -----
    Source: MXNet's ``mx.lr_scheduler.CosineScheduler``; arXiv:1608.03983.

    Examples
    --------
    >>> import symgluon as mx
    >>> schedule = mx.lr_scheduler.CosineScheduler(max_update=4, base_lr=1.0)
    >>> [round(schedule(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _share(self, part: float) -> float:
        return (1.0 + math.cos(math.pi * part)) / 2.0
