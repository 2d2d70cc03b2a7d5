"""Checks of a model: whether it is valid ONNX, and what ONNX Runtime makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.formats.onnx.external import ExternalData


class Difference(NamedTuple):
    """How one output differs from what is expected.

    Attributes
    ----------
    name : str
        The output.
    largest : float
        Largest absolute difference; infinite where shapes differ or only one side has NaN.
    allowed : float
        What the tolerance admits at that place.
    """

    name: str
    largest: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.largest <= self.allowed


def check_model(model: Any, external: ExternalData | None = None) -> bytes:
    """Let onnx check a model.

    Parameters
    ----------
    model : ModelProto
        The model.
    external : ExternalData, optional
        What `build_model` was given.

    Returns
    -------
    bytes
        The serialised model.

    Raises
    ------
    MXNetError
        If it is no valid ONNX: a fault of symgluon.
    """
    import onnx

    content: bytes = model.SerializeToString(deterministic=True)
    kept = external is not None and bool(external.arrays)
    try:
        onnx.checker.check_model(_without_external(model) if kept else content)
    except onnx.checker.ValidationError as error:
        raise SymgluonError(
            f"the model that was built is no valid ONNX: {error}",
            hint="please report this with the block that was exported",
        ) from error
    return content


def _without_external(model: Any) -> Any:
    """A copy whose external tensors are inputs: the checker would look for their file."""
    import onnx

    slim = onnx.ModelProto()
    slim.CopyFrom(model)
    inside = []
    for tensor in slim.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            inside.append(tensor)
            continue
        info = slim.graph.input.add(name=tensor.name)
        info.type.tensor_type.elem_type = tensor.data_type
        for n in tensor.dims:
            info.type.tensor_type.shape.dim.add(dim_value=n)
    inside = [t.SerializeToString() for t in inside]
    del slim.graph.initializer[:]
    for t in inside:
        slim.graph.initializer.add().ParseFromString(t)
    return slim


def model_files(path: str, model: Any, external: ExternalData | None = None) -> dict[str, Any]:
    """Check a model and return what to write: its own file, and the one beside it if it has one.

    Parameters
    ----------
    path : str
        File of the model.
    model : ModelProto
        The model.
    external : ExternalData, optional
        What `build_model` was given.

    Returns
    -------
    dict of str to bytes
        Content by path; chunks where it is large.
    """
    import os

    files: dict[str, Any] = {path: check_model(model, external)}
    if external is not None and external.arrays:
        files[os.path.join(os.path.dirname(path), external.location)] = external.chunks()
    return files


def run_model(model: Any, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run a model once in ONNX Runtime, on one thread.

    Parameters
    ----------
    model : ModelProto, bytes or str
        The model, serialised, or its path.
    feeds : mapping of str to numpy.ndarray
        Inputs by name.

    Returns
    -------
    list of numpy.ndarray
        The outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import symgluon as mx
    >>> from symgluon.formats.onnx.check import run_model
    >>> net = mx.gluon.nn.Dense(2, in_units=2)
    >>> net.initialize(init="ones")
    >>> net.hybridize()
    >>> _ = net(mx.np.ones((1, 2)))
    >>> (path,) = net.export("dense", onnx="only")
    >>> run_model(path, {"data": np.array([[1.0, 2.0]], np.float32)})
    [array([[3., 3.]], dtype=float32)]
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    source = model if isinstance(model, bytes | str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def compare_model(
    model: Any,
    feeds: Mapping[str, np.ndarray],
    expected: Sequence[np.ndarray],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> list[Difference]:
    """Run a model and compare each output with what is expected.

    Parameters
    ----------
    model : ModelProto, bytes or str
        The model, serialised, or its path.
    feeds : mapping of str to numpy.ndarray
        Inputs by name.
    expected : sequence of numpy.ndarray
        The outputs.
    rtol, atol : float
        Tolerances, relative to what is expected and absolute.

    Returns
    -------
    list of Difference
        One an output.

    Raises
    ------
    MXNetError
        If the model has another number of outputs.
    """
    results = run_model(model, feeds)
    if len(results) != len(expected):
        raise SymgluonError(
            "the model has another number of outputs",
            expected=len(expected),
            received=len(results),
        )
    pairs = zip(results, expected, strict=True)
    return [_difference(str(i), got, want, rtol, atol) for i, (got, want) in enumerate(pairs)]


def _difference(
    name: str, got: np.ndarray, want: np.ndarray, rtol: float, atol: float
) -> Difference:
    if got.shape != want.shape or got.dtype != want.dtype:
        return Difference(name, float("inf"), 0.0)
    if not got.size:
        return Difference(name, 0.0, 0.0)
    a, b = got.astype(np.float64), want.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf))
        allowed = np.nan_to_num(atol + rtol * np.abs(b), nan=0.0, posinf=0.0)
    worst = np.unravel_index(int(np.argmax(apart - allowed)), apart.shape)
    return Difference(name, float(apart[worst]), float(allowed[worst]))
