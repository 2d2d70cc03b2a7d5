"""What the readers of parameter files share: messages that name the file, a budget of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.errors import FormatError

#: a file may unpack to this many times its own size, and to `UNPACKED_ALLOWED` bytes in any case
MAX_RATIO = 200.0
UNPACKED_ALLOWED = 64 << 20
MAX_RANK = 32  # of NumPy 1.x


class Loading:
    """One file that is being read.

    Parameters
    ----------
    path : str
        The file for messages; empty if only its content is at hand.
    size : int
        Its bytes.
    max_ratio : float
        How many times its size it may unpack to.
    """

    def __init__(self, path: str, size: int, max_ratio: float = MAX_RATIO) -> None:
        self.path = path
        self.size = size
        self.max_ratio = max_ratio
        self._unpacked = 0

    def error(self, text: str, offset: int | None = None, hint: str | None = None) -> FormatError:
        """Return the exception to raise."""
        return FormatError(text, path=self.path or None, offset=offset, hint=hint)

    def unpack(self, count: int, what: str, offset: int | None = None) -> None:
        """Count bytes that are not in the file as such, before they are allocated.

        Raises
        ------
        FormatError
            If the file unpacks to more than its size explains.
        """
        self._unpacked += count
        if self._unpacked > max(UNPACKED_ALLOWED, self.max_ratio * self.size):
            raise self.error(
                f"{what}: the file of {self.size} bytes unpacks to {self._unpacked} or more",
                offset,
                f"parameters do not shrink {self.max_ratio:g} times: it looks made to fill the "
                "memory.  If you trust it, pass a larger max_ratio.",
            )


def nbytes(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return the bytes of an array; Python's integers do not overflow."""
    size = dtype.itemsize
    for n in shape:
        size *= n
    return size


def is_addressable(shape: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Whether NumPy can make a view of that shape: it multiplies all dimensions but the zeros."""
    return nbytes([n for n in shape if n], dtype) < 1 << 63


def are_truth_values(flat: np.ndarray) -> bool:
    """Whether the bytes (uint8) of a bool array are 0 and 1: others break comparisons."""
    return not flat.size or int(flat.max()) <= 1
