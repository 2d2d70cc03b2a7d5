"""Every operator, every sample, every property: the facets of a declaration agree.

An operator that cannot have a property stands in `EXCEPTIONS` with the reason.
"""

from __future__ import annotations

import numpy as np
import pytest
import table

from symgluon.errors import SymgluonError
from symgluon.ir import attrs as attribute_kinds
from symgluon.ir.op import MX_NAMES, OPS, Op

#: property -> operator -> why it does not hold
EXCEPTIONS: dict[str, dict[str, str]] = {
    "samples": {},
    "gradient": dict.fromkeys(
        (
            "linear_regression_output",
            "logistic_regression_output",
            "loss_scale",
            "mae_regression_output",
            "softmax_output",
            "svm_output",
        ),
        "its gradient is that of a loss, whatever cotangent arrives",
    )
    | {
        "box_nms": "moving the class number of a row makes it another class",
    },
    "types": {"nan_to_num": "the largest finite number depends on the dtype"},
    "second": {"ctc_loss": "its gradient comes from the algorithm, not from operators"},
    "sizes": {"rnn": "the lengths of sequences are bounded by data"},
    "onnx": {
        **dict.fromkeys(
            ("digamma", "erfinv", "gamma", "gammaln", "polygamma"),
            "ONNX has no operator for it, nor for what it would be computed from",
        ),
        **dict.fromkeys(("bincount", "histogram", "lstsq"), "ONNX cannot express it"),
        "ctc_loss": "training only; it runs on the interpreter",
        **dict.fromkeys(("gcd", "lcm"), "Euclid's algorithm is a loop over data"),
        **dict.fromkeys(
            (
                "cholesky",
                "eig",
                "eigh",
                "eigvals",
                "eigvalsh",
                "inv",
                "linalg_gelqf",
                "linalg_potrf",
                "linalg_potri",
                "linalg_syevd",
                "linalg_trsm",
                "pinv",
                "qr",
                "slogdet",
                "solve",
                "solve_triangular",
                "svd",
                "svd_values",
            ),
            "ONNX has no decompositions of matrices",
        ),
        **dict.fromkeys(
            (
                "bipartite_matching",
                "box_encode",
                "box_nms_grad",
                "box_nms_take",
                "multibox_target",
                "proposal",
                "roi_align_grad",
                "roi_pooling_grad",
                "roi_pooling_take",
            ),
            "training targets, and gradients of detectors: they run on the interpreter",
        ),
        **dict.fromkeys(("rnn[3]", "rnn_grad"), "unrolled: not with a free number of steps"),
        "mean[7]": "ONNX Runtime gives 0 for the mean of nothing, NumPy and MXNet NaN",
    },
    "onnx13": {
        **dict.fromkeys(
            ("bitwise_and", "bitwise_or", "bitwise_xor"),
            "ONNX has bitwise operators from opset 18 on",
        ),
        "roi_align": "ONNX aligns regions from opset 16 on",
    },
    "integers": {},
}
#: operators that read one triangle: their gradient is that on symmetric matrices
SYMMETRIC = {"cholesky", "eigh", "eigvalsh", "linalg_potrf", "linalg_syevd"}
#: modules whose operators lower integers themselves (layers only take floats)
INTEGERS_TOO = {
    "activation", "advanced", "arrange", "compare", "core", "create", "dynamic", "elementwise",
    "families", "index", "join", "linalg", "linalg_family", "matrix", "predicate", "random",
    "reduce", "scan", "scatter", "sequence", "shape", "sort", "statistics", "unary",
}  # fmt: skip
#: operators of other modules whose operands the samples here cannot give
SKIP = {"call", "cond", "custom", "custom_gradient", "foreach", "fused", "graph_op", "while_loop"}

NAMES = sorted(n for n in OPS if n not in SKIP)


def samples(name, kind=""):
    cls = OPS[name]
    left_out = EXCEPTIONS.get(kind, {})
    found = [
        (i, s, table.bind(name, s))
        for i, s in enumerate(cls.samples)
        if f"{name}[{i}]" not in left_out
    ]
    assert found, f"{name} has no samples"
    return found


def is_random(name):
    return "random" in OPS[name].effects


def exempt(kind, name):
    reason = EXCEPTIONS[kind].get(name)
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("name", NAMES)
def test_samples(name):
    exempt("samples", name)
    assert len(OPS[name].samples) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_infer(name):
    """Inferred types are those of the kernel's results; the kernel leaves operands alone."""
    for i, sample, op in samples(name):
        for dtype in ("float64", "float32"):
            arrays = table.coerced(op, table.operands(name, sample, dtype))
            before = [None if a is None else a.copy() for a in arrays]
            for a in arrays:
                if a is not None:
                    a.flags.writeable = False
            results = table.kernel(op, arrays)
            for a, b in zip(arrays, before, strict=True):
                if a is not None:
                    np.testing.assert_array_equal(a, b, err_msg=f"{name}[{i}] wrote to an operand")
            if not op.aliases:
                shared = [(r, a) for r in results for a in arrays if a is not None]
                assert not any(np.shares_memory(r, a) for r, a in shared), f"{name}[{i}] aliases"
            types = op.infer(*table.types_of(arrays))
            types = types if isinstance(types, tuple) else (types,)
            assert len(types) == len(results)
            for t, r in zip(types, results, strict=True):
                assert t.dtype == r.dtype, f"{name}[{i}]: {t} for {r.dtype}"
                assert table.same_where_known(t.shape, r.shape), f"{name}[{i}]: {t} for {r.shape}"
            for out, into in op.inplace:
                if into < len(arrays) and arrays[into].shape == results[out].shape:
                    assert arrays[into].dtype.itemsize >= results[out].dtype.itemsize or (
                        arrays[into].dtype.kind == "b"
                    )


def _precision(dtype):
    return 0.0 if dtype.kind in "biu" else float(np.finfo(dtype).eps)


def _into(op, out, arrays):
    with np.errstate(all="ignore"):
        return type(op).into(op, out, *arrays)


@pytest.mark.parametrize("name", [n for n in NAMES if OPS[n].into is not None])
def test_into(name):
    """What is written to a given array is what the kernel returns, also over an operand."""
    written = 0
    for i, sample, op in samples(name):
        for dtype in ("float64", "float32", "float16"):
            arrays = table.coerced(op, table.operands(name, sample, dtype))
            (expected,) = table.kernel(op, arrays)
            out = np.full_like(expected, 1 if expected.dtype.kind == "b" else 77, order="C")
            before = out.copy()
            if not _into(op, out, arrays):
                np.testing.assert_array_equal(out, before, err_msg=f"{name}[{i}] wrote, said no")
                continue
            written += 1
            # NumPy's loops and products differ in the last bit by where they write
            small = 4 * _precision(expected.dtype)
            table.assert_same([expected], [out], small, small, f"{name}[{i}]")
            for _, operand in op.inplace:
                if operand >= len(arrays) or arrays[operand].shape != expected.shape:
                    continue
                given = [None if a is None else np.array(a, order="C") for a in arrays]
                if given[operand].dtype == expected.dtype:
                    assert _into(op, given[operand].view(), given)
                    table.assert_same(
                        [expected], [given[operand]], small, small, f"over {operand}"
                    )
    assert written, f"{name} wrote nothing"


@pytest.mark.parametrize("symbolic", [False, True], ids=["numbers", "names"])
@pytest.mark.parametrize("name", NAMES)
def test_trace(name, symbolic):
    """A trace, with numbers or with names for all dimensions, replayed is the eager call."""
    for i, sample, op in samples(name):
        arrays = table.operands(name, sample)
        graph, hints = table.trace(op, arrays, symbolic)
        expected = table.call(op, arrays)
        for v, e in zip(graph.outputs, expected, strict=True):
            assert table.same_where_known(table.shape_at(v.type.shape, hints), e.shape), (
                i,
                v.type,
            )
            assert v.type.dtype == e.dtype, f"{name}[{i}]"
        if not is_random(name):
            got = table.run_graph(graph, arrays)
            table.assert_same(expected, got, 1e-12, 1e-13, f"{name}[{i}]")


@pytest.mark.parametrize("name", NAMES)
def test_other_sizes(name):
    """One symbolic trace serves all sizes that its guards admit, interpreted and as ONNX."""
    exempt("sizes", name)
    if is_random(name):
        pytest.skip("draws differ")
    onnx = name not in EXCEPTIONS["onnx"]
    for i, sample, op in samples(name, "onnx"):
        arrays = table.operands(name, sample, "float32")
        graph, hints = table.trace(op, arrays, symbolic=True)
        session = None
        for number, env in enumerate(table.other_sizes(graph, hints)):
            new = table.resized(graph, sample, arrays, env, np.random.default_rng(number))
            if new is None:
                continue
            what = f"{name}[{i}] {env}"
            try:
                expected = table.call(op, new)
            except SymgluonError as refused:
                pytest.fail(f"{what}: the guards admit what is refused: {refused}")
            table.assert_same(expected, table.run_graph(graph, new), 1e-5, 1e-6, what)
            if onnx:
                session = session or table.onnx_session(graph, 20)
                got = table.run_session(session, new)
                table.assert_same(expected, got, 5e-5, 5e-6, f"{what} ONNX")


@pytest.mark.parametrize("name", NAMES)
def test_float_types(name):
    """float16 and float32 give the dtype and about the numbers of float64."""
    exempt("types", name)
    if is_random(name):
        pytest.skip("draws differ")
    for i, sample, op in samples(name):
        wide = table.operands(name, sample, "float64")
        if not any(table.is_float(a) for a in wide):
            continue
        narrow = table.operands(name, sample, "float16")
        exact = table.call(op, [a.astype(np.float64) if table.is_float(a) else a for a in narrow])
        for dtype, tolerance in (("float16", 2e-2), ("float32", 2e-5)):
            arrays = [a.astype(dtype) if table.is_float(a) else a for a in narrow]
            results = table.call(op, arrays)
            for e, r in zip(exact, results, strict=True):
                assert e.shape == r.shape or "data_dependent" in dir(op)
                if e.dtype == np.float64 and "dtype" not in op.fields:
                    assert r.dtype == dtype, f"{name}[{i}]: {r.dtype} from {dtype}"
                if e.dtype.kind == "f":
                    np.testing.assert_allclose(
                        r.astype(np.float64), e, rtol=tolerance, atol=tolerance,
                        err_msg=f"{name}[{i}] {dtype}",
                    )  # fmt: skip


def takes_integers(name):
    return OPS[name].__module__.rpartition(".")[2] in INTEGERS_TOO


@pytest.mark.parametrize("name", [n for n in NAMES if takes_integers(n)])
def test_integer_types(name):
    """Integers and bools are taken as they are inferred, or refused with a clear error."""
    for i, sample, op in samples(name):
        base = table.operands(name, sample)
        if not any(table.is_float(a) for a in base):
            continue
        for dtype in ("int32", "int64", "uint8", "bool"):
            arrays = [
                np.nan_to_num(np.abs(a), posinf=9).astype(dtype) if table.is_float(a) else a
                for a in base
            ]
            try:
                seen = table.coerced(op, arrays)
                results = table.kernel(op, seen)
            except (SymgluonError, TypeError, IndexError):
                continue
            types = op.infer(*table.types_of(seen))
            types = types if isinstance(types, tuple) else (types,)
            for t, r in zip(types, results, strict=True):
                assert t.dtype == r.dtype, f"{name}[{i}] {dtype}: {t} for {r.dtype}"


@pytest.mark.parametrize("name", NAMES)
def test_gradient(name):
    """First and second gradient against central differences along random directions."""
    exempt("gradient", name)
    if OPS[name].no_grad:
        pytest.skip("has no gradient")
    second = name not in EXCEPTIONS["second"]
    for i, sample, op in samples(name):
        arrays = table.operands(name, sample)
        if not any(table.is_float(a) and a.size for a in arrays) or any(
            table.is_float(a) and not np.isfinite(a).all() for a in arrays
        ):
            continue
        rng = np.random.default_rng(i)
        errors = table.gradient_errors(op, arrays, rng, name in SYMMETRIC, second)
        if errors is None:
            continue
        assert errors[0] < 1e-5, f"{name}[{i}] {op}: first gradient off by {errors[0]:.1e}"
        if second:
            assert errors[1] < 1e-5, f"{name}[{i}] {op}: second gradient off by {errors[1]:.1e}"


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("name", NAMES)
def test_onnx(name, opset):
    """The ONNX form in ONNX Runtime gives the kernel's numbers; at 20 with symbolic sizes."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("symgluon.formats.onnx.writer")
    exempt("onnx", name)
    if opset == 13:
        exempt("onnx13", name)
    if is_random(name):
        pytest.skip("draws differ")
    for i, sample, op in samples(name, "onnx"):
        arrays = table.operands(name, sample, "float32")
        if any(a is not None and a.size == 0 for a in arrays) and opset == 13:
            continue
        graph, _ = table.trace(op, arrays, symbolic=opset == 20)
        got = table.run_onnx(graph, arrays, opset)
        table.assert_same(table.call(op, arrays), got, 2e-5, 2e-6, f"{name}[{i}] {op}")


INTEGER_ONNX = sorted(
    n
    for n in NAMES
    if not is_random(n)
    and takes_integers(n)
    and any(isinstance(s, tuple | int) for s in OPS[n].samples[0].operands)
)


@pytest.mark.parametrize("name", INTEGER_ONNX)
def test_onnx_integers(name):
    """On integers and bools the ONNX form gives the kernel's numbers, or there is none."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("symgluon.formats.onnx.writer")
    exempt("onnx", name)
    exempt("integers", name)
    _, sample, op = samples(name)[0]
    base = table.operands(name, sample)
    for dtype in ("int8", "int32", "int64", "uint8", "uint16", "bool"):
        arrays = [
            (np.abs(a) if dtype[0] == "u" else a * 3).astype(dtype)
            if table.is_float(a) and isinstance(s, tuple | int)
            else a
            for a, s in zip(base, sample.operands, strict=True)
        ]
        try:
            expected = table.call(op, arrays)
        except (SymgluonError, TypeError):
            continue
        graph, _ = table.trace(op, arrays, symbolic=False)
        try:
            got = table.run_onnx(graph, arrays, 20)
        except SymgluonError:
            continue
        table.assert_same(expected, got, 1e-3, 1e-3, f"{name} {dtype}")


ROUND_TRIP = sorted(
    n for n, t in MX_NAMES.items() if isinstance(t.target, type) and issubclass(t.target, Op)
)


@pytest.mark.parametrize("mx_name", ROUND_TRIP)
def test_mxnet_attributes(mx_name):
    """Attributes as MXNet's text give the operator back."""
    cls = MX_NAMES[mx_name].target
    for sample in cls.samples:
        op = cls(**sample.attrs)
        text = {k: attribute_kinds.show(v) for k, v in op.attrs().items()}
        kinds = {k: f.kind for k, f in cls.fields.items()}
        assert cls(**attribute_kinds.parse_all(mx_name, kinds, text)) == op


def test_exceptions_are_needed():
    """The table of exceptions names only operators that exist."""
    for kind, known in EXCEPTIONS.items():
        assert not {k.partition("[")[0] for k in known} - set(OPS), kind
