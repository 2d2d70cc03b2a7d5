"""Dtypes: names, MXNet's codes, and the one promotion table.

The rules are MXNet 2.0's, measured on 2.0.0b1, not NumPy's: an integer with a float gives that
float, scalars take the dtype of a float array, division of integers gives the default float.
Everything here is cached per argument pair, since it lies on the path of each eager call.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from symgluon.errors import DTypeError

DType = np.dtype[Any]

bool_ = np.dtype(np.bool_)
int8, int16, int32, int64 = (np.dtype(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{n}") for n in (8, 16, 32, 64))
float16, float32, float64 = (np.dtype(f"float{n}") for n in (16, 32, 64))

#: codes of MXNet's files and of its C interface; 12 (bfloat16) is made on first use
_BY_CODE: dict[int, DType] = {
    0: float32,
    1: float64,
    2: float16,
    3: uint8,
    4: int32,
    5: int8,
    6: int64,
    7: bool_,
    8: int16,
    9: uint16,
    10: uint32,
    11: uint64,
}
_CODE_BFLOAT16 = 12
_SUPPORTED = tuple(_BY_CODE.values())


class _Defaults(threading.local):
    """Per-thread default types: MXNet's float32, or NumPy's float64 and int64."""

    numpy_types: bool = False


_defaults = _Defaults()


def set_np_float64(active: bool) -> bool:
    """Make float64 (and int64 in ``arange``) this thread's default types, or MXNet's float32.

    Parameters
    ----------
    active : bool
        Which.

    Returns
    -------
    bool
        The old flag.
    """
    previous = _defaults.numpy_types
    _defaults.numpy_types = bool(active)
    return previous


def is_np_float64() -> bool:
    """Whether this thread's default float is float64 (``npx.set_np(dtype=True)``)."""
    return _defaults.numpy_types


def default_float() -> DType:
    """Return this thread's default float type."""
    return float64 if _defaults.numpy_types else float32


def default_int() -> DType:
    """Return the type of ``arange(3)``: float32 in MXNet, int64 under NumPy's types."""
    return int64 if _defaults.numpy_types else float32


_bfloat16: list[DType] = []


def bfloat16() -> DType:
    """Return the bfloat16 dtype.

    Raises
    ------
    DTypeError : if the package ``ml_dtypes``, which defines it for NumPy, is not installed.
    """
    if not _bfloat16:
        try:
            import ml_dtypes
        except ImportError as error:
            raise DTypeError(
                "bfloat16 needs the package ml_dtypes",
                hint="Install it with `pip install ml_dtypes`, or use float16 or float32.",
            ) from error
        _bfloat16.append(np.dtype(ml_dtypes.bfloat16))
    return _bfloat16[0]


_resolved: dict[Any, DType] = {}


def resolve(dtype: Any = None) -> DType:
    """Return the NumPy dtype that a name, type or dtype stands for.

    Parameters
    ----------
    dtype : str, type, np.dtype or None
        None is the thread's default float; ``int`` is int64, ``float`` float64 as in NumPy.

    Returns
    -------
    dtype
        One of MXNet's.

    Raises
    ------
    DTypeError
        For anything that is not one of MXNet's thirteen types.

    Examples
    --------
    >>> from symgluon import dtypes
    >>> dtypes.resolve("float16"), dtypes.resolve()
    (dtype('float16'), dtype('float32'))
    """
    if dtype is None:
        return float64 if _defaults.numpy_types else float32
    try:
        return _resolved[dtype]
    except KeyError:
        found = _resolved[dtype] = _resolve(dtype)
        return found
    except TypeError:  # not hashable
        return _resolve(dtype)


def _resolve(dtype: Any) -> DType:
    if isinstance(dtype, str) and dtype == "bfloat16":
        return bfloat16()
    try:
        found: DType | None = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError):
        found = None
    if found is not None:
        if found in _SUPPORTED:
            return found
        if found.name == "bfloat16":
            return bfloat16()
    raise DTypeError(
        f"no dtype {dtype!r}",
        expected=f"one of {', '.join(d.name for d in _SUPPORTED)}, bfloat16",
        received=repr(dtype),
    )


def name(dtype: Any) -> str:
    """Return MXNet's (and NumPy's) name of a dtype: ``"float32"``."""
    return resolve(dtype).name


def from_mx_code(code: int) -> DType:
    """Return the dtype of MXNet's numeric type code.

    Raises
    ------
    DTypeError : for a code that MXNet 2.0 does not define.
    """
    if code == _CODE_BFLOAT16:
        return bfloat16()
    try:
        return _BY_CODE[code]
    except KeyError:
        raise DTypeError(
            f"no dtype has MXNet's type code {code}", expected="a code from 0 to 12"
        ) from None


_codes = {dtype: code for code, dtype in _BY_CODE.items()}


def to_mx_code(dtype: Any) -> int:
    """Return MXNet's numeric type code of a dtype."""
    found = resolve(dtype)
    return _codes.get(found, _CODE_BFLOAT16)


_floats: dict[DType, bool] = {}


def is_float(dtype: DType) -> bool:
    """Whether a dtype is floating, bfloat16 included."""
    try:
        return _floats[dtype]
    except KeyError:
        resolved = resolve(dtype)
        answer = _floats[dtype] = resolved.kind == "f" or resolved.name == "bfloat16"
        return answer


def is_integer(dtype: DType) -> bool:
    """Whether a dtype is a signed or unsigned integer; bool is not."""
    return resolve(dtype).kind in "iu"


_promoted: dict[tuple[DType, ...], DType] = {}


def promote(*dtypes: DType) -> DType:
    """Return the dtype in which operands of `dtypes` meet, as in MXNet 2.0.

    An integer or bool with a float gives that float; floats give the widest, and bfloat16 with
    float16 float32; bool gives way to any other; unsigned with a wider signed integer gives the
    signed one, with one of the same or a smaller width the next wider signed one.

    Raises
    ------
    DTypeError : uint64 with a signed integer, which no integer type holds (MXNet refuses it too).
    """
    try:
        return _promoted[dtypes]
    except KeyError:
        result = _promoted[dtypes] = _promote_all(dtypes)
        return result


def _promote_all(dtypes: tuple[DType, ...]) -> DType:
    if not dtypes:
        raise DTypeError("promotion of no dtypes")
    found = [resolve(d) for d in dtypes]
    # floats first: uint64, int64 and float32 have a common type, uint64 and int64 have none
    floats = [d for d in found if is_float(d)]
    result, *rest = floats or found
    for other in rest:
        result = _promote_pair(result, other)
    return result


def _promote_pair(a: DType, b: DType) -> DType:
    if a == b:
        return a
    if is_float(a):
        if "bfloat16" in (a.name, b.name):
            other = b if a.name == "bfloat16" else a
            return float32 if other == float16 else other
        return max(a, b, key=lambda d: d.itemsize)
    common: DType = np.promote_types(a, b)
    if common.kind == "f":  # NumPy's answer to uint64 with a signed integer
        raise DTypeError(
            f"{a.name} and {b.name} have no common integer type",
            hint="Cast one of the two, for example with astype('int64').",
        )
    return common


def true_divide_type(a: DType, b: DType) -> DType:
    """Return the dtype of ``a / b``: the default float for two integers or bools.

    Parameters
    ----------
    a, b : dtype
        Of the operands.

    Returns
    -------
    dtype
        Of the quotient.
    """
    if is_float(a) or is_float(b):
        return promote(a, b)
    return float64 if _defaults.numpy_types else float32


def float_of(dtype: DType) -> DType:
    """Return `dtype` if it is floating, else the thread's default float."""
    if is_float(dtype):
        return dtype
    return float64 if _defaults.numpy_types else float32


#: what the transcendental functions of MXNet 2.0 give for integers (8- and 16-bit: float16); its
#: float16 for uint32 and uint64, which overflows at 65504, is not followed
_math_types: dict[DType, DType] = {
    **dict.fromkeys((bool_, int8, uint8, int16, uint16), float16),
    **dict.fromkeys((int32, int64, uint32, uint64), float32),
}


def math_type(dtype: DType) -> DType:
    """Return the dtype of ``exp(x)`` and its like for `x` of `dtype`, as measured on MXNet 2.0."""
    return _math_types.get(dtype, dtype)


_scalar_types: dict[tuple[DType, type], DType] = {}


def scalar_type(array_dtype: DType, scalar: Any) -> DType:
    """Return the dtype of an array (op) Python scalar, as measured on MXNet 2.0.

    A float array keeps its dtype; an integer array keeps it with a bool or int and becomes
    float64 with a float; a bool array becomes int64 with a bool or int, float64 with a float.
    True division of an integer array by a scalar is :func:`true_divide_type` instead.

    Parameters
    ----------
    array_dtype : dtype
        Of the array.
    scalar : bool, int, float or Dim
        The number.

    Returns
    -------
    dtype
        Of the result.
    """
    key = (array_dtype, type(scalar))
    try:
        return _scalar_types[key]
    except KeyError:
        result = _scalar_types[key] = _scalar_type(array_dtype, scalar)
        return result


def _scalar_type(array_dtype: DType, scalar: Any) -> DType:
    if is_float(array_dtype):
        return resolve(array_dtype)
    # NumPy's scalars count by their kind, not their width; a symbolic dimension is an integer
    numpy_scalar = isinstance(scalar, np.generic)
    if is_float(scalar.dtype) if numpy_scalar else isinstance(scalar, float):
        return float64
    return int64 if array_dtype == bool_ else resolve(array_dtype)
