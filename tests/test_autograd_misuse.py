"""What `mx.autograd` refuses: the types of MXNet 2.0, with words that say what to do."""

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import MXNetError, ShapeError

np, autograd = mx.np, mx.autograd


def variable(values=(1.0, 2.0), req="write"):
    x = np.array(values)
    x.attach_grad(req)
    return x


def recorded(function=lambda x: x * x, **kwargs):
    x = variable(**kwargs)
    with autograd.record():
        y = function(x)
    return x, y


def not_recorded():
    x = variable()
    (x * 2).backward()


def plain_array():
    np.ones((2,)).backward()


def constants_only():
    with autograd.record():
        y = np.ones((2,)) * 2
    y.backward()


def detached():
    _, y = recorded(lambda x: (x * 2).detach())
    y.backward()


def no_gradient_wanted():
    _, y = recorded(req="null")
    y.backward()


def twice():
    _, y = recorded()
    y.backward()
    y.backward()


def twice_through_a_shared_part():
    x = variable()
    with autograd.record():
        a = x * x
        y, z = a.sum(), (a * a).sum()
    y.backward()
    z.backward()


def grad_twice():
    x, y = recorded()
    autograd.grad(y, x)
    autograd.grad(y, x)


def hybridized_twice():
    net = mx.gluon.nn.HybridLambda(lambda x: x * x)
    net.hybridize()
    _, y = recorded(net)
    y.backward()
    y.backward()


def no_heads():
    autograd.backward([])


def heads_that_are_no_arrays():
    autograd.backward([3.0])


def too_many_head_gradients():
    _, y = recorded()
    autograd.backward([y], [np.ones((2,)), np.ones((2,))])


def head_gradient_of_another_shape():
    _, y = recorded()
    y.backward(np.ones((3,)))


def head_gradient_that_would_broadcast():
    _, y = recorded()
    y.backward(np.ones((1,)))


def no_variables():
    _, y = recorded()
    autograd.grad(y, [])


def variables_that_are_no_arrays():
    _, y = recorded()
    autograd.grad(y, [3.0])


def variable_that_was_not_marked():
    x, z = variable(), np.ones((2,))
    with autograd.record():
        y = x * z
    autograd.grad(y, z)


def variable_of_another_graph():
    _, y = recorded()
    autograd.grad(y, variable())


def variable_of_no_gradient():
    x, z = variable(), variable(req="null")
    with autograd.record():
        y = x * z
    autograd.grad(y, z)


def unknown_request():
    np.ones((2,)).attach_grad("sometimes")


def mark_with_an_unknown_request():
    autograd.mark_variables([np.ones((2,))], [np.ones((2,))], "sometimes")


def mark_with_lists_of_other_lengths():
    autograd.mark_variables([np.ones((2,))], [np.ones((2,)), np.ones((2,))])


def mark_with_another_shape():
    autograd.mark_variables([np.ones((2,))], [np.ones((3,))])


def mark_what_is_no_array():
    autograd.mark_variables([3.0], [np.ones(())])


class Broken(autograd.Function):
    """Doubles; its backward returns what it is told."""

    def __init__(self, result=lambda d: d * 2):
        super().__init__()
        self.result = result

    def forward(self, x):
        return x * 2

    def backward(self, d):
        return self.result(d)


def function_called_twice():
    double = Broken()
    recorded(lambda x: double(x) + double(x))


def function_with_too_many_gradients():
    _, y = recorded(lambda x: Broken(lambda d: (d, d))(x))
    y.backward()


def function_with_a_gradient_of_another_shape():
    _, y = recorded(lambda x: Broken(lambda d: d.sum())(x))
    y.backward()


def function_with_a_gradient_that_is_no_array():
    _, y = recorded(lambda x: Broken(lambda d: 3.0)(x))
    y.backward()


def function_whose_forward_returns_no_array():
    class Number(autograd.Function):
        def forward(self, x):
            return 3

    recorded(lambda x: Number()(x))


def function_without_forward():
    recorded(lambda x: autograd.Function()(x))


def function_without_backward():
    class Half(autograd.Function):
        def forward(self, x):
            return x / 2

    _, y = recorded(lambda x: Half()(x))
    y.backward()


CASES = [
    (not_recorded, MXNetError, "record"),
    (plain_array, MXNetError, "record"),
    (constants_only, MXNetError, "record"),
    (detached, MXNetError, "record"),
    (no_gradient_wanted, MXNetError, "record"),
    (twice, MXNetError, "retain_graph"),
    (twice_through_a_shared_part, MXNetError, "retain_graph"),
    (grad_twice, MXNetError, "retain_graph"),
    (hybridized_twice, MXNetError, "retain_graph"),
    (no_heads, MXNetError, "no heads"),
    (heads_that_are_no_arrays, AttributeError, "arrays"),
    (too_many_head_gradients, AssertionError, "same length"),
    (head_gradient_of_another_shape, ShapeError, r"\(2,\), received \(3,\)"),
    (head_gradient_that_would_broadcast, ShapeError, r"\(2,\), received \(1,\)"),
    (no_variables, AssertionError, "empty"),
    (variables_that_are_no_arrays, TypeError, "arrays"),
    (variable_that_was_not_marked, MXNetError, "attach_grad"),
    (variable_of_another_graph, MXNetError, "do not depend"),
    (variable_of_no_gradient, MXNetError, "attach_grad"),
    (unknown_request, KeyError, "write"),
    (mark_with_an_unknown_request, KeyError, "write"),
    (mark_with_lists_of_other_lengths, ValueError, "lengths"),
    (mark_with_another_shape, ShapeError, r"\(2,\), received \(3,\)"),
    (mark_what_is_no_array, TypeError, "arrays"),
    (function_called_twice, AssertionError, "another instance"),
    (function_with_too_many_gradients, MXNetError, "expected 1 gradients, received 2"),
    (function_with_a_gradient_of_another_shape, ShapeError, "gradient 0"),
    (function_with_a_gradient_that_is_no_array, ShapeError, "received float"),
    (function_whose_forward_returns_no_array, TypeError, "must return arrays"),
    (function_without_forward, TypeError, "must define forward"),
    (function_without_backward, TypeError, "must define backward"),
]


@pytest.mark.parametrize(
    ("misuse", "kind", "words"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_misuse(misuse, kind, words):
    with pytest.raises(kind, match=words):
        misuse()
    assert not autograd.is_recording()


def test_a_refused_call_changes_no_gradient():
    x, y = recorded()
    with pytest.raises(ShapeError):
        y.backward(np.ones((3,)))
    assert x.grad.tolist() == [0, 0]
    y.backward()
    assert x.grad.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (None, [2, 4]),
        (lambda: np.array([1.0, 10.0]), [2, 40]),
        (lambda: [np.array([1.0, 10.0])], [2, 40]),
        (lambda: onp.array([1.0, 10.0]), [2, 40]),
        (lambda: np.array([1.0, 10.0], dtype="float64"), [2, 40]),
    ],
    ids=["none", "array", "list", "numpy", "other dtype"],
)
def test_forms_of_head_gradients(head, expected):
    x, y = recorded()
    autograd.backward(y, None if head is None else head())
    assert x.grad.tolist() == expected


def test_grad_returns_a_list_also_for_one_variable():
    """As MXNet does: ``grad(y, x)[0]`` is the gradient, not its first row."""
    x, y = recorded()
    (found,) = autograd.grad(y, x)
    assert found.tolist() == [2, 4]
