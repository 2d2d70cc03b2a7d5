"""Tensors beside a model: in a second file for what protobuf cannot hold, or in memory.

A protobuf message ends at 2 GB, so larger models keep their tensors in a file next to them
(ONNX's external data); sessions take them from memory in the same way, without a copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from symgluon.errors import FormatError
from symgluon.formats.onnx.proto import onnx_dtype

#: what a model may hold itself; protobuf's limit is 2**31 - 1 bytes for everything
LARGEST_MODEL = 1_900_000_000
_ALIGNMENT = 4096  # files are mapped into memory by pages


class ExternalData:
    """Tensors of at least `least` bytes that a model refers to.

    Parameters
    ----------
    location : str
        Name of the second file, in the folder of the model.
    least : int
        Bytes of the smallest tensor that is kept here.
    above : int
        Nothing is kept here unless the tensors of the model have more bytes together.
    native : bool
        Take only what ONNX Runtime can share with NumPy: native byte order, and no bfloat16.

    Attributes
    ----------
    arrays : dict of str to numpy.ndarray
        Content by name of the initializer, in the order of the file.

    Raises
    ------
    FormatError
        If `location` is more than a file name: a model must not reach outside its folder.
    """

    def __init__(
        self, location: str, *, least: int = 1024, above: int = 0, native: bool = False
    ) -> None:
        if not location or location in (".", "..") or os.path.basename(location) != location:
            raise FormatError(
                f"external data are kept beside the model, so {location!r} is no place for them",
                hint="give a file name without a folder",
            )
        self.location = location
        self.least = least
        self.above = above
        self.native = native
        self.arrays: dict[str, np.ndarray] = {}
        self.size = 0

    @classmethod
    def beside(cls, path: str) -> ExternalData:
        """For the model file `path`: used only if the model would be too large for one file."""
        return cls(f"{os.path.basename(path)}.data", above=LARGEST_MODEL)

    def takes(self, array: np.ndarray) -> bool:
        """Whether a tensor is kept here."""
        if self.native and (array.dtype.kind == "V" or not array.dtype.isnative):
            return False
        return array.nbytes >= self.least

    def refer(self, name: str, array: np.ndarray) -> Any:
        """Keep `array` and return a TensorProto that refers to it."""
        import onnx

        start = -(-self.size // _ALIGNMENT) * _ALIGNMENT
        self.arrays[name] = array
        self.size = start + array.nbytes
        tensor = onnx.TensorProto()
        tensor.name = name
        tensor.data_type = onnx_dtype(array.dtype)
        tensor.dims.extend(array.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (
            ("location", self.location),
            ("offset", str(start)),
            ("length", str(array.nbytes)),
        ):
            tensor.external_data.add(key=key, value=value)
        return tensor

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Content of the file, piece by piece."""
        written = 0
        for array in self.arrays.values():
            gap = -written % _ALIGNMENT
            yield bytes(gap)
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            yield np.ascontiguousarray(little).reshape(-1).view(np.uint8).data
            written += gap + array.nbytes
