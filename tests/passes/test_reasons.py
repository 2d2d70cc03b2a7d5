"""Every pass says what it did, how often, and why a candidate was left alone."""

import math

import numpy as np
import pytest
from pass_helpers import F, trace

from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph
from symgluon.ir.op import OPS
from symgluon.ir.types import TensorType
from symgluon.ops.call import Call
from symgluon.passes import manager, run_pipeline
from symgluon.passes.inline_calls import inline_calls
from symgluon.passes.manager import Pass
from symgluon.passes.specialise_shapes import specialise_shapes

F32 = np.dtype("float32")
X = [(4, 6)]


def ones(*shape):
    return np.ones(shape, "f4")


def twice(function):
    """The result of `function`, and what it reads, as two outputs."""

    def both(x):
        inner = function(x)
        return inner[1](inner[0]), inner[0]

    return both


# pass -> traced function, operands, names, words of the reason
LEFT_ALONE = {
    # simplify_algebra
    "simplify_algebra, neutral": (
        "simplify_algebra", lambda x: x + np.zeros((3, 4, 6), "f4"), X, False, "all 0 gives the result"),
    "simplify_algebra, difference": (
        "simplify_algebra", twice(lambda x: (x - F.exp(x), F.negative)), X, False, "is read elsewhere"),
    "simplify_algebra, exponent": (
        "simplify_algebra", lambda x: x**3.0, X, False, "no operator is simpler for the exponent 3"),
    "simplify_algebra, relu": (
        "simplify_algebra", lambda x: F.maximum(x, np.zeros((3, 4, 6), "f4")), X, False, "its shape"),
    "simplify_algebra, bounds": (
        "simplify_algebra", twice(lambda x: (F.maximum(x, 1.0), lambda y: F.minimum(y, 2.0))), X, False,
        "the bounded value %maximum is read elsewhere"),
    "simplify_algebra, order of bounds": (
        "simplify_algebra", lambda x: F.minimum(F.maximum(x, 2.0), 1.0), X, False, "wrong order"),
    "simplify_algebra, factors": (
        "simplify_algebra", twice(lambda x: (x * 2.0, lambda y: y * 3.0)), X, False,
        "the product %multiply is read elsewhere"),
    "simplify_algebra, large factors": (
        "simplify_algebra", lambda x: (x * 1e20) * 1e-20, X, False, "very large or small"),
    "simplify_algebra, casts": (
        "simplify_algebra", lambda x: F.cast(F.cast(x, dtype="int32"), dtype="float32"), X, False,
        "loses digits: float32 to int32"),
    # simplify_shape
    "simplify_shape, broadcast": (
        "simplify_shape",
        twice(lambda x: (F.broadcast_to(x, shape=(3, 4, 6)), F.exp)), X, False,
        "the broadcast %broadcast_to is read elsewhere"),
    "simplify_shape, parts": (
        "simplify_shape",
        lambda x: F.concatenate(*F.split(x, sections=2, axis=1)[::-1], axis=1), X, False,
        "does not join the parts"),
    "simplify_shape, another axis": (
        "simplify_shape",
        lambda x: F.concatenate(*F.split(x, sections=2, axis=1), axis=0), X, False,
        "cut along another axis"),
    "simplify_shape, join": (
        "simplify_shape",
        twice(lambda x: (F.concatenate(x, F.exp(x)), lambda y: F.concatenate(y, F.tanh(y)))), X, False,
        "its operand %concatenate is read elsewhere"),
    "simplify_shape, transpose": (
        "simplify_shape", lambda x: F.softmax(F.tanh(F.transpose(x))), X, False,
        "no transpose moves past it: %softmax reads it"),
    "simplify_shape, transpose at the end": (
        "simplify_shape", lambda x: F.tanh(F.transpose(x)), X, False, "its result is an output"),
    "simplify_shape, named transpose": (
        "simplify_shape",
        lambda x: F.transpose(x, axes=(1, 0, 2)), [(1, 4, 6)], "12", "several sizes are named"),
    # folding and merging
    "fold_constants, size": (
        "fold_constants", lambda x: x + F.broadcast_to(ones(1), shape=(5000,)), [(5000,)], False,
        "5000 elements"),
    "fold_constants, draws": (
        "fold_constants", lambda x: x + F.random_uniform(shape=(4, 6)), X, False,
        "random_uniform has effects"),
    "eliminate_common, outputs": (
        "eliminate_common", lambda x: (F.exp(x), F.exp(x)), X, False, "two outputs stay two values"),
    "eliminate_common, draws": (
        "eliminate_common",
        lambda x: x + F.random_uniform(shape=(4, 6)) * F.random_uniform(shape=(4, 6)), X, False,
        "it has effects"),
    "eliminate_dead, draws": (
        "eliminate_dead", lambda x: (F.random_gamma(x), F.exp(x))[1], X, False,
        "nobody reads it, but random_gamma has effects (random)"),
    "lift_random, computed": (
        "lift_random", lambda x: F.random_gamma(x), X, False, "its parameters are computed"),
    "lift_random, after": (
        "lift_random", lambda x: F.random_gamma(x) + F.random_uniform(shape=(4, 6)), X, False,
        "drawn after %random_gamma"),
    # fusing
    "fuse_patterns, read elsewhere": (
        "infer_ort",
        lambda x: (lambda t: (0.5 * x * (1.0 + t), t))(F.erf(x / math.sqrt(2))), X, False,
        "gelu at %multiply"),
    "fuse_patterns, scale": (
        "fuse_patterns", twice(lambda x: (x * 0.5, F.softmax)), X, False,
        "its scaled operand %multiply is read elsewhere"),
    "fuse_patterns, temperature": (
        "fuse_patterns", lambda x: F.softmax(x * -2.0), X, False, "is no temperature"),
    "fuse_elementwise, read": (
        "fuse_elementwise", twice(lambda x: (F.exp(x), F.tanh)), X, False,
        "which is read elsewhere too"),
    "fuse_elementwise, shape": (
        "fuse_elementwise", lambda x: F.exp(x) + F.tanh(ones(3, 4, 6) * x), X, False,
        "which has another shape"),
    "fuse_elementwise, layers": (
        "fuse_elementwise", lambda x: F.matmul(x, ones(6, 4)) + F.matmul(F.exp(x), ones(6, 4)), X, False,
        "which is a second layer"),
    # a sum and its normalisation
    "fuse_skip_norm, sum": (
        "fuse_skip_norm", lambda x: F.layer_norm(F.exp(x), ones(6), ones(6)), X, False, "is no sum"),
    "fuse_skip_norm, broadcast": (
        "fuse_skip_norm", lambda x: F.layer_norm(x + ones(6), ones(6), ones(6)), X, False, "broadcasts"),
    "fuse_skip_norm, read": (
        "fuse_skip_norm", twice(lambda x: (x + F.exp(x), lambda y: F.layer_norm(y, ones(6), ones(6)))),
        X, False, "is read elsewhere"),
    # casts and types
    "remove_amp_cast, integers": (
        "remove_amp_cast", lambda x: F.cast(F.cast(x, dtype="int32"), dtype="float32"), X, False,
        "from float32 to int32 to float32 is no cast of mixed precision"),
    "remove_amp_cast, one way": (
        "remove_amp_cast", lambda x: F.cast(F.cast(x, dtype="float16"), dtype="float64"), X, False,
        "does not go back"),
    # memory
    "mark_inplace, caller": (
        "mark_inplace", F.exp, X, False, "not over %x0, which lies in an array of the caller (a input)"),
    "mark_inplace, output": (
        "mark_inplace", twice(lambda x: (F.exp(x), F.tanh)), X, False, "which is an output"),
    "mark_inplace, later": (
        "mark_inplace", lambda x: (lambda y: F.tanh(y) + y)(F.exp(x)), X, False, "which is read later"),
    "mark_inplace, view": (
        "mark_inplace", lambda x: F.tanh(F.transpose(F.exp(x))), X, False, "does not fill its buffer"),
}  # fmt: skip


def traced(function, operands, names):
    if names == "12":  # only the axes 1 and 2 have names
        from symgluon.ir.dims import DimScope
        from symgluon.ops.region import Region, resolve_dims

        scope = DimScope()
        region = Region("test", scope)
        with region.active():
            shape = [n if a == 0 else scope.new(f"n{a}", n) for a, n in enumerate(operands[0])]
            graph = region.close([function(region.argument("x", TensorType(shape, F32)))])
        resolve_dims(graph, scope)
        return graph
    return trace(function, *operands, names=names)


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(name):
    passes, function, operands, names, words = LEFT_ALONE[name]
    report = run_pipeline(traced(function, operands, names), passes, explain=True)
    found = [r for r in report.reasons if r.startswith(name.split(",")[0])]
    assert any(words in r for r in found), report.reasons
    silent = run_pipeline(traced(function, operands, names), passes)
    assert silent.reasons == ()
    assert silent.totals() == report.totals()  # asking for reasons changes nothing


def test_every_registered_pass_has_a_case():
    covered = {name.split(",")[0] for name in LEFT_ALONE}
    # drop_stop_gradient leaves nothing alone; fuse_attention has a file; the others are below
    below = {"drop_stop_gradient", "fold_batch_norm", "legalise_types", "inline_calls", "clean_bodies",
             "plan_memory", "fuse_attention"}  # fmt: skip
    assert covered | below == set(manager._MODULES)


def nested(body):
    graph = Graph("outer")
    x = graph.add_input("x", TensorType((4, 6), F32))
    graph.set_outputs([graph.add(Call(body), [x], [x.type]).output])
    return graph


def test_calls_above_the_limit():
    graph = nested(trace(lambda x: F.exp(F.tanh(F.relu(x))), *X, name="Block"))
    own = Pass("inline_calls", lambda g: inline_calls(g, 2), "")
    report = run_pipeline(graph, [own], explain=True)
    assert report.reasons == (
        "inline_calls: %call: Block has 3 operators, more than inline_limit=2",
    )
    assert run_pipeline(graph, "inline_calls").kinds() == {"inline_calls": {"Block": 1}}


def test_reasons_and_counts_inside_bodies():
    graph = nested(trace(lambda x: (x**3.0) + 0.0, *X, name="Block"))
    report = run_pipeline(graph, "clean_bodies", explain=True)
    assert any("body Block: simplify_algebra: %power: no operator" in r for r in report.reasons)
    assert report.kinds()["clean_bodies"]["simplify_algebra: add"] == 1


def test_moved_narrow_types():
    pytest.importorskip("ml_dtypes")
    from symgluon import dtypes

    def function(x):
        return F.reshape(F.exp(x), shape=(24,))

    graph = trace(function, ((4, 6), dtypes.name(dtypes.resolve("bfloat16"))))
    report = run_pipeline(graph, "legalise_types", explain=True)
    assert report.kinds() == {"legalise_types": {"exp": 1}}
    assert report.reasons == (
        "legalise_types: %reshape: reshape moves bfloat16 numbers, it does not compute",
    )


def test_results_without_a_size():
    graph = Graph("g")
    x = graph.add_input("x", TensorType((8,), F32))
    found = graph.add(OPS["nonzero"](), [x], [TensorType((Dim("u"), 1), "int64")])
    graph.set_outputs([graph.add(OPS["sum"](), [found.output]).output])
    report = run_pipeline(graph, "plan_memory", explain=True)
    assert report.reasons == ("plan_memory: %nonzero: its size is not known before the call",)


def test_names_without_a_size():
    graph = trace(lambda x: x * 2.0, (2, 3), names=True)
    report = run_pipeline(graph, [specialise_shapes({"n0_1": 3})], explain=True)
    assert report.reasons == ("specialise_shapes: n0_0: no size was given",)
    assert list(report.kinds()["specialise_shapes"]) == ["n0_1=3"]


# ---- counts --------------------------------------------------------------------------------------
def conv(x, filters=4):
    one = (1, 1)
    return F.convolution(x, ones(filters, 4, 1, 1), ones(filters), kernel_shape=one, stride=one,
                         pad=(0, 0), dilate=one, num_filter=filters)  # fmt: skip


def norm(x):
    c = ones(4)
    return F.batch_norm_inference(x, c, c, c, c)


COUNTED = {
    "fold_batch_norm": (lambda x: (norm(conv(x)), conv(norm(x), 5)), {"after convolution": 1,
                                                                  "before convolution": 1}),
    "fuse_elementwise": (lambda x: F.relu(conv(x)), {"convolution + relu": 1}),
    "fuse_patterns": (
        lambda x: F.softmax(x * 0.5) + F.log(F.softmax(x)),
        {"softmax with scale": 1, "log_softmax": 1}),
    "eliminate_dead": (lambda x: (F.exp(x), F.split(x, sections=2, axis=1), x * 3.0)[0],
                       {"split": 1, "multiply": 1, "constant": 1}),
    "eliminate_common": (lambda x: F.exp(x) + F.exp(x), {"exp": 1}),
    "simplify_algebra": (lambda x: F.relu(F.relu(x)) + 0.0, {"relu": 1, "add": 1}),
    "simplify_shape": (lambda x: F.reshape(F.reshape(x, shape=(-1,)), shape=(4, -1)), {"reshape": 1}),
    "fold_constants": (lambda x: x + F.exp(ones(5)), {"exp": 1}),
    "lift_random": (lambda x: x + F.random_uniform(shape=(5,)), {"random_uniform": 1}),
    "drop_stop_gradient": (lambda x: F.stop_gradient(x) + x, {"stop_gradient": 1}),
    "mark_inplace": (lambda x: F.tanh(F.exp(x)), {"tanh": 1}),
    "plan_memory": (lambda x: F.tanh(F.exp(x)), {"best fit": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_counts_by_kind(name):
    function, kinds = COUNTED[name]
    report = run_pipeline(trace(function, (2, 4, 5, 5)), name)
    assert report.kinds() == {name: kinds}


def test_patterns_that_are_traced_meanwhile_count_nothing():
    graph = trace(lambda x: F.exp(x) / F.sum(F.exp(x), axis=-1, keepdims=True), *X)
    kinds = run_pipeline(graph, ["eliminate_common", "fuse_patterns"], explain=True).kinds()
    assert kinds == {"eliminate_common": {"exp": 1}, "fuse_patterns": {"softmax": 1}}
