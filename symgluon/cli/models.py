"""Opening models for the commands: MXNet's pair of files, ONNX files, recorded arrays."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.cli.common import InputSpec, UsageError, find_params, kind_of
from symgluon.cli.inspect import Facts
from symgluon.errors import FormatError


@dataclass
class Runner:
    """Something that maps named inputs to a list of outputs."""

    path: str
    inputs: list[InputSpec]
    run: Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]


def open_runner(path: str, specs: Sequence[InputSpec]) -> Runner:
    """Open a model or a file of recorded outputs."""
    kind = kind_of(path)
    if kind == "onnx":
        return _onnx_runner(path)
    if kind == "symbol":
        return _symbol_runner(path, specs)
    if kind == "npz":
        recorded = _load_npz(path)
        outputs = [recorded[k] for k in sorted_outputs(recorded)]
        return Runner(path, [], lambda feeds: outputs)
    raise UsageError(
        f"{path} holds parameters; verify runs models (.onnx, -symbol.json) or an .npz"
    )


def sorted_outputs(arrays: Mapping[str, Any]) -> list[str]:
    """Keys ``output/0``, ``output/1``, ... in order of their number."""
    keys = [k for k in arrays if k.startswith("output/") and k[7:].isdigit()]
    return sorted(keys, key=lambda k: int(k[7:]))


def _load_npz(path: str) -> dict[str, np.ndarray]:
    from symgluon.formats.params import load_params

    loaded = load_params(path)
    if not isinstance(loaded, dict):
        raise FormatError("expected an .npz of named arrays", path=path)
    return loaded


def recorded_inputs(paths: Sequence[str]) -> dict[str, np.ndarray] | None:
    """Return the ``input/NAME`` arrays of the first ``.npz`` among `paths` that has some."""
    for path in paths:
        if kind_of(path) != "npz":
            continue
        arrays = _load_npz(path)
        found = {k[6:]: v for k, v in arrays.items() if k.startswith("input/")}
        if found:
            return found
    return None


# ---- ONNX --------------------------------------------------------------------------------------
def load_onnx(path: str) -> Any:
    """Load a model file.

    Raises
    ------
    FormatError
        If it is no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise FormatError(f"not an ONNX model: {error}", path=path) from None
    if not model.graph.output:
        raise FormatError("not an ONNX model: it has no outputs", path=path)
    return model


def describe_onnx(model: Any) -> Facts:
    """Return inputs, outputs, operators and parameters of an ONNX model."""
    import onnx

    graph = model.graph
    opsets = ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
    facts = Facts("", f"ONNX, IR {model.ir_version}, {opsets}", 0)
    initial = {t.name for t in graph.initializer}
    facts.inputs = [_onnx_type(v) for v in graph.input if v.name not in initial]
    facts.outputs = [_onnx_type(v) for v in graph.output]
    facts.operators = dict(Counter(n.op_type for n in graph.node).most_common())
    for tensor in graph.initializer:
        dtype = dtypes.name(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        facts.parameters[tensor.name] = f"{dtype}[{','.join(map(str, tensor.dims))}]"
        facts.elements += int(np.prod(tensor.dims))
    if model.functions:
        names = ", ".join(f.name for f in model.functions[:6])
        facts.notes.append(f"{len(model.functions)} functions: {names}")
    facts.notes += [f"{p.key} = {p.value}" for p in model.metadata_props[:8]]
    return facts


def _onnx_type(value: Any) -> str:
    import onnx

    tensor = value.type.tensor_type
    dtype = dtypes.name(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    dims = [d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?")
            for d in tensor.shape.dim]  # fmt: skip
    return f"{value.name}: {dtype}[{','.join(dims)}]"


_ORT_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def _onnx_runner(path: str) -> Runner:
    from symgluon.backends.graph_sessions import open_model

    session = open_model(path)
    specs = []
    names: dict[str, int] = {}
    for value in session.get_inputs():
        # one size for each name, so that inputs that share a dimension agree
        shape = tuple(
            d if isinstance(d, int) else names.setdefault(str(d), 2) for d in value.shape
        )
        specs.append(InputSpec(value.name, shape, _ORT_TYPES.get(value.type, "float32"), {}))

    def run(feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        values = list(feeds.values())
        used = {}
        for i, spec in enumerate(specs):
            if spec.name not in feeds and i >= len(values):
                raise UsageError(f"{path}: no array for its input {spec.name!r}")
            array = feeds[spec.name] if spec.name in feeds else values[i]
            used[spec.name] = array.astype(spec.dtype, copy=False)
        return [np.asarray(o) for o in session.run(None, used)]

    return Runner(path, specs, run)


# ---- MXNet's pair of files ---------------------------------------------------------------------
def open_symbol(
    symbol: str, params: str, inputs: Sequence[InputSpec]
) -> tuple[Any, Any, list[str], dict[str, dict[int, str]]]:
    """Open MXNet's files: the block, the signature to trace it with, names, axes to keep free.

    Raises
    ------
    UsageError
        If the shape of an input is neither given nor stated in the file.
    """
    import symgluon as mx
    from symgluon.gluon.export import Signature
    from symgluon.gluon.symbol_block import SymbolBlock
    from symgluon.numpy import ndarray

    stated = SymbolBlock.inputs_of(symbol, params)
    given = {s.name: s for s in inputs}
    unknown = [n for n in given if n not in stated]
    if unknown:
        raise UsageError(
            f"{symbol} has no input {', '.join(unknown)}; its inputs are {', '.join(stated)}"
        )
    specs = []
    for name, shape in stated.items():
        if name in given:
            specs.append(given[name])
        elif shape is not None:
            specs.append(InputSpec(name, shape, "float32", {}))
        elif name.endswith("label") and given:
            continue  # the label of a loss head: prediction does not read it
        else:
            raise UsageError(
                f"{symbol} does not state the shape of its input {name!r}: give "
                f"--input {name}=N,3,224,224 (a word is a dimension that stays free)"
            )
    names = [s.name for s in specs]
    mx.npx.set_np()
    block = SymbolBlock.imports(symbol, names, params)
    block.hybridize()
    types = tuple((s.shape, np.dtype(dtypes.resolve(s.dtype)), ndarray) for s in specs)
    spec = ("list", *["*" for _ in specs])
    asked = {s.name: dict(s.dynamic) for s in specs if s.dynamic}
    return block, Signature(spec, types), names, asked


def _symbol_runner(path: str, specs: Sequence[InputSpec]) -> Runner:
    import symgluon as mx
    from symgluon.gluon.symbol_block import SymbolBlock

    params = find_params(path)
    stated = SymbolBlock.inputs_of(path, params)
    given = {s.name: s for s in specs}
    inputs = [
        given.get(n) or InputSpec(n, shape or (), "float32", {})
        for n, shape in stated.items()
        if n in given or shape is not None
    ]
    mx.npx.set_np()

    def run(feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        names = [n for n in stated if n in feeds]
        block = SymbolBlock.imports(path, names, params)
        out = block(*[mx.np.array(feeds[n], dtype=feeds[n].dtype) for n in names])
        outs = out if isinstance(out, list | tuple) else [out]
        return [o.asnumpy() for o in outs]

    return Runner(os.fspath(path), inputs, run)
