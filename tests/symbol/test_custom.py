"""Operators in Python: eager, recorded, in symbols, traced; refused by ONNX with their names."""

from __future__ import annotations

import numpy as np
import pytest

import symgluon as mx
from symgluon.errors import UnsupportedOpError


class Scale(mx.operator.CustomOp):
    """k x^2, with a running count of calls as auxiliary state."""

    def __init__(self, k):
        self.k = k

    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0].asnumpy()  # real code computes with NumPy
        self.assign(out_data[0], req[0], mx.nd.array(self.k * x * x))
        if is_train:
            aux[0][:] += 1

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], 2 * self.k * in_data[0] * out_grad[0])


@mx.operator.register("counted_scale")
class ScaleProp(mx.operator.CustomOpProp):
    def __init__(self, k="1"):
        super().__init__()
        self.k = float(k)

    def list_auxiliary_states(self):
        return ["count"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]], [[1]]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Scale(self.k)


class Two(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] + in_data[1])
        self.assign(out_data[1], req[1], in_data[0] * in_data[1])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] + out_grad[1] * in_data[1])
        self.assign(in_grad[1], req[1], out_grad[0] + out_grad[1] * in_data[0])


@mx.operator.register("sum_and_product")
class TwoProp(mx.operator.CustomOpProp):
    def list_arguments(self):
        return ["a", "b"]

    def list_outputs(self):
        return ["sum", "product"]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Two()


def test_eager_with_gradient_and_state():
    x, count = mx.nd.array([1, 2, 3]), mx.nd.zeros((1,))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Custom(x, count, op_type="counted_scale", k=3)
    y.backward()
    assert y.asnumpy().tolist() == [3, 12, 27]
    assert x.grad.asnumpy().tolist() == [6, 12, 18]
    assert count.asnumpy().tolist() == [1]
    assert type(y) is mx.nd.NDArray


def test_several_outputs_by_name():
    a, b = mx.nd.array([1, 2]), mx.nd.array([3, 4])
    a.attach_grad()
    with mx.autograd.record():
        found = mx.nd.Custom(b=b, a=a, op_type="sum_and_product")
        found[1].backward()
    assert [f.asnumpy().tolist() for f in found] == [[4, 6], [3, 8]]
    assert a.grad.asnumpy().tolist() == [3, 4]
    assert type(mx.npx.Custom(mx.np.ones(2), mx.np.ones(2), op_type="sum_and_product")[0]) is (
        mx.np.ndarray
    )


def test_symbol():
    symbol = mx.sym.Custom(mx.sym.var("x"), op_type="counted_scale", k=2, name="own") + 1
    assert symbol.list_arguments() == ["x"]
    assert symbol.list_auxiliary_states() == ["own_count"]
    back = mx.sym.load_json(symbol.tojson())
    assert back.attr_dict()["own"] == {"k": "2", "op_type": "counted_scale"}
    run = back.bind(
        args={"x": mx.nd.array([1, 2])},
        args_grad={"x": mx.nd.zeros((2,))},
        aux_states={"own_count": mx.nd.zeros((1,))},
    )
    for n in (1, 2):
        assert run.forward(is_train=True)[0].asnumpy().tolist() == [3, 9]
        run.backward(mx.nd.ones((2,)))
        assert run.grad_dict["x"].asnumpy().tolist() == [4, 8]
        assert run.aux_dict["own_count"].asnumpy().tolist() == [n]
    assert mx.sym.Custom(op_type="sum_and_product", name="c").list_outputs() == (
        ["c_sum", "c_product"]
    )


class Net(mx.gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.dense = mx.gluon.nn.Dense(2, in_units=2)

    def forward(self, x):
        y = self.dense(x)
        found = mx.npx.Custom(y, y, op_type="sum_and_product")
        return mx.npx.relu(found[0]) + found[1]


def test_hybridized_equals_eager():
    net = Net()
    net.initialize(init="ones")
    x = mx.np.array([[1.0, 2.0], [3.0, 4.0]])

    def run():
        with mx.autograd.record():
            y = net(x)
        y.backward()
        return y.asnumpy(), net.dense.weight.grad().asnumpy().copy()

    eager = run()
    net.hybridize()
    for found, expected in zip(run(), eager, strict=True):
        np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(net(x).asnumpy(), eager[0])


def test_export_names_it(tmp_path):
    net = Net()
    net.initialize()
    net.hybridize()
    net(mx.np.ones((1, 2)))
    with pytest.raises(UnsupportedOpError, match=r"Custom\(sum_and_product\)"):
        net.export(str(tmp_path / "net"), onnx="only")
    with pytest.raises(UnsupportedOpError, match=r"Custom\(sum_and_product\)"):
        net.export(str(tmp_path / "net"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mx.nd.Custom(x, op_type="none_such"), "Cannot find custom operator none_such"),
        (lambda x: mx.nd.Custom(x), "op_type is required"),
        (lambda x: mx.nd.Custom(x, op_type="sum_and_product"), "wrong number of operands"),
        (lambda x: mx.nd.Custom(x, x, op_type="sum_and_product", zz=1), "zz"),
        (lambda x: mx.nd.Custom(a=x, c=x, op_type="sum_and_product"), "expected a, b"),
    ],
)
def test_misuse(call, message):
    with pytest.raises(ValueError, match=message):
        call(mx.nd.ones((1,)))


def test_register_takes_properties_only():
    with pytest.raises(TypeError, match="subclass of CustomOpProp"):
        mx.operator.register("x")(Two)
