"""What the CUDA driver says of its devices, asked through ctypes; there may be no driver at all.

Devices are numbered as CUDA does, so CUDA_VISIBLE_DEVICES applies.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import Any

from symgluon.errors import SymgluonError

#: attributes of a device by the driver's numbers
_MAJOR, _MINOR = 75, 76


@functools.cache
def _driver() -> Any:
    """Return the driver's library, initialised; None without a driver or a device."""
    try:
        found = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return found if found.cuInit(0) == 0 else None


def count() -> int:
    """Return the number of devices; 0 without a driver."""
    driver, number = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(number)) != 0:
        return 0
    return number.value


def _handle(number: int) -> tuple[Any, ctypes.c_int]:
    there = count()
    if not 0 <= number < there:
        raise SymgluonError(
            f"gpu({number}) cannot be asked: the CUDA driver finds {there} devices"
            if there
            else f"gpu({number}) cannot be asked: there is no CUDA driver, or it finds no device"
        )
    driver, device = _driver(), ctypes.c_int(0)
    _call(driver.cuDeviceGet, ctypes.byref(device), ctypes.c_int(number))
    return driver, device


def _call(function: Any, *arguments: Any) -> None:
    code = function(*arguments)
    if code:
        raise SymgluonError(f"the CUDA driver answers {function.__name__} by error {code}")


def compute_capability(number: int) -> int:
    """Return ten times the major version, plus the minor version.

    Raises
    ------
    SymgluonError
        If there is no such device.
    """
    driver, device = _handle(number)
    found = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int(0)
        _call(driver.cuDeviceGetAttribute, ctypes.byref(value), ctypes.c_int(attribute), device)
        found.append(value.value)
    return 10 * found[0] + found[1]


def memory(number: int) -> tuple[int, int]:
    """Return free and total memory of a device in bytes.

    Raises
    ------
    SymgluonError
        If there is no such device.
    """
    driver, device = _handle(number)
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    # the context that ONNX Runtime works in too
    _call(driver.cuDevicePrimaryCtxRetain, ctypes.byref(context), device)
    try:
        _call(driver.cuCtxPushCurrent_v2, context)
        try:
            _call(driver.cuMemGetInfo_v2, ctypes.byref(free), ctypes.byref(total))
        finally:
            driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
    return free.value, total.value
