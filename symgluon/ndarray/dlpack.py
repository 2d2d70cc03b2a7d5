"""Reading what speaks DLPack: objects of other libraries, and capsules, as MXNet hands them on."""

from __future__ import annotations

from typing import Any

import numpy as np


class _Capsule:
    """A capsule of data on the CPU as an object that NumPy reads."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def content_of(source: Any) -> np.ndarray:
    """Return a copy of what `source` holds.

    Parameters
    ----------
    source : object
        Has ``__dlpack__``, or is a capsule of data on the CPU, which can be read once.

    Returns
    -------
    numpy.ndarray
        The content.
    """
    if type(source).__name__ == "PyCapsule":
        source = _Capsule(source)
    return np.array(np.from_dlpack(source))
