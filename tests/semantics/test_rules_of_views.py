"""Views and writes: shared memory exactly where MXNet 2.0 (np) and 1.9 (nd) have it."""

import pytest
from semantics_nets import WAYS, fn, gradient, variable

import symgluon as mx

np, nd, autograd = mx.np, mx.nd, mx.autograd

SHARED = {
    "x[i]": lambda x: x[1],
    "x[a:b]": lambda x: x[1:3],
    "x[i, j]": lambda x: x[1, 2],
    "x[i, :]": lambda x: x[1, :],
    "x[None]": lambda x: x[None],
    "x[...]": lambda x: x[...],
    "detach": lambda x: x.detach(),
    "asarray": lambda x: np.asarray(x),
    "astype(copy=False)": lambda x: x.astype("float32", copy=False),
    "as_in_ctx": lambda x: x.as_in_ctx(x.device),
    "as_nd_ndarray": lambda x: x.as_nd_ndarray(),
}
COPIED = {
    "reshape": lambda x: x.reshape(4, 3),
    "T": lambda x: x.T,
    "ravel": lambda x: x.ravel(),
    "squeeze": lambda x: x.squeeze(),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "split": lambda x: np.split(x, 3)[0],
    "steps": lambda x: x[::2],
    "columns": lambda x: x[:, 1],
    "copy": lambda x: x.copy(),
    "advanced": lambda x: x[np.array([0, 1], dtype="int32")],
}


def base():
    return np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("name", SHARED)
def test_np_shares(name):
    x = base()
    view = SHARED[name](x)
    view[...] = 50
    assert x.max().item() == 50
    x[:] = 7
    assert set(view.asnumpy().ravel().tolist()) == {7}


@pytest.mark.parametrize("name", COPIED)
def test_np_copies(name):
    x = base()
    part = COPIED[name](x)
    part[...] = 50
    assert x.max().item() == 11


@pytest.mark.parametrize(
    ("take", "shared"),
    [
        (lambda x: x[1], True),
        (lambda x: x[1:3], True),
        (lambda x: x.reshape((4, 3)), True),
        (lambda x: x.detach(), True),
        (lambda x: x.T, False),
        (lambda x: x[:, 1], False),
        (lambda x: x.expand_dims(0), False),
    ],
    ids=["index", "slice", "reshape", "detach", "T", "column", "expand_dims"],
)
def test_nd_shares(take, shared):
    x = nd.arange(12).reshape((3, 4)).copy()
    take(x)[:] = 50
    assert bool(x.max().asscalar() == 50) is shared


@WAYS
def test_a_write_through_a_view_reaches_the_base(way):
    def function(x):
        rows = x[1:]
        rows[0] = rows[0] * 10
        nested = rows[1][:2]
        nested[:] = -1
        return x * 1

    x = base()
    out = fn(function, way)(x)
    want = [[0, 1, 2, 3], [40, 50, 60, 70], [-1, -1, 10, 11]]
    assert out.tolist() == want
    assert x.tolist() == want


@WAYS
def test_aliased_writes_are_seen_in_order(way):
    def function(x):
        a, b = x[0], x[0]
        a += 1
        b *= 10
        return a + b

    assert fn(function, way)(base()).tolist() == [20, 40, 60, 80]


@WAYS
def test_gradients_through_views_and_writes(way):
    def function(x):
        y = x * 2
        row = y[1]
        row[:] = row * row  # reads the old, writes the new
        y[0, 0] = 3
        return y

    (found,) = gradient(fn(function, way), base().asnumpy())
    want = (base().asnumpy() * 0 + 2).tolist()
    want[1] = [8.0 * v for v in (4, 5, 6, 7)]
    want[0][0] = 0
    assert found.tolist() == want


@WAYS
def test_a_write_inside_record_keeps_the_gradient_of_the_content_before(way):
    net = fn(lambda x: x * x, way)
    x = variable([1.0, 2.0])
    with autograd.record():
        y = net(x)
        x[:] = 10
        z = net(x)
    y.backward()
    assert x.grad.tolist() == [2, 4]
    assert z.tolist() == [100, 100]


def test_a_write_outside_record_makes_a_new_leaf():
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * x
    x[:] = 10
    with autograd.record():
        z = x * x
    z.backward()
    assert x.grad.tolist() == [20, 20]
    y.backward()
    assert x.grad.tolist() == [2, 4]


def test_what_mxnet_refuses_works():
    """Writes in a trace, and to tracked arrays under record."""
    x = variable([1.0, 2.0])
    with autograd.record():
        y = x * 2
        y += x
        y[0] = 0
    y.backward()
    assert x.grad.tolist() == [0, 3]
