"""Devices: labels on arrays and parameters.

All CPU labels share one memory and one set of kernels; ``cpu(1)`` is a logical device, useful to
keep copies of parameters apart.  ``gpu(i)`` is a device of ONNX Runtime's CUDA provider: compiled
graphs run there, and their results stay there until they are read.
"""

from __future__ import annotations

import functools
import importlib.util
import operator
import threading
from pathlib import Path
from typing import Any, ClassVar, Self

from symgluon import driver
from symgluon.errors import AttributeValueError, SymgluonError


class Device:
    """A device label such as ``cpu(0)``; ``with device:`` makes it this thread's current one.

    Parameters
    ----------
    device_type : str or Device
        ``"cpu"``, ``"gpu"``, ``"cpu_pinned"`` or ``"cpu_shared"``; a Device is copied.
    device_id : int
        Number of the device, from 0.

    Raises
    ------
    AttributeValueError
        For another type or a negative number.
    AttributeError
        When an attribute is set: devices are immutable.

    Notes
    -----
    Source: MXNet's ``mx.Device``; ``Context`` is its name in 1.x.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.Device("cpu", 1) == mx.cpu(1)
    True
    >>> with mx.cpu(1):
    ...     print(mx.current_device(), mx.np.ones(2).device)
    cpu(1) cpu(1)
    """

    __slots__ = ("_hash", "device_id", "device_type")

    #: MXNet's numbers of the device types, as they stand in its files
    devtype2str: ClassVar[dict[int, str]] = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type: ClassVar[dict[str, int]] = {v: k for k, v in devtype2str.items()}

    device_type: str
    device_id: int
    _hash: int

    def __init__(self, device_type: str | Device, device_id: int = 0) -> None:
        if isinstance(device_type, Device):
            device_id = device_type.device_id
            device_type = device_type.device_type
        if device_type not in self.devstr2type:
            raise AttributeValueError(
                "unknown device type",
                expected=f"one of {', '.join(self.devstr2type)}",
                received=repr(device_type),
            )
        number = operator.index(device_id)
        if number < 0:
            raise AttributeValueError(f"device {device_type}: negative number {number}")
        setter = object.__setattr__
        setter(self, "device_type", device_type)
        setter(self, "device_id", number)
        setter(self, "_hash", hash((device_type, number)))

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError("a Device is immutable")

    @property
    def device_typeid(self) -> int:
        """MXNet's number of the device type."""
        return self.devstr2type[self.device_type]

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Device)
            and self.device_id == other.device_id
            and self.device_type == other.device_type
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.device_type, self.device_id)

    def __enter__(self) -> Self:
        _current.stack.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _current.stack.pop()

    def empty_cache(self) -> None:
        """Do nothing: there is no pool of device memory to give back."""


#: MXNet 1.x's name
Context = Device

_CPU = Device("cpu", 0)


class _Current(threading.local):
    """The devices this thread has entered, innermost last."""

    def __init__(self) -> None:
        self.stack: list[Device] = [_CPU]

    def get(self) -> Device:
        """Return the device in use."""
        return self.stack[-1]

    def set(self, device: Device) -> None:
        """Put `device` in the place of the one in use, until the scope around it ends."""
        self.stack[-1] = device


_current = _Current()


def cpu(device_id: int = 0) -> Device:
    """Return CPU device `device_id`; numbers above 0 are logical devices on the same CPU."""
    return _CPU if device_id == 0 else Device("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Device:
    """Return label `device_id` for page-locked memory, which is ordinary memory here."""
    return Device("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Device:
    """Return GPU device `device_id`; whether it exists shows when an array is put there."""
    return Device("gpu", device_id)


def current_device() -> Device:
    """Return this thread's current device, ``cpu(0)`` unless a ``with device:`` is active."""
    return _current.stack[-1]


current_context = current_device


def _has_cuda_provider() -> bool:
    """Whether the installed ONNX Runtime carries the CUDA provider; does not import it."""
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or not spec.submodule_search_locations:
        return False
    return any(
        next(Path(folder, "capi").glob("*onnxruntime_providers_cuda*"), None) is not None
        for folder in spec.submodule_search_locations
    )


@functools.cache
def num_gpus() -> int:
    """Return the number of usable GPUs: 0 unless ONNX Runtime has its CUDA provider."""
    return driver.count() if _has_cuda_provider() else 0


def is_there(device: Device) -> bool:
    """Whether arrays can be put on a device.

    Parameters
    ----------
    device : Device
        Any device.

    Returns
    -------
    bool
        False: a GPU that does not exist.
    """
    return device.device_type != "gpu" or device.device_id < num_gpus()


def usable(device: Device) -> Device:
    """Return `device`, on which an array is to be put.

    Parameters
    ----------
    device : Device
        Any device.

    Returns
    -------
    Device
        The same.

    Raises
    ------
    SymgluonError
        If it is a GPU that is not there, with what is.
    """
    if not is_there(device):
        count = num_gpus()
        if count:
            hint = (
                f"there are {count} (gpu(0) to gpu({count - 1}))"
                if count > 1
                else "gpu(0) is there"
            )
        elif _has_cuda_provider():
            hint = "the driver finds no NVIDIA GPU"
        else:
            hint = (
                "the installed onnxruntime has no CUDA provider: on a machine with an NVIDIA GPU "
                "install onnxruntime-gpu[cuda,cudnn] in its place; "
                "mx.gpu() if mx.num_gpus() else mx.cpu() picks what is there"
            )
        raise SymgluonError(f"{device} cannot be used", hint=hint)
    return device


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """Return the free and total memory of a GPU in bytes.

    Parameters
    ----------
    device_id : int
        Number of the GPU.

    Returns
    -------
    tuple of int
        Free and total.

    Raises
    ------
    SymgluonError
        If there is no such GPU.
    """
    return driver.memory(device_id)
