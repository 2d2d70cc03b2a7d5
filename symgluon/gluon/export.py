"""`HybridBlock.export`: one trace, three files (ONNX, MXNet's symbol and parameters) or none."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from symgluon.errors import AttributeValueError, SymgluonError, UnsupportedOpError
from symgluon.formats.atomic import write_group
from symgluon.formats.onnx.check import model_files
from symgluon.formats.onnx.external import ExternalData
from symgluon.formats.symbol_json import auxiliary_variables
from symgluon.gluon.structure import flatten, unflatten
from symgluon.gluon.trace import Traced
from symgluon.ir.dims import DimScope, user_line
from symgluon.ir.graph import Graph, Value
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from symgluon.gluon.hybrid import HybridBlock

OPSETS = range(13, 24)


class Signature(NamedTuple):
    """Arguments a block was called with: what is needed to trace it anew."""

    spec: Any
    types: tuple[tuple[tuple[int, ...], np.dtype[Any], type[Array]], ...]

    def arguments(self) -> list[Any]:
        """Arrays of the same types (of zeros: a trace reads no numbers)."""
        leaves = [
            wrap(np.broadcast_to(np.zeros((), dtype), shape), cls)
            for shape, dtype, cls in self.types
        ]
        return unflatten(self.spec, iter(leaves))  # type: ignore[no-any-return]


def signature_of(args: Sequence[Any]) -> Signature:
    """Return the signature of call arguments."""
    leaves: list[Array] = []
    spec = flatten(list(args), leaves)
    return Signature(spec, tuple((tuple(x.shape), x.dtype, type(x)) for x in leaves))


def input_names(count: int) -> list[str]:
    """Names that MXNet gives the inputs of a traced block: data, or data0, data1, ..."""
    return ["data"] if count == 1 else [f"data{i}" for i in range(count)]


class Exported(NamedTuple):
    """A traced block ready to be written."""

    traced: Traced
    graph: Graph
    arrays: dict[str, np.ndarray]  # parameters by name


@contextmanager
def _predicting() -> Iterator[None]:
    saved = (state.training, state.recording)
    state.training = state.recording = False
    try:
        yield
    finally:
        state.training, state.recording = saved


def export_block(
    block: HybridBlock,
    path: str | None,
    epoch: int,
    *,
    remove_amp_cast: bool,
    opset: int,
    dynamic_batch: bool,
    dynamic_axes: Mapping[Any, Any] | None,
    functions: bool,
    onnx: bool | str,
) -> Any:
    """Export `block`; see :meth:`HybridBlock.export`."""
    if opset not in OPSETS:
        raise AttributeValueError(f"export writes opsets 13 to 23, received opset={opset}")
    if not isinstance(epoch, int) or epoch < 0:
        raise AttributeValueError(f"epoch is a number >= 0, received {epoch!r}")
    if onnx not in (True, False, "only"):
        raise AttributeValueError(f'onnx is True, False or "only", received {onnx!r}')
    signature = block._signature
    if signature is None:
        raise RuntimeError(
            f"{type(block).__name__} was not called since it was hybridized, so its input shapes "
            "are unknown: call hybridize(), run it once, then export"
        )
    names = block._input_names or input_names(len(signature.types))
    with _predicting():
        exported = trace_for_export(
            block, signature, names, dynamic_batch=dynamic_batch, dynamic_axes=dynamic_axes
        )
    file = f"{path}-{epoch:04d}.onnx"

    def onnx_files() -> dict[str, Any]:
        external = ExternalData.beside(file)
        model = onnx_model(
            block, exported, names, opset=opset, functions=functions, amp=not remove_amp_cast,
            external=external,
        )  # fmt: skip
        return model_files(file, model, external)

    if path is not None and onnx == "only":
        write_group(onnx_files())
        return (file,)
    records = block._symbol_records(exported, names)
    auxiliary = auxiliary_variables(records)
    saved = {("aux:" if n in auxiliary else "arg:") + n: a for n, a in exported.arrays.items()}
    if path is None:
        return records, saved
    return _write(str(path), epoch, records, saved, onnx_files() if onnx else {})


def trace_for_export(
    block: HybridBlock,
    signature: Signature,
    names: Sequence[str],
    *,
    dynamic_batch: bool,
    dynamic_axes: Mapping[Any, Any] | None,
) -> Exported:
    """Trace `block` with the wanted dimensions free; those a guard pins are fixed, or an error."""
    exact = dynamic_axes is not None
    wanted = (
        _asked_axes(dynamic_axes or {}, signature, names)
        if exact
        else _batch_axes(signature) if dynamic_batch else {}
    )  # fmt: skip
    traced = _trace(block, signature, names, wanted)
    pinned = _pinned(traced, wanted)
    if pinned and exact:
        raise SymgluonError(
            "dynamic_axes: these dimensions cannot stay free: " + "; ".join(pinned.values()),
            where=f"block {type(block).__name__}",
            hint="change the code at the lines given, or leave these axes out of dynamic_axes",
        )
    if pinned:
        warnings.warn(
            "export: fixed at the size of the last call, because the graph depends on it: "
            + "; ".join(pinned.values()),
            stacklevel=4,
        )
        kept = {key: name for key, name in wanted.items() if name not in pinned}
        traced = _trace(block, signature, names, kept)
    return exported_of(traced)


def exported_of(traced: Traced) -> Exported:
    """Return a trace with the present values of its parameters."""
    names = {v: k for k, v in traced.graph.params.items()}
    arrays = {
        names[value]: source.what._mean_over_devices()
        for source, value in zip(traced.sources, traced.graph.operands(), strict=True)
        if source.kind == "slot"
    }
    return Exported(traced, traced.graph, arrays)


Wanted = dict[tuple[int, int], str]  # (leaf, axis) -> name


def _batch_axes(signature: Signature) -> Wanted:
    """Axis 0 of the first input that has one, and of all inputs of that size."""
    sizes = [shape[0] if shape else None for shape, _, _ in signature.types]
    first = next((n for n in sizes if n is not None), None)
    return {(i, 0): "batch" for i, n in enumerate(sizes) if n is not None and n == first}


def _asked_axes(asked: Mapping[Any, Any], signature: Signature, names: Sequence[str]) -> Wanted:
    wanted: Wanted = {}
    sizes: dict[str, int] = {}
    for key, axes in asked.items():
        if key not in names:
            raise AttributeValueError(
                f"dynamic_axes names the input {key!r}; the inputs are {', '.join(names)}"
            )
        leaf = list(names).index(key)
        shape = signature.types[leaf][0]
        pairs = axes.items() if isinstance(axes, Mapping) else [(a, None) for a in axes]
        for axis, given in pairs:
            if not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
                raise AttributeValueError(
                    f"dynamic_axes: input {key!r} of shape {shape} has no axis {axis!r}"
                )
            axis %= len(shape)
            name = given or f"{key}_dim{axis}"
            if sizes.setdefault(name, shape[axis]) != shape[axis]:
                raise AttributeValueError(
                    f"dynamic_axes: {name!r} is {sizes[name]} and {shape[axis]} in the last call; "
                    "axes of one name must have one size"
                )
            wanted[(leaf, axis)] = name
    return wanted


def _trace(
    block: HybridBlock, signature: Signature, names: Sequence[str], wanted: Wanted
) -> Traced:
    scope = DimScope()
    shared: dict[str, Any] = {}

    def dims(leaf: int, axis: int, size: Any) -> Any:
        name = wanted.get((leaf, axis))
        if name is None:
            return None
        if name not in shared:
            shared[name] = scope.new(name, size)
        return shared[name]

    traced = block._trace(
        signature.arguments(), input_names=names, dims=dims, scope=scope, functions=True
    )
    return _with_returned_arguments(traced)


def _with_returned_arguments(traced: Traced) -> Traced:
    """Let arguments that the block returns be results of the graph: a file has no handles."""
    graph, count = traced.graph, traced.results
    if count == len(traced.out_leaves):
        return traced
    values = {
        source.what: value
        for source, value in zip(traced.sources, graph.operands(), strict=True)
        if source.kind == "arg"
    }
    values.update((s.what, graph.outputs[i]) for i, s in traced.writes if s.kind == "arg")
    results = [
        values[index] if kind == "arg" else graph.outputs[index]
        for kind, index, _ in traced.out_leaves
    ]
    shift = len(results) - count
    graph.writes, old = {i + shift: v for i, v in graph.writes.items()}, graph.outputs
    graph.set_outputs([*results, *old[count:]])
    return traced._replace(
        out_leaves=[("out", i, cls) for i, (_, _, cls) in enumerate(traced.out_leaves)],
        writes=[(i + shift, source) for i, source in traced.writes],
        results=len(results),
    )


def _pinned(traced: Traced, wanted: Wanted) -> dict[str, str]:
    """Names of wanted dimensions that a guard depends on, with the guards as text."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(wanted.values()):
        guards = traced.scope.guards_on(name)
        if guards:
            found[name] = f"{name} (" + ", ".join(str(g) for g in guards) + ")"
    return found


def frozen(exported: Exported, *, parameters: bool = True) -> Graph:
    """Return a copy of the graph with captured arrays, and `parameters`, as constants."""
    source = exported.graph
    graph = source.copy()
    written = {source.operands().index(v) for v in source.writes.values()}
    pairs = list(zip(graph.operands(), exported.traced.sources, strict=True))
    for position, (value, origin) in enumerate(pairs):
        if origin.kind == "arg" or position in written:
            continue
        if origin.kind == "slot" and not parameters:
            continue
        graph.freeze(value, _array(origin, value, graph, exported))
    return graph


def _array(origin: Any, value: Value, graph: Graph, exported: Exported) -> np.ndarray:
    if origin.kind == "slot":
        name = next(k for k, v in graph.params.items() if v is value)
        return exported.arrays[name]
    return origin.what.numpy_content()  # type: ignore[no-any-return]


def onnx_model(
    block: HybridBlock,
    exported: Exported,
    names: Sequence[str],
    *,
    opset: int,
    functions: bool,
    amp: bool,
    external: ExternalData | None = None,
) -> Any:
    """Run the export passes and build the ONNX model."""
    from symgluon.formats.onnx.writer import build_model
    from symgluon.passes import run_pipeline
    from symgluon.passes.inline_calls import inline_calls

    graph = frozen(exported)
    limit = block._flags.inline_limit if functions else None
    inline_calls(graph, limit=limit)
    run_pipeline(graph, "export", disable=("remove_amp_cast",) if amp else ())
    writes = _name_results(graph, exported)
    return build_model(
        graph,
        opset=opset,
        functions=functions,
        external=external,
        metadata={"symgluon.block": type(block).__name__, **writes},
    )


def _name_results(graph: Graph, exported: Exported) -> dict[str, str]:
    """Written cells become pairs of input NAME and output NAME.next, noted in the metadata."""
    return {
        f"symgluon.state.{value.name}": f"output {index}" for index, value in graph.writes.items()
    }


def _write(
    path: str, epoch: int, records: Any, saved: dict[str, Any], files: dict[str, Any]
) -> Any:
    from symgluon.formats.params import params_bytes
    from symgluon.formats.symbol_records import write_symbol

    symbol, params = f"{path}-symbol.json", f"{path}-{epoch:04d}.params"
    group: dict[str, Any] = {symbol: write_symbol(records).encode(), params: params_bytes(saved)}
    write_group({**group, **files})
    return symbol, params


def refuse_state(graph: Graph) -> None:
    """Symbol files cannot say that a call changes state.

    Raises
    ------
    UnsupportedOpError
        If the graph writes cells.
    """
    if graph.writes:
        cells = ", ".join(v.name for v in graph.writes.values())
        raise UnsupportedOpError(
            f"the forward writes to {cells} also in predict mode; MXNet's symbol.json has no "
            "place for that",
            line=user_line() or None,
            hint='write state only under autograd.is_training(), or export(..., onnx="only")',
        )
