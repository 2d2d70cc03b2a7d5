"""Contents that lie on a device: results of a compiled graph, fetched when their numbers are read.

What a graph on a GPU gives, and what its gradient needs again, stays there until then; the next
graph on that GPU takes it as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Resident:
    """Content of an array on a device.

    Attributes
    ----------
    value : onnxruntime.OrtValue
        What lies there; never written to.
    device : (str, int)
        Kind and number of the device.
    shape : tuple of int
    dtype : numpy.dtype
    """

    __slots__ = ("_numbers", "device", "dtype", "shape", "value")

    def __init__(
        self, value: Any, device: tuple[str, int], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.value = value
        self.device = device
        self.shape = shape
        self.dtype = dtype
        self._numbers: np.ndarray | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * self.dtype.itemsize

    def numpy(self) -> np.ndarray:
        """Return the numbers, which are fetched once."""
        if self._numbers is None:
            self._numbers = self.value.numpy()
        return self._numbers

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype, copy=copy)


def fetched(content: Any) -> Any:
    """Return a content with its numbers in NumPy's memory."""
    return content.numpy() if type(content) is Resident else content
