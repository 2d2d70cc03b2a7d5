"""MXNet's names of functions that create arrays."""

from __future__ import annotations

from typing import Any

from symgluon import dtypes
from symgluon.ir.attrs import DType, Shape
from symgluon.ops.apply import F
from symgluon.ops.mx import cast_to, mx_function


@mx_function("_eye _npi_eye")
def eye(*, N: int, M: int | None = None, k: int = 0, dtype: DType = "float32") -> Any:
    """Ones on diagonal `k`; 0 columns are as many as rows."""
    return F.eye(N=N, M=M or N, k=k, dtype=dtype)


@mx_function("_npi_identity")
def identity(*, shape: Shape, dtype: DType = "float32") -> Any:
    """The identity matrix."""
    return F.eye(N=shape[0], M=shape[-1], k=0, dtype=dtype)


@mx_function("_npi_tri")
def tri(*, N: int, M: int | None = None, k: int = 0, dtype: DType = "float32") -> Any:
    """Ones at and below diagonal `k`."""
    return F.tri(N=N, M=N if M is None else M, k=k, dtype=dtype)


@mx_function("_npi_indices")
def indices(*, dimensions: Shape, dtype: DType = "int64") -> Any:
    """Indices of a grid."""
    return F.indices(dimensions=dimensions, dtype=dtype)


@mx_function("_npi_hanning")
def hanning(*, M: int, dtype: DType = "float32") -> Any:
    """Hanning window."""
    return F.hanning(M=M, dtype=dtype)


@mx_function("_npi_hamming")
def hamming(*, M: int, dtype: DType = "float32") -> Any:
    """Hamming window."""
    return F.hamming(M=M, dtype=dtype)


@mx_function("_npi_blackman")
def blackman(*, M: int, dtype: DType = "float32") -> Any:
    """Blackman window."""
    return F.blackman(M=M, dtype=dtype)


@mx_function("_zeros_without_dtype")
def zeros_without_dtype(*, shape: Shape = (), dtype: int = -1) -> Any:
    """Zeros; -1 stands for the default float."""
    import numpy as np

    kind = dtypes.default_float() if dtype < 0 else dtypes.from_mx_code(dtype)
    return F.full(np.zeros((), kind), shape=shape)


@mx_function("_npi_logspace")
def logspace(
    *, start: float, stop: float, num: int, endpoint: bool = True, base: float = 10.0,
    dtype: DType = "float32",
) -> Any:  # fmt: skip
    """Numbers spaced evenly on a logarithmic scale."""
    return F.logspace(
        start=start, stop=stop, num=num, endpoint=endpoint, base=base, dtype=dtype
    )


@mx_function("_linspace")
def linspace(
    *, start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1,
    infer_range: bool = False, dtype: DType = "float32",
) -> Any:  # fmt: skip
    """`step` numbers spaced evenly from `start` to `stop`."""
    low, high = (0.0, start) if stop is None else (start, stop)
    return F.linspace(start=low, stop=high, num=int(step), endpoint=True, dtype=dtype)


@mx_function("_npi_linspace")
def npi_linspace(
    *, start: float | None = None, stop: float | None = None, step: float | None = None,
    start_double: float | None = None, stop_double: float | None = None,
    start_int: float | None = None, stop_int: float | None = None,
    start_uint: float | None = None, stop_uint: float | None = None, num: int | None = None,
    endpoint: bool = True, repeat: int = 1, infer_range: bool = False, value_type: str = "",
    dtype: DType | None = None,
) -> Any:  # fmt: skip
    """`num` numbers spaced evenly; 1.9 calls their number `step`."""
    chosen = {"i": (start_int, stop_int), "u": (start_uint, stop_uint)}.get(
        value_type[:1], (start_double, stop_double)
    )
    low, high = (start, stop) if start is not None else chosen
    count = int(step or 0) if num is None else num
    kind = dtypes.default_float() if dtype is None else dtype
    found = F.linspace(
        start=float(low or 0), stop=float(high or 0), num=count, endpoint=endpoint, dtype=kind
    )
    return cast_to(found, kind)
