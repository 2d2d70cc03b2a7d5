"""`mx.autograd` over blocks: custom functions, shared parameters, modes, mixed graphs."""

import numpy as onp
import pytest

import symgluon as mx
from symgluon.gluon import Block, HybridBlock, Parameter, nn

np, npx, autograd = mx.np, mx.npx, mx.autograd
WAYS = pytest.mark.parametrize("way", ["eager", "numpy", "onnxruntime"])


def run_in(net, way, *xs):
    if way != "eager":
        net.optimize_for(*xs, backend=way)
    return net


class Clipped(autograd.Function):
    """The identity, whose gradient is cut to [-limit, limit]."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        return x * 1

    def backward(self, d):
        return np.clip(d, -self.limit, self.limit)


class Straight(autograd.Function):
    """The sign, with a straight-through gradient of its own operand saved."""

    def forward(self, x, y):
        self.save_for_backward(x, y)
        return np.sign(x) * y, x + y

    def backward(self, d1, d2):
        x, y = self.saved_tensors
        return d1 * y * 7 + d2, d1 * np.sign(x) + d2


class WithFunctions(HybridBlock):
    def __init__(self):
        super().__init__()
        self.w = Parameter("w", shape=(2,), init="ones")

    def forward(self, x):
        a, b = Straight()(x, self.w.data())
        return Clipped(0.5)(a * 3) + b


@WAYS
def test_custom_functions_in_a_block(way):
    net = WithFunctions()
    net.initialize()
    net.w.set_data(np.array([2.0, 3.0]))
    x = np.array([1.0, -4.0])
    run_in(net, way, x)
    x.attach_grad()
    with autograd.record():
        y = net(x)
    y.backward()
    assert y.tolist() == [1 * 2 * 3 + 3, -3 * 3 - 1]
    # the cotangent of a is 0.5 * 3; that of b is 1
    assert x.grad.tolist() == [1.5 * 2 * 7 + 1, 1.5 * 3 * 7 + 1]
    assert net.w.grad().tolist() == [1.5 + 1, -1.5 + 1]


@WAYS
def test_second_order_through_a_custom_function(way):
    class Cube(autograd.Function):
        def forward(self, x):
            self.save_for_backward(x)
            return x * x * x

        def backward(self, d):
            (x,) = self.saved_tensors
            return d * 3 * x * x

    net = run_in(nn.HybridLambda(lambda x: Cube()(x)), way, np.array([2.0]))
    x = np.array([2.0])
    x.attach_grad()
    with autograd.record():
        (first,) = autograd.grad(net(x), x, create_graph=True, retain_graph=True)
    assert first.tolist() == [12]
    first.backward()
    assert x.grad.tolist() == [12]


def test_a_block_with_custom_functions_is_exported_as_its_forward(tmp_path):
    import onnxruntime

    net = WithFunctions()
    net.initialize()
    net.hybridize()
    x = np.array([[1.0, -4.0], [2.0, 3.0], [-1.0, 0.5]])
    want = net(x).asnumpy()
    net.export(str(tmp_path / "net"))
    session = onnxruntime.InferenceSession(tmp_path / "net-0000.onnx")
    (found,) = session.run(None, {"data": x.asnumpy()})
    onp.testing.assert_allclose(found, want)


def test_a_function_without_gradient_for_an_input():
    class Pick(autograd.Function):
        def forward(self, x, y):
            return x * y

        def backward(self, d):
            return d, None

    x, y = np.ones((2,)), np.ones((2,))
    x.attach_grad()
    y.attach_grad()
    with autograd.record():
        z = Pick()(x, y)
    z.backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([1, 1], [0, 0])


def test_errors_of_a_users_backward_pass_through():
    class Bad(autograd.Function):
        def forward(self, x):
            return x * 2

        def backward(self, d):
            raise KeyError("mine")

    x = np.ones((2,))
    x.attach_grad()
    with autograd.record():
        y = Bad()(x)
    with pytest.raises(KeyError, match="mine"):
        y.backward()
    assert not autograd.is_recording()


@WAYS
@pytest.mark.parametrize("req", ["write", "add", "null"])
def test_a_shared_parameter_sums_its_gradients_once_a_backward(way, req):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, use_bias=False), nn.Dense(2, in_units=2, use_bias=False))
    net[1].share_parameters(net[0].collect_params())
    net.initialize(mx.init.One())
    net.setattr("grad_req", req)
    x = np.ones((1, 2))
    run_in(net, way, x)
    x.attach_grad()
    for _ in range(2):
        with autograd.record():
            loss = net(x).sum()
        loss.backward()
    assert x.grad.tolist() == [[4, 4]]
    if req == "null":
        with pytest.raises(RuntimeError):
            net[0].weight.grad()
    else:
        assert net[0].weight.grad()[0].tolist() == [4 * (1 + (req == "add"))] * 2


class Plain(Block):
    """Python that no trace could follow."""

    def __init__(self, child):
        super().__init__()
        self.child = child

    def forward(self, x):
        y = self.child(x)
        return y * 2 if float(y.sum()) > 0 else y * 3


def test_plain_and_hybridized_blocks_and_operators_form_one_graph():
    first, second = nn.Dense(2, in_units=2), nn.Dense(1, in_units=2)
    net = nn.Sequential()
    net.add(Plain(first), nn.Lambda(lambda x: x + 1), second)
    net.initialize(mx.init.One())
    grads = []
    for active in (False, True):
        first.hybridize(active)
        second.hybridize(active)
        x = np.array([[1.0, 2.0]])
        x.attach_grad()
        with autograd.record():
            loss = (net(x) * x.sum()).sum()
        loss.backward()
        grads.append(
            [x.grad.tolist(), *[p.grad().tolist() for p in net.collect_params().values()]]
        )
    assert grads[0] == grads[1]
    # with s = x1 + x2: loss = 2 (2 s + 1) s
    assert grads[0][0] == [[8 * 3 + 2, 8 * 3 + 2]]


@WAYS
def test_modes_inside_a_forward(way):
    def forward(x):
        with autograd.predict_mode():
            a = npx.dropout(x, p=0.5)
        with autograd.train_mode():
            b = npx.dropout(x, p=0.5)
        with autograd.pause():
            c = x * 10
        return a + b * 0 + c * x

    net = run_in(nn.HybridLambda(forward), way, np.ones((50,)))
    x = np.ones((50,))
    x.attach_grad()
    with autograd.record():
        y = net(x)
    y.backward()
    assert set(y.tolist()) == {11}
    assert set(x.grad.tolist()) == {11}


def test_set_recording_and_set_training_drive_a_whole_step():
    net = nn.Dropout(0.5)
    x = np.ones((100,))
    x.attach_grad()
    assert autograd.set_recording(True) is False
    assert autograd.set_training(True) is False
    y = net(x)
    assert autograd.set_recording(False) is True
    assert autograd.set_training(False) is True
    y.backward()
    onp.testing.assert_array_equal(x.grad.asnumpy(), y.asnumpy())
    assert set(y.tolist()) == {0, 2}


@pytest.mark.parametrize("train_mode", [True, False])
def test_backward_runs_its_rules_in_the_mode_it_is_told(train_mode):
    seen = []

    class Look(autograd.Function):
        def forward(self, x):
            return x * 1

        def backward(self, d):
            seen.append((autograd.is_training(), autograd.is_recording()))
            return d

    x = np.ones((2,))
    x.attach_grad()
    with autograd.record():
        y = Look()(x)
    y.backward(train_mode=train_mode)
    assert seen == [(train_mode, False)]


def test_mark_variables_with_a_request_each():
    xs = [np.array([1.0, 2.0]) for _ in range(3)]
    grads = [np.full((2,), 5.0) for _ in range(3)]
    autograd.mark_variables(xs, grads, ["write", "add", "null"])
    with autograd.record():
        y = xs[0] * xs[1] * xs[2]
    y.backward()
    assert [g.tolist() for g in grads] == [[1, 4], [6, 9], [5, 5]]


@WAYS
@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders_of_derivative_of_a_net(way, order):
    """Against central differences of the order before."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3, activation="tanh"), nn.Dense(2, in_units=4))
    net.initialize(mx.init.Normal(0.7))
    net.cast("float64")
    run_in(net, way, np.ones((2, 3), dtype="float64"))
    start = onp.random.default_rng(0).normal(size=(2, 3))

    def value(numbers, orders):
        x = np.array(numbers, dtype="float64")
        x.attach_grad()
        with autograd.record():
            y = (net(x) ** 2).sum()
            for _ in range(orders):
                (g,) = autograd.grad(y, x, create_graph=True, retain_graph=True)
                y = (g * g).sum()
        y.backward()
        return y.item(), x.grad.asnumpy()

    _, found = value(start, order - 1)
    step = 1e-5
    for index in ((0, 0), (1, 2)):
        moved = [start.copy() for _ in range(2)]
        moved[0][index] += step
        moved[1][index] -= step
        want = (value(moved[0], order - 1)[0] - value(moved[1], order - 1)[0]) / (2 * step)
        assert found[index] == pytest.approx(want, rel=1e-6, abs=1e-8)
