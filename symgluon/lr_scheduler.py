"""Learning rate schedules: functions of the number of updates done (seed: ``mx.lr_scheduler``).

A schedule is called with rising numbers; ``base_lr`` is the rate it arrived at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symgluon.errors import AttributeValueError

__all__ = [
    "CosineScheduler",
    "FactorScheduler",
    "LRScheduler",
    "MultiFactorScheduler",
    "PolyScheduler",
]


class _StepError(AttributeValueError, AssertionError):
    """A schedule that makes no sense: an AssertionError in MXNet."""


class LRScheduler:
    """Base class: a warm-up, after which the subclass decides.

    Parameters
    ----------
    base_lr : float
        Learning rate at the start (after the warm-up).
    warmup_steps : int
        Number of updates of the warm-up.
    warmup_begin_lr : float
        Rate at which the warm-up begins.
    warmup_mode : str
        ``"linear"`` (rises to `base_lr`) or ``"constant"`` (stays at `warmup_begin_lr`).

    Raises
    ------
    ValueError
        If the warm-up is negative, of another mode, or begins above `base_lr`.
    """

    def __init__(
        self,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        if not isinstance(warmup_steps, int):
            raise _StepError(f"warmup_steps is a number of updates, received {warmup_steps!r}")
        if warmup_begin_lr > base_lr:
            raise ValueError(
                f"Base lr has to be higher than warmup_begin_lr: {base_lr} against {warmup_begin_lr}"
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
        """Learning rate of an update inside the warm-up."""
        if num_update >= self.warmup_steps:
            raise _StepError(
                f"update {num_update} lies beyond the warm-up of {self.warmup_steps} updates"
            )
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        rise = (self.warmup_final_lr - self.warmup_begin_lr) * num_update / self.warmup_steps
        return self.warmup_begin_lr + rise

    def __call__(self, num_update: int) -> float:
        """Return the learning rate of an update; subclasses define it."""
        raise NotImplementedError(
            f"{type(self).__name__} must override __call__(self, num_update)"
        )


def _check_factor(factor: float) -> None:
    if factor > 1.0:
        raise ValueError(f"Factor must be no more than 1 to make lr reduce, received {factor}")


class FactorScheduler(LRScheduler):
    """Multiply by `factor` after every `step` updates, down to `stop_factor_lr`."""

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
            raise ValueError(f"Schedule step must be greater or equal than 1 round, received {step}")
        _check_factor(factor)
        self.step = step
        self.factor = factor
        self.stop_factor_lr = stop_factor_lr
        self.count = 0

    def __call__(self, num_update: int) -> float:
        """Learning rate of an update."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while num_update > self.count + self.step:
            self.count += self.step
            self.base_lr = max(self.base_lr * self.factor, self.stop_factor_lr)
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiply by `factor` after each of the numbers of updates in `step`."""

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
        if not isinstance(step, list) or not step:
            raise _StepError(f"step is a list of numbers of updates, received {step!r}")
        if step[0] < 1:
            raise ValueError(f"Schedule step must be greater or equal than 1 round, received {step}")
        if any(b <= a for a, b in zip(step, step[1:], strict=False)):
            raise ValueError(f"Schedule step must be an increasing integer list, received {step}")
        _check_factor(factor)
        self.step = step
        self.cur_step_ind = 0
        self.factor = factor
        self.count = 0

    def __call__(self, num_update: int) -> float:
        """Learning rate of an update."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
        return self.base_lr


class _Decay(LRScheduler):
    """From `base_lr` down to `final_lr` at update `max_update`."""

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
            raise _StepError(f"max_update is a number of updates, received {max_update!r}")
        if max_update < 1:
            raise ValueError(
                f"maximum number of updates must be strictly positive, received {max_update}"
            )
        self.base_lr_orig = base_lr
        self.max_update = max_update
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def _shape(self, part: float) -> float:
        """Factor at a part of the way."""
        raise NotImplementedError

    def __call__(self, num_update: int) -> float:
        """Learning rate of an update."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            part = (num_update - self.warmup_steps) / self.max_steps if self.max_steps else 1.0
            span = self.base_lr_orig - self.final_lr
            self.base_lr = self.final_lr + span * self._shape(part)
        return self.base_lr


class PolyScheduler(_Decay):
    """``final_lr + (base_lr - final_lr) * (1 - t / max_update) ** pwr``."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(
            max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode
        )
        self.power = pwr

    def _shape(self, part: float) -> float:
        return float((1 - part) ** self.power)


class CosineScheduler(_Decay):
    """``final_lr + (base_lr - final_lr) * (1 + cos(pi t / max_update)) / 2`` (arXiv:1608.03983)."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(
            max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode
        )

    def _shape(self, part: float) -> float:
        return (1 + math.cos(math.pi * part)) / 2
