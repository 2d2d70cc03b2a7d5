"""Regions: captured and written cells, views, constants, pauses, guards."""

import numpy as np
import pytest

from symgluon.errors import TraceError
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops import F, state, wrap
from symgluon.ops.array import view
from symgluon.ops.call import GraphOp, set_graph_compiler
from symgluon.ops.region import Region, outside, resolve_dims
from symgluon.ops.replay import replay


def array(*shape, dtype=np.float64):
    return wrap(np.arange(1, 1 + int(np.prod(shape)), dtype=dtype).reshape(shape) / 7)


def run_graph(graph, *arrays):
    with outside():
        return [r._content() for r in replay(graph, [wrap(np.asarray(a)) for a in arrays])]


def trace(function, *shapes, dims=True):
    """Trace `function` at arguments of these shapes; returns graph, region."""
    scope = DimScope()
    region = Region("test", scope)
    with region.active():
        args = []
        for i, shape in enumerate(shapes):
            sizes = [scope.new(f"n{i}_{a}", n) if dims else n for a, n in enumerate(shape)]
            args.append(region.argument(f"x{i}", TensorType(sizes, np.dtype("f8"))))
        out = function(*args)
        graph = region.close(out if isinstance(out, list | tuple) else [out])
    resolve_dims(graph, scope)
    return graph, region


def test_trace_equals_eager_at_two_sizes():
    def function(a, b):
        return F.sum(F.tanh(a * b) + 2.5, axis=1)

    graph, region = trace(function, (2, 3), (1, 3))
    assert not any(g.relation != "==" for g in region.scope.guards)
    for n in (2, 5):
        a, b = array(n, 3), array(1, 3)
        np.testing.assert_array_equal(
            run_graph(graph, a._data, b._data)[0], function(a, b)._content()
        )


def test_a_captured_handle_becomes_one_operand():
    outer = array(3)
    graph, region = trace(lambda x: x * outer + outer, (2, 3), dims=False)
    assert len(graph.inputs) == 2
    assert [c for c, _ in region.captures.values()] == [outer]


def test_reading_shape_and_dtype_captures_nothing():
    outer = array(3)
    graph, _ = trace(lambda x: x * float(outer.shape[0]), (2,), dims=False)
    assert len(graph.inputs) == 1


def test_a_written_cell_is_an_extra_result():
    cell = array(2)
    before = cell._data.copy()

    def function(x):
        cell._assign(cell + x)
        return cell * 2

    graph, region = trace(function, (2,), dims=False)
    assert list(graph.writes) == [1]
    assert list(region.written.values()) == [cell]
    np.testing.assert_array_equal(cell._data, before)  # nothing happens while tracing
    out, new = run_graph(graph, np.ones(2), before)
    np.testing.assert_allclose(new, before + 1)
    np.testing.assert_allclose(out, 2 * (before + 1))


def test_a_write_through_a_view_reaches_the_base():
    for traced in (False, True):
        base = array(3, 2)

        def function(x, base=base):
            row = view(base, (1,))
            row._assign(row * 10 + x)
            part = view(view(base, (slice(0, 2),)), (1, 0))
            return base * 1, part * 1

        start = base._data.copy()
        if traced:
            graph, _ = trace(function, (2,), dims=False)
            whole, part, _ = run_graph(graph, np.ones(2), start)
        else:
            whole, part = (r._content() for r in function(wrap(np.ones(2))))
        want = start.copy()
        want[1] = want[1] * 10 + 1
        np.testing.assert_allclose(whole, want)
        np.testing.assert_allclose(part, want[1, 0])


def test_a_view_follows_later_writes_to_its_base():
    base = array(4)
    seen = view(base, (slice(1, 3),))
    base._write((2,), 50.0)
    np.testing.assert_array_equal(seen._content(), base._content()[1:3])
    base._assign(array(4) * 0)
    np.testing.assert_array_equal(seen._content(), [0, 0])


def test_writing_row_by_row_copies_once():
    x = array(5, 2)
    x._write((0,), 1.0)
    buffer = x._data
    for i in range(5):
        x._write((i,), float(i))
    assert x._data is buffer


def test_content_shared_with_another_handle_is_not_overwritten():
    a = array(3)
    b = F.reshape(a, shape=(3, 1))  # a view in NumPy's sense, a copy in ours
    kept = b._content().copy()
    a._write((0,), 99.0)
    np.testing.assert_array_equal(b._content(), kept)
    b._write((1,), -1.0)
    assert a._content()[1] != -1.0


def test_numbers_of_a_traced_array_cannot_be_read():
    def function(x):
        x.numpy_content("float(x)")
        return x

    with pytest.raises(TraceError, match=r"float\(x\).*traced") as error:
        trace(function, (2,))
    assert "test_regions.py" in str(error.value)
    assert "npx.cond" in str(error.value)


def test_an_array_of_an_earlier_trace_is_refused():
    kept = []
    trace(lambda x: kept.append(x * 2) or x, (2,))
    with pytest.raises(TraceError, match="earlier trace"):
        trace(lambda x: x + kept[0], (2,))
    with pytest.raises(TraceError):
        F.add(kept[0], 1.0)


def test_pause_cuts_the_gradient():
    def function(x):
        state.paused = True
        try:
            cut = x * 3
        finally:
            state.paused = False
        return cut * x

    graph, _ = trace(function, (2,), dims=False)
    assert any(n.op.name == "stop_gradient" for n in graph.nodes)


def test_equal_constants_are_stored_once():
    graph, _ = trace(lambda x: (x * 2.0) + (x * 2.0), (2,), dims=False)
    assert len(graph.constants) == 1


@pytest.mark.parametrize("dims", [False, True])
def test_shapes_compute_symbolically(dims):
    def function(x):
        n = x.shape[0]
        return F.reshape(x, shape=(n * x.shape[1],)) * 1.0

    graph, region = trace(function, (2, 3), dims=dims)
    out = run_graph(graph, np.ones((5, 3)) if dims else np.ones((2, 3)))[0]
    assert out.shape == ((15,) if dims else (6,))
    assert not region.scope.guards


def test_range_over_a_dimension_is_guarded():
    def function(x):
        total = x
        for _ in range(x.shape[0]):
            total = total + 1.0
        return total

    _, region = trace(function, (3,))
    (guard,) = region.scope.guards
    assert guard.holds({"n0_0": 3})
    assert not guard.holds({"n0_0": 4})
    assert "test_regions.py" in guard.line


def test_graph_op_is_an_ordinary_operator():
    set_graph_compiler_for_test()
    graph, _ = trace(lambda x: F.exp(x) + 1.0, (2, 3))
    op = GraphOp(graph)
    x = array(4, 3)
    np.testing.assert_allclose(op(x)._content(), np.exp(x._data) + 1)
    assert str(op.infer(x.type)) == "float64[4,3]"


def set_graph_compiler_for_test():
    """Interpret graphs by replaying them."""
    set_graph_compiler(lambda graph, options: lambda *arrays: tuple(run_graph(graph, *arrays)))
