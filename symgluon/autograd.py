"""Recording and differentiating: `mx.autograd`.

``with record():`` puts operators on the tape; `backward` and `grad` run the operators' gradient
rules in reverse.  What is recorded is a value's producer, so two `record` scopes in a row form one
graph, and writes after the fact do not change gradients (``docs/semantics.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from symgluon.errors import AttributeValueError, ShapeError, SymgluonError, TraceError
from symgluon.ir.op import Op, S, op
from symgluon.ops.apply import F
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state
from symgluon.ops.tape import Leaf, pullback
from symgluon.ops.tape import record as put_on_tape

__all__ = [
    "Function",
    "backward",
    "get_symbol",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "set_recording",
    "set_training",
    "train_mode",
]

T = TypeVar("T")


# ---- modes -------------------------------------------------------------------------------------
def is_recording() -> bool:
    """Whether operators called now are recorded."""
    return state.recording and not state.paused


def is_training() -> bool:
    """Whether layers called now behave as in training (dropout drops, ...)."""
    return state.training


def set_recording(is_recording: bool) -> bool:
    """Switch recording on or off; returns the old state."""
    before = state.recording
    state.recording = bool(is_recording)
    return before


def set_training(train_mode: bool) -> bool:
    """Switch training mode on or off; returns the old state."""
    before = state.training
    state.training = bool(train_mode)
    return before


class _Mode(AbstractContextManager[None]):
    """Set the flags that are not None; they are put back at the end (re-entrant)."""

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._flags = (recording, training)
        self._saved: list[tuple[bool, bool, bool]] = []

    def __enter__(self) -> None:
        self._saved.append((state.recording, state.training, state.paused))
        recording, training = self._flags
        if recording is not None:
            if state.region is None:
                state.recording = recording
            else:
                state.paused = not recording
        if training is not None:
            state.training = training

    def __exit__(self, *exc: object) -> None:
        state.recording, state.training, state.paused = self._saved.pop()

    def __call__(self, function: Callable[..., T]) -> Callable[..., T]:
        """Use the scope as a decorator."""
        import functools

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> T:
            with self:
                return function(*args, **kwargs)

        return inside


def record(train_mode: bool = True) -> _Mode:
    """Scope in which operators are recorded, in training mode unless told otherwise."""
    return _Mode(True, train_mode)


def pause(train_mode: bool = False) -> _Mode:
    """Scope in which nothing is recorded: what it computes is constant to gradients."""
    return _Mode(False, train_mode)


def train_mode() -> _Mode:
    """Scope in training mode; recording stays as it is."""
    return _Mode(None, True)


def predict_mode() -> _Mode:
    """Scope in inference mode; recording stays as it is."""
    return _Mode(None, False)


# ---- variables ---------------------------------------------------------------------------------
def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [x]


def mark_variables(variables: Any, gradients: Any, grad_reqs: Any = "write") -> None:
    """Make arrays variables whose gradients go into the arrays `gradients`.

    Parameters
    ----------
    grad_reqs : str or list of str
        ``write``, ``add`` or ``null``, for all or one each.
    """
    cells, grads = _listed(variables), _listed(gradients)
    reqs = [grad_reqs] * len(cells) if isinstance(grad_reqs, str) else list(grad_reqs)
    if not len(cells) == len(grads) == len(reqs):
        raise AttributeValueError(
            "mark_variables: variables, gradients and grad_reqs must have equal lengths",
            received=(len(cells), len(grads), len(reqs)),
        )
    for cell, gradient, req in zip(cells, grads, reqs, strict=True):
        if req not in ("write", "add", "null"):
            raise AttributeValueError("grad_req", expected="write, add or null", received=req)
        cell._leaf = cell._node = Leaf(gradient, req)
        cell._out = 0


# ---- backward ----------------------------------------------------------------------------------
_NOT_RECORDED = (
    "Cannot differentiate node because it is not in a computational graph. You need to set "
    "is_recording to true or use autograd.record() to save computational graphs for backward. If "
    "you want to differentiate the same graph twice, you need to pass retain_graph=True to "
    "backward."
)


def _heads(heads: Any, head_grads: Any) -> tuple[list[Array], list[Array]]:
    if state.region is not None:
        raise TraceError(
            "autograd.backward and autograd.grad are not possible while a graph is traced",
            hint="call them outside the hybridized block",
        )
    arrays = _listed(heads)
    given = [None] * len(arrays) if head_grads is None else _listed(head_grads)
    if len(arrays) != len(given):
        raise _LengthError(
            f"heads and head_grads must be lists of the same length: {len(arrays)} vs. "
            f"{len(given)}"
        )
    for head in arrays:
        if not isinstance(head, Array):
            raise TypeError(f"heads must be arrays, received {type(head)}")
        head._content()
        if head._node is None:
            raise SymgluonError(_NOT_RECORDED)
    return arrays, [_cotangent(h, g) for h, g in zip(arrays, given, strict=True)]


class _LengthError(AttributeValueError, AssertionError):
    """Lists of different lengths: an AssertionError in MXNet."""


def _cotangent(head: Array, given: Any) -> Array:
    if given is None:
        return F.full(_one(head.dtype), shape=head.shape)
    ct: Array = given if isinstance(given, Array) else wrap(_numpy(given, head.dtype))
    ct = wrap(ct._content()) if ct._base is not None else ct
    if ct.shape != head.shape:
        raise ShapeError("a head gradient must have the shape of its head",
                         expected=head.shape, received=ct.shape)  # fmt: skip
    return ct if ct.dtype == head.dtype else F.cast(ct, dtype=head.dtype)


def _one(dtype: Any) -> Any:
    return _numpy(1, dtype)


def _numpy(value: Any, dtype: Any) -> Any:
    import numpy as np

    return np.asarray(value, dtype)


@contextmanager
def _rules(recorded: bool, training: bool) -> Iterator[None]:
    saved = (state.recording, state.training)
    state.recording, state.training = recorded, training
    try:
        yield
    finally:
        state.recording, state.training = saved


def backward(
    heads: Any, head_grads: Any = None, retain_graph: bool = False, train_mode: bool = True
) -> None:
    """Compute the gradients of all variables that `heads` depend on, into their ``grad``.

    Parameters
    ----------
    heads : array or list of arrays
        What is differentiated.
    head_grads : array, list of arrays and None, or None
        Cotangents of the heads; None: ones.
    retain_graph : bool
        Keep what was recorded, to differentiate it once more.

    Raises
    ------
    MXNetError
        If a head was not recorded.
    """
    arrays, cts = _heads(heads, head_grads)
    with _rules(False, train_mode):
        leaves, _ = pullback(
            [(h._content(), h._node, h._out) for h in arrays], cts, retain_graph=retain_graph
        )
        for leaf, ct in leaves.items():
            _deliver(leaf, ct)


def _deliver(leaf: Leaf, ct: Array) -> None:
    if leaf.req == "null":
        return
    leaf.grad._assign(leaf.grad + ct if leaf.req == "add" else ct)
    leaf.grad._fresh = True


def grad(
    heads: Any,
    variables: Any,
    head_grads: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> Any:
    """Return the gradients of `heads` with respect to `variables` (their ``grad`` is untouched).

    Parameters
    ----------
    create_graph : bool
        Record the computation of the gradients, to differentiate them again.

    Returns
    -------
    array or list of arrays
        As `variables` is one array or a list.

    Raises
    ------
    MXNetError
        If a head or a variable was not recorded.
    """
    arrays, cts = _heads(heads, head_grads)
    wanted = _listed(variables)
    if not wanted:
        raise AttributeValueError("variables cannot be an empty list")
    for v in wanted:
        if not isinstance(v, Array) or v._node is None:
            raise SymgluonError(
                "cannot differentiate with respect to an array that is not part of the graph",
                hint="call attach_grad() on it before recording",
            )
    with _rules(create_graph, train_mode):
        _, found = pullback(
            [(h._content(), h._node, h._out) for h in arrays],
            cts,
            create_graph=create_graph,
            retain_graph=create_graph if retain_graph is None else retain_graph,
            targets=[(v._leaf, 0) if v._leaf is not None else (v._node, v._out) for v in wanted],
        )
        results = [_gradient(v, g) for v, g in zip(wanted, found, strict=True)]
    return results if isinstance(variables, list | tuple) else results[0]


def _gradient(variable: Array, found: Array | None) -> Array:
    result = F.zeros_like(variable) if found is None else _handle_to(found)
    result.__class__ = type(variable)
    result._device = variable._device
    if found is None:
        result._node = None
    return result  # type: ignore[no-any-return]


def _handle_to(x: Array) -> Array:
    """Return a fresh handle to the content of `x` (a cotangent may be a caller's own array)."""
    handle: Array = wrap(x._content())
    handle._node, handle._out = x._node, x._out
    x._owned = False
    return handle


# ---- custom functions ---------------------------------------------------------------------------
@op(name="custom_function")
class CustomFunction(Op):
    """A user's `Function` as an operator: its `forward`, with its `backward` as gradient rule."""

    function: Any

    def key(self) -> tuple[Any, ...]:
        """Identity of the function object."""
        return (CustomFunction, id(self.function))

    def decompose(self, *inputs: Any) -> Any:
        with pause(state.training):
            return self.function._run(inputs)

    def grad(self, ct: Any, y: Any, *inputs: Any) -> Any:
        cts, ys = (ct, y) if isinstance(ct, tuple) else ((ct,), (y,))
        given = [F.zeros_like(r) if c is None else c for c, r in zip(cts, ys, strict=True)]
        if state.region is not None:  # what was saved belongs to another trace
            self.function._run(inputs)
        cls = self.function._cls
        grads = self.function.backward(*[_as(g, cls) for g in given])
        return tuple(_listed(grads))


def _as(x: Any, cls: type[Array]) -> Any:
    if x is None or type(x) is cls:
        return x
    handle = wrap(x._data, cls)
    handle._node, handle._out, handle._base, handle._index = x._node, x._out, x._base, x._index
    return handle


class Function:
    """A differentiable function with a gradient of its own.

    Subclasses define ``forward(self, *inputs)`` and ``backward(self, *output_grads)``, which
    returns a gradient for each input; an instance is called once.

    Examples
    --------
    >>> class Sigmoid(Function):
    ...     def forward(self, x):
    ...         y = 1 / (1 + mx.np.exp(-x))
    ...         self.save_for_backward(y)
    ...         return y
    ...     def backward(self, dy):
    ...         (y,) = self.saved_tensors
    ...         return dy * y * (1 - y)
    """

    _cls: type[Array] = Array

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept."""
        return self._saved

    def save_for_backward(self, *args: Any) -> None:
        """Keep arrays for `backward`."""
        self._saved = args

    def _run(self, inputs: Sequence[Any]) -> Any:
        found = self.forward(*[_as(x, self._cls) for x in inputs])
        return tuple(found) if isinstance(found, list | tuple) else found

    def __call__(self, *inputs: Any) -> Any:
        """Compute `forward`; under `record` the result is differentiated by `backward`."""
        self._cls = type(inputs[0]) if inputs else Array
        if state.region is not None:
            results = CustomFunction(self)(*inputs)
            several = isinstance(results, tuple)
            outs = [_as(r, self._cls) for r in (results if several else (results,))]
            return tuple(outs) if several else outs[0]
        with pause(state.training):
            outputs = self._run(inputs)
        several = isinstance(outputs, tuple)
        handles = [wrap(r._content(), type(r)) for r in (outputs if several else (outputs,))]
        for r in outputs if several else (outputs,):
            r._root()._owned = False
        if state.recording and any(isinstance(x, Array) and x._node is not None for x in inputs):
            put_on_tape(CustomFunction(self), inputs, handles)
        return tuple(handles) if several else handles[0]

    def forward(self, *inputs: Any) -> Any:
        """Compute the results; to be defined by the subclass."""
        raise TypeError(f"{type(self).__name__} must define forward(self, *inputs)")

    def backward(self, *output_grads: Any) -> Any:
        """Compute a gradient for each input; to be defined by the subclass."""
        raise TypeError(f"{type(self).__name__} must define backward(self, *output_grads)")


class _Double(Function):
    """Sample of a custom function: twice its operand."""

    def forward(self, x: Any) -> Any:
        return x + x

    def backward(self, dy: Any) -> Any:
        return dy + dy


CustomFunction.samples = [S((2, 3), function=_Double()), S((), function=_Double())]


def get_symbol(x: Any) -> Any:
    """Refuse: what was recorded is kept as producers of values, not as a symbol.

    Raises
    ------
    MXNetError
        Always; hybridize a block and use ``export`` to get a graph.
    """
    raise SymgluonError(
        "autograd.get_symbol is not supported: recorded history is not a Symbol",
        hint="hybridize a block and export it to get a graph",
    )
