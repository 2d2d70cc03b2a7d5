"""`mx.callback`: what `Module.fit` calls after batches and epochs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from symgluon.model import save_checkpoint


def do_checkpoint(prefix: str, period: int = 1) -> Callable[..., None]:
    """Return a callback that writes a checkpoint after each `period` epochs.

    Parameters
    ----------
    prefix : str
        Begin of the names of the files.
    period : int
        Number of epochs.

    Returns
    -------
    callable
        For ``epoch_end_callback``.

    Notes
    -----
    Source: MXNet's ``mx.callback.do_checkpoint``.
    """
    every = max(1, int(period))

    def write(iter_no: int, sym: Any, arg: dict[str, Any], aux: dict[str, Any]) -> None:
        if (iter_no + 1) % every == 0:
            save_checkpoint(prefix, iter_no + 1, sym, arg, aux)

    return write


def module_checkpoint(
    mod: Any, prefix: str, period: int = 1, save_optimizer_states: bool = False
) -> Callable[..., None]:
    """Return a callback that writes a checkpoint of a module after each `period` epochs.

    Parameters
    ----------
    mod : Module
        What is written.
    prefix : str
        Begin of the names of the files.
    period : int
        Number of epochs.
    save_optimizer_states : bool
        Write the states of the optimizer too.

    Returns
    -------
    callable
        For ``epoch_end_callback``.

    Notes
    -----
    Source: MXNet's ``mx.callback.module_checkpoint``.
    """
    every = max(1, int(period))

    def write(iter_no: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % every == 0:
            mod.save_checkpoint(prefix, iter_no + 1, save_optimizer_states)

    return write


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[Any], None]:
    """Return a callback that logs the metric after each `period` batches.

    Parameters
    ----------
    period : int
        Number of batches.
    auto_reset : bool
        Let the metric begin anew then.

    Returns
    -------
    callable
        For ``batch_end_callback``.

    Notes
    -----
    Source: MXNet's ``mx.callback.log_train_metric``.
    """

    def log(param: Any) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info(
                    "Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value
                )
            if auto_reset:
                param.eval_metric.reset()

    return log


class Speedometer:
    """Logs how many samples a second are trained, and the metric.

    Parameters
    ----------
    batch_size : int
        Samples of a batch.
    frequent : int
        Batches between two lines.
    auto_reset : bool
        Let the metric begin anew after a line.

    Notes
    -----
    Source: MXNet's ``mx.callback.Speedometer``.
    """

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True) -> None:
        self.batch_size = batch_size
        self.frequent = frequent
        self.auto_reset = auto_reset
        self.init = False
        self.tic = 0.0
        self.last_count = 0

    def __call__(self, param: Any) -> None:
        """Take note of a batch."""
        count = param.nbatch
        if self.last_count > count:
            self.init = False
        self.last_count = count
        if not self.init:
            self.init = True
            self.tic = time.time()
            return
        if count % self.frequent:
            return
        passed = time.time() - self.tic
        speed = self.frequent * self.batch_size / passed if passed else float("inf")
        text = "Epoch[%d] Batch [%d]\tSpeed: %.2f samples/sec"
        values: list[Any] = [param.epoch, count, speed]
        if param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                text += "\t%s=%f"
                values += [name, value]
            if self.auto_reset:
                param.eval_metric.reset()
        logging.info(text, *values)
        self.tic = time.time()


class ProgressBar:
    """Shows how much of an epoch is done.

    Parameters
    ----------
    total : int
        Batches of an epoch.
    length : int
        Letters of the bar.

    Notes
    -----
    Source: MXNet's ``mx.callback.ProgressBar``.
    """

    def __init__(self, total: int, length: int = 80) -> None:
        self.total = total
        self.bar_len = length

    def __call__(self, param: Any) -> None:
        """Show the state after a batch."""
        filled = round(self.bar_len * param.nbatch / self.total)
        percent = -(-100 * param.nbatch // self.total)
        bar = "=" * filled + "-" * (self.bar_len - filled)
        sys.stdout.write(f"[{bar}] {percent}%\r")


class LogValidationMetricsCallback:
    """Logs the metric at the end of an evaluation.

    Notes
    -----
    Source: MXNet's ``mx.callback.LogValidationMetricsCallback``.
    """

    def __call__(self, param: Any) -> None:
        """Log the metric."""
        if param.eval_metric:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
