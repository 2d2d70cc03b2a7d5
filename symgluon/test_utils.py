"""Comparisons of arrays for tests, under the names of ``mx.test_utils``."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.device import Device, _current, current_device

__all__ = [
    "almost_equal", "assert_almost_equal", "default_context", "default_device", "same",
    "set_default_context", "set_default_device",
]  # fmt: skip

#: relative and absolute tolerance by size of the coarser dtype in bytes
_TOLERANCES = {2: (1e-2, 1e-1), 4: (1e-4, 1e-3), 8: (1e-5, 1e-20)}


def default_device() -> Device:
    """Device that tests run on: the current one."""
    return current_device()


def set_default_device(device: Device) -> None:
    """Make `device` this thread's current one, without a scope.

    Parameters
    ----------
    device : Device
        Where tests run from now on; in a ``with`` block of a device, until its end.

    Raises
    ------
    TypeError
        If `device` is no device.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.test_utils.set_default_device(mx.cpu(1))
    >>> mx.np.ones(2).device
    cpu(1)
    >>> mx.test_utils.set_default_device(mx.cpu())
    """
    if not isinstance(device, Device):
        raise TypeError(f"expected a device such as mx.cpu(1), received {device!r}")
    _current.set(device)


#: names of MXNet 1.x
default_context = default_device
set_default_context = set_default_device


def _numbers(value: Any) -> np.ndarray:
    return value.asnumpy() if hasattr(value, "asnumpy") else np.asarray(value)  # type: ignore[no-any-return]


def same(a: Any, b: Any) -> bool:
    """Whether two arrays have the same shape and numbers.

    Parameters
    ----------
    a, b : array
        Arrays of MXNet or NumPy.

    Returns
    -------
    bool
        Whether they are equal.
    """
    return bool(np.array_equal(_numbers(a), _numbers(b)))


def _tolerances(a: np.ndarray, b: np.ndarray, rtol: Any, atol: Any) -> tuple[float, float]:
    sizes = [x.dtype.itemsize for x in (a, b) if x.dtype.kind == "f"]
    usual = _TOLERANCES.get(min(sizes, default=8), _TOLERANCES[8])
    return usual[0] if rtol is None else rtol, usual[1] if atol is None else atol


def almost_equal(
    a: Any, b: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False
) -> bool:
    """Whether two arrays agree within tolerances.

    Parameters
    ----------
    a, b : array
        Arrays of MXNet or NumPy.
    rtol, atol : float, optional
        Relative and absolute tolerance; by dtype if left out.
    equal_nan : bool
        Whether a NaN equals a NaN.

    Returns
    -------
    bool
        Whether they agree.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.test_utils.almost_equal(mx.nd.ones((2,)), [1.0, 1.00001])
    True
    """
    x, y = _numbers(a), _numbers(b)
    relative, absolute = _tolerances(x, y, rtol, atol)
    return bool(np.allclose(x, y, rtol=relative, atol=absolute, equal_nan=equal_nan))


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
) -> None:
    """Refuse arrays that do not agree within tolerances.

    Parameters
    ----------
    a, b : array
        Arrays of MXNet or NumPy.
    rtol, atol : float, optional
        Relative and absolute tolerance; by dtype if left out.
    names : tuple of str
        What the arrays are called in the message.
    equal_nan : bool
        Whether a NaN equals a NaN.

    Raises
    ------
    AssertionError
        If they do not agree.
    """
    x, y = _numbers(a), _numbers(b)
    relative, absolute = _tolerances(x, y, rtol, atol)
    np.testing.assert_allclose(
        x, y, rtol=relative, atol=absolute, equal_nan=equal_nan, err_msg=f"{names[0]}, {names[1]}"
    )
