"""The random stream: one SFC64 generator a thread, all derived from one seed.

``seed(s)`` resets the stream of the thread that calls it; a thread that draws for the first time
after that gets a stream of its own, derived from the seed and from the order in which threads
began to draw.  Without a seed the streams come from the operating system.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


class _Root:
    """The seed that all threads derive from, and how many have."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sequence = np.random.SeedSequence()
        self.version = 0
        self.threads = 0


_root = _Root()


class _Stream(threading.local):
    generator: np.random.Generator | None = None
    version: int = -1


_stream = _Stream()


def seed(value: int | None = None) -> None:
    """Reset the random stream of this thread; other threads derive new ones at their next draw.

    Parameters
    ----------
    value : int, optional
        The seed, of any size and sign; None takes fresh entropy from the operating system.
    """
    entropy = None if value is None else _unsigned(int(value))
    with _root.lock:
        _root.sequence = np.random.SeedSequence(entropy)
        _root.version += 1
        _root.threads = 1  # this thread is the first one
        _stream.version = _root.version
        _stream.generator = np.random.Generator(np.random.SFC64(_root.sequence))


def _unsigned(value: int) -> int:
    """Map negative seeds beyond the positive ones: SeedSequence takes no sign."""
    return value if value >= 0 else (1 << 128) - value


def generator() -> np.random.Generator:
    """Return this thread's generator."""
    found = _stream.generator
    if found is None or (_stream.version != _root.version):
        found = _derive()
    return found


def _derive() -> np.random.Generator:
    with _root.lock:
        number = _root.threads
        _root.threads += 1
        _stream.version = _root.version
        entropy: Any = _root.sequence.entropy
        child = np.random.SeedSequence(entropy, spawn_key=(number,))
    _stream.generator = np.random.Generator(np.random.SFC64(child))
    return _stream.generator


def get_state() -> dict[str, Any]:
    """Return the state of this thread's stream."""
    return dict(generator().bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Continue this thread's stream from a state that `get_state` returned."""
    generator().bit_generator.state = state
