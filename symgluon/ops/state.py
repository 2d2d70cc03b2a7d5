"""What the dispatcher knows about the running thread: region, tape and mode flags."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symgluon.ops.region import Region


class State(threading.local):
    """Thread-local state; a new thread starts with these defaults (as in MXNet 2.0).

    The main thread starts with the semantics of NumPy, which are 2.0's.
    """

    #: graph under construction; None: operators run at once
    region: Region | None = None
    #: eager operators are put on the tape (`autograd.record`)
    recording: bool = False
    #: inside `autograd.pause` of a traced forward: operands are cut off from gradients
    paused: bool = False
    #: training mode (`autograd.record`, `train_mode`)
    training: bool = False
    #: which operands of the gradient rule being run are wanted; None: all
    wanted: tuple[bool, ...] | None = None
    #: cells of parameters that hold a recorded value, until the end of the recording
    written: list[Any] | None = None
    #: NumPy semantics of shapes and arrays (`npx.set_np`)
    np_shape: bool = False
    np_array: bool = False

    def __init__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self.np_shape = self.np_array = True


state = State()


def wants(operand: int) -> bool:
    """Whether the gradient rule being run needs the cotangent of `operand` (True if unknown)."""
    wanted = state.wanted
    return wanted is None or wanted[operand]
