"""Run one random tree in every way there is, and compare with the eager run.

Eager calls are the reference.  Hybridized on either backend, a call in training mode must give the
same outputs, gradients of parameters and inputs, and running statistics, for two batch sizes from
one block; files must give the same predictions (and, as a SymbolBlock, the same gradients).
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as onp
import onnx
import onnxruntime
from random_trees import Case, build

import symgluon as mx

#: largest accepted difference, relative to the scale of what is compared
TOLERANCE = {"float64": 1e-9, "float32": 2e-4, "float16": 2e-2}
#: largest accepted amplification of a relative change of inputs and parameters
CONDITION = {"float64": 1e4, "float32": 50.0, "float16": 3.0}

Arrays = dict[str, onp.ndarray]


class Result:
    """What one run gave: outputs by step, gradients by step, parameters at the end."""

    def __init__(self) -> None:
        self.outputs: Arrays = {}
        self.grads: Arrays = {}
        self.state: Arrays = {}


# ---- inputs and parameters -----------------------------------------------------------------------
def inputs_of(case: Case, dtype: str) -> list[list[onp.ndarray]]:
    """Two batches of inputs, of different sizes."""
    rng = onp.random.default_rng(7)
    found = []
    for n in case.batches:
        shape = (n, *case.shape)
        if case.tokens:
            found.append([rng.integers(0, case.tokens, shape).astype("int32")])
        else:
            found.append([rng.normal(size=shape).astype(dtype) for _ in range(case.inputs)])
    return found


def fill(net: Any, noise: float = 0.0) -> None:
    """Give every parameter values that no rule could mistake for ones or zeros."""
    rng, other = onp.random.default_rng(3), onp.random.default_rng(4)
    for name, parameter in net.collect_params().items():
        value = rng.normal(size=parameter.shape)
        if name.endswith("running_var"):
            value = 0.5 + abs(value)
        elif name.endswith(("gamma", "alpha", "scale")):
            value = 0.7 + 0.3 * abs(value)
        elif name.endswith("weight"):
            value /= max(1.0, onp.sqrt(value[0].size))
        else:
            value *= 0.3
        value *= 1 + noise * other.normal(size=value.shape)
        parameter.set_data(mx.np.array(value, dtype=parameter.dtype))


def _blank(case: Case, dtype: str = "") -> Any:
    net = build(case.tree)
    if (dtype or case.dtype) != "float32":
        net.cast(dtype or case.dtype)
    return net


def new(case: Case, dtype: str, noise: float = 0.0) -> Any:
    """Return the block of the case with its parameters."""
    net = _blank(case, dtype)
    net.initialize()
    net(*[mx.np.array(x, dtype=x.dtype) for x in inputs_of(case, dtype)[0]])
    fill(net, noise)
    return net


# ---- running -------------------------------------------------------------------------------------
def _listed(outs: Any) -> list[Any]:
    return list(outs) if isinstance(outs, list | tuple) else [outs]


def run(net: Any, batches: Sequence[Sequence[onp.ndarray]], *, training: bool = True) -> Result:
    """Predict and differentiate each batch (in training mode) and return all there is to see."""
    result = Result()
    result.outputs.update(predict(net, batches))
    mx.random.seed(11)
    rng = onp.random.default_rng(5)
    for step, batch in enumerate(batches):
        xs = [mx.np.array(x, dtype=x.dtype) for x in batch]
        for x in xs:
            if x.dtype.kind == "f":
                x.attach_grad()
        with mx.autograd.record(train_mode=training):
            outs = _listed(net(*xs))
        heads = [mx.np.array(rng.normal(size=o.shape), dtype=o.dtype) for o in outs]
        if outs[0]._node is not None:
            mx.autograd.backward(outs, heads, train_mode=training)
        for i, out in enumerate(outs):
            result.outputs[f"train{step}.{i}"] = out.asnumpy()
        for i, x in enumerate(xs):
            if x.grad is not None:
                result.grads[f"input{i}@{step}"] = x.grad.asnumpy().copy()
        for name, parameter in net.collect_params().items():
            if parameter.grad_req != "null":
                result.grads[f"{name}@{step}"] = parameter.grad().asnumpy().copy()
    for name, parameter in net.collect_params().items():
        result.state[name] = parameter.data().asnumpy().copy()
    return result


def predict(net: Any, batches: Sequence[Sequence[onp.ndarray]]) -> Arrays:
    """Outputs in prediction mode."""
    found: Arrays = {}
    for step, batch in enumerate(batches):
        xs = [mx.np.array(x, dtype=x.dtype) for x in batch]
        for i, out in enumerate(_listed(net(*xs))):
            found[f"predict{step}.{i}"] = out.asnumpy()
    return found


# ---- comparing -----------------------------------------------------------------------------------
def _scale(arrays: Arrays) -> float:
    largest = [float(onp.max(onp.abs(a.astype("float64")))) for a in arrays.values() if a.size]
    return max([1e-3, *largest])


def difference(got: Arrays, want: Arrays, *, together: bool) -> tuple[float, str]:
    """Largest difference relative to the scale (of all arrays, or of each), and where it is."""
    assert got.keys() == want.keys(), f"{sorted(got)} against {sorted(want)}"
    worst, where = 0.0, ""
    common = _scale(want) if together else 0.0
    for name, a in want.items():
        b = got[name]
        assert b.shape == a.shape, f"{name}: shape {b.shape} against {a.shape}"
        assert b.dtype == a.dtype, f"{name}: dtype {b.dtype} against {a.dtype}"
        if not a.size:
            continue
        scale = common or _scale({name: a})
        off = float(onp.max(onp.abs(b.astype("float64") - a.astype("float64")))) / scale
        if not off <= worst:  # NaN is worst
            worst, where = off, name
    return worst, where


def compare(how: str, got: Result, want: Result, tolerance: float) -> None:
    for what in ("outputs", "grads", "state"):
        off, where = difference(getattr(got, what), getattr(want, what), together=what == "grads")
        assert off <= tolerance, f"{how}: {what} differ by {off:.3g} of the scale at {where}"


def compare_outputs(how: str, got: Arrays, want: Arrays, tolerance: float) -> None:
    wanted = {name: a for name, a in want.items() if name.startswith("predict")}
    off, where = difference(got, wanted, together=False)
    assert off <= tolerance, f"{how}: outputs differ by {off:.3g} of the scale at {where}"


def exact_result(case: Case) -> tuple[Result, float]:
    """Return the eager result in float64, and by how much it amplifies small relative changes.

    A tree that normalises constant data, or whose relu sits at exactly zero, has no outputs or
    gradients that two orders of summation agree on: it says nothing about either.
    """
    noise = 1e-7
    rng = onp.random.default_rng(6)
    batches = inputs_of(case, "float64")
    moved = [[x if case.tokens else x * (1 + noise * rng.normal(size=x.shape)) for x in b]
             for b in batches]  # fmt: skip
    want = run(new(case, "float64"), batches)
    got = run(new(case, "float64", noise), moved)
    amplification = distance(got, want) / noise
    if case.dtype == "float16":  # neither overflow nor subnormal numbers
        arrays = [*want.outputs.values(), *want.grads.values()]
        if not all(_scale({"": a}) < 1e3 for a in arrays):
            amplification = onp.inf
    return want, amplification


def distance(got: Result, want: Result) -> float:
    """Largest difference of outputs and gradients, whatever their dtypes."""
    found = 0.0
    for what in ("outputs", "grads"):
        a = {k: v.astype("float64") for k, v in getattr(got, what).items()}
        b = {k: v.astype("float64") for k, v in getattr(want, what).items()}
        found = onp.maximum(found, difference(a, b, together=what == "grads")[0])  # keeps NaN
    return float(found)


# ---- the ways ------------------------------------------------------------------------------------
def hybridized(case: Case, net: Any, batches: Any, backend: str) -> Result:
    flags = {"inline_limit": case.inline_limit, "static_alloc": case.static_alloc,
             "static_shape": case.static_shape, "forward_bulk_size": case.bulks[0],
             "backward_bulk_size": case.bulks[1]}  # fmt: skip
    net.optimize_for(*[mx.np.array(x, dtype=x.dtype) for x in batches[0]], backend=backend,
                     **flags)  # fmt: skip
    return run(net, batches)


def onnx_outputs(path: str, batches: Any) -> Arrays:
    """Outputs of the file in plain ONNX Runtime."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        # its optimiser trips over nodes that it has no kernel for: without it it says so
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    found: Arrays = {}
    for step, batch in enumerate(batches):
        feeds = dict(zip(names, batch, strict=True))
        for i, out in enumerate(session.run(None, feeds)):
            found[f"predict{step}.{i}"] = out
    return found


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("error")
        # sizes that a tree depends on are fixed, and told: that is not what is tested here
        warnings.filterwarnings("ignore", message="export: fixed at the size")
        yield Path(name)


def check(case: Case) -> bool:
    """Run `case` in every way and compare; False for an ill-conditioned tree."""
    exact, amplification = exact_result(case)
    if not amplification <= CONDITION[case.dtype]:
        return False
    dtype, tolerance = case.dtype, TOLERANCE[case.dtype]
    batches = inputs_of(case, dtype)
    with _folder() as folder:
        net = new(case, dtype)
        net.save_parameters(str(folder / "net.params"))
        net.save(str(folder / "whole"))
        want = run(net, batches)
        rounding = distance(want, exact)
        if dtype != "float16" and not case.tokens:  # rows of equal tokens may be constant
            assert rounding < 100 * tolerance, f"eager {dtype} is off by {rounding:.3g}"
        if not rounding <= tolerance / 3:
            return False
        assert want.outputs["predict0.0"].shape == (case.batches[0], *case.out)

        net.load_parameters(str(folder / "net.params"))
        compare("numpy", hybridized(case, net, batches, "numpy"), want, tolerance)

        loaded = _blank(case)
        loaded.load_parameters(str(folder / "net.params"))
        compare_outputs("load_parameters", predict(loaded, batches), want.outputs, 0.0)
        compare("onnxruntime", hybridized(case, loaded, batches, "onnxruntime"), want, tolerance)

        whole = _blank(case)
        whole.load(str(folder / "whole"))
        compare_outputs("load", predict(whole, batches), want.outputs, 0.0)

        whole.hybridize(inline_limit=case.inline_limit)
        whole(*[mx.np.array(x, dtype=x.dtype) for x in batches[0]])
        symbol, params = whole.export(str(folder / "out"), opset=case.opset)
        free = _is_free(folder / "out-0000.onnx")
        exported(case, folder, batches[: 2 if free else 1], want, tolerance)

        names = ["data"] if case.inputs == 1 else ["data0", "data1"]
        imported = mx.gluon.SymbolBlock.imports(symbol, names, params)
        compare_symbol(imported, whole, batches, tolerance)
    return True


def _is_free(path: Path) -> bool:
    dims = onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim
    return not dims[0].HasField("dim_value")


def exported(case: Case, folder: Path, batches: Any, want: Result, tolerance: float) -> None:
    """Compare the ONNX file; where plain ONNX Runtime lacks float64 kernels, in float32."""
    wanted = {k: v for k, v in want.outputs.items()
              if k.startswith("predict") and int(k[7]) < len(batches)}  # fmt: skip
    try:
        got = onnx_outputs(str(folder / "out-0000.onnx"), batches)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        assert case.dtype == "float64"
        single = build(case.tree)
        single.load_parameters(str(folder / "net.params"), cast_dtype=True)
        batches = inputs_of(case, "float32")[: len(batches)]
        wanted = {k: v.astype("float32") for k, v in wanted.items()}
        tolerance = TOLERANCE["float32"]
        if not difference(predict(single, batches), wanted, together=False)[0] <= tolerance / 3:
            return  # ill-conditioned in float32
        single.hybridize(inline_limit=case.inline_limit)
        single(*[mx.np.array(x, dtype=x.dtype) for x in batches[0]])
        single.export(str(folder / "single"), opset=case.opset)
        got = onnx_outputs(str(folder / "single-0000.onnx"), batches)
    compare_outputs(f"onnx, opset {case.opset}", got, wanted, tolerance)


def compare_symbol(imported: Any, net: Any, batches: Any, tolerance: float) -> None:
    """The symbol file gives the predictions and the gradients of the block in prediction mode."""
    names = {id(p): n for n, p in reversed(list(net.collect_params().items()))}
    first = set(names.values())
    want, got = run(net, batches, training=False), run(imported, batches, training=False)
    for result in (want, got):
        result.grads = {k: v for k, v in result.grads.items()
                        if k.startswith("input") or k.split("@")[0] in first}  # fmt: skip
        result.state = {}
    shared = want.grads.keys() & got.grads.keys()
    want.grads = {k: want.grads[k] for k in shared}
    got.grads = {k: got.grads[k] for k in shared}
    compare("symbol.json", got, want, tolerance)
