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
from symgluon.ops.tape import Leaf, make_variable, pullback, reachable
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
    """Whether operators called now are recorded.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.autograd.is_recording()
    False
    >>> with mx.autograd.record():
    ...     print(mx.autograd.is_recording())
    True
    """
    return state.recording and not state.paused


def is_training() -> bool:
    """Whether layers called now behave as in training (dropout drops, ...).

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.autograd.record(train_mode=False):
    ...     print(mx.autograd.is_training())
    False
    """
    return state.training


def set_recording(is_recording: bool) -> bool:
    """Switch recording on or off.

    Parameters
    ----------
    is_recording : bool
        The new state.

    Returns
    -------
    bool
        The old one.

    Examples
    --------
    >>> import symgluon as mx
    >>> before = mx.autograd.set_recording(True)
    >>> mx.autograd.set_recording(before)
    True
    """
    before = state.recording
    state.recording = bool(is_recording)
    if state.written and not state.recording:
        _end_of_recording()
    return before


def _end_of_recording() -> None:
    """Parameters written meanwhile are variables again: no step keeps the graph of the one before."""
    cells, state.written = state.written or (), None
    for cell in cells:
        cell._be_variable()


def set_training(train_mode: bool) -> bool:
    """Switch training mode on or off.

    Parameters
    ----------
    train_mode : bool
        The new state.

    Returns
    -------
    bool
        The old one.

    Examples
    --------
    >>> import symgluon as mx
    >>> before = mx.autograd.set_training(True)
    >>> mx.autograd.set_training(before)
    True
    """
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
        if state.written and not state.recording:
            _end_of_recording()

    def __call__(self, function: Callable[..., T]) -> Callable[..., T]:
        """Use the scope as a decorator."""
        import functools

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> T:
            with self:
                return function(*args, **kwargs)

        return inside


def record(train_mode: bool = True) -> _Mode:
    """Scope in which operators are recorded; also a decorator.

    Parameters
    ----------
    train_mode : bool
        Whether layers behave as in training.

    Returns
    -------
    context manager
        Re-entrant; the flags are put back at its end.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([1.0, 2.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4.])
    """
    return _Mode(True, train_mode)


def pause(train_mode: bool = False) -> _Mode:
    """Scope in which nothing is recorded: what it computes is constant to gradients.

    Parameters
    ----------
    train_mode : bool
        Whether layers behave as in training.

    Returns
    -------
    context manager
        Re-entrant; also a decorator.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([1.0, 2.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     with mx.autograd.pause():
    ...         scale = x * 10
    ...     y = (x * scale).sum()
    >>> y.backward()
    >>> x.grad
    array([10., 20.])
    """
    return _Mode(False, train_mode)


def train_mode() -> _Mode:
    """Scope in training mode; recording stays as it is.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.autograd.train_mode():
    ...     print(mx.autograd.is_training(), mx.autograd.is_recording())
    True False
    """
    return _Mode(None, True)


def predict_mode() -> _Mode:
    """Scope in inference mode; recording stays as it is.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.autograd.record(), mx.autograd.predict_mode():
    ...     print(mx.autograd.is_training(), mx.autograd.is_recording())
    False True
    """
    return _Mode(None, False)


# ---- variables ---------------------------------------------------------------------------------
def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [x]


def mark_variables(variables: Any, gradients: Any, grad_reqs: Any = "write") -> None:
    """Make arrays variables whose gradients go into other arrays.

    Parameters
    ----------
    variables : array or list of array
        What gradients are wanted for.
    gradients : array or list of array
        Where they go, of the same shapes.
    grad_reqs : str or list of str
        ``write``, ``add`` or ``null``, for all or one each.

    Raises
    ------
    AttributeValueError
        If the lists differ in length, or for another `grad_reqs`.
    TypeError
        For something that is no array.
    ShapeError
        If a gradient has another shape than its variable.

    Examples
    --------
    >>> import symgluon as mx
    >>> x, gradient = mx.np.array([3.0]), mx.np.zeros(1)
    >>> mx.autograd.mark_variables(x, gradient)
    >>> with mx.autograd.record():
    ...     y = x * x
    >>> y.backward()
    >>> gradient
    array([6.])
    """
    cells, grads = _listed(variables), _listed(gradients)
    reqs = [grad_reqs] * len(cells) if isinstance(grad_reqs, str) else list(grad_reqs)
    if not len(cells) == len(grads) == len(reqs):
        raise AttributeValueError(
            "mark_variables: variables, gradients and grad_reqs must have equal lengths",
            received=(len(cells), len(grads), len(reqs)),
        )
    for cell, gradient, req in zip(cells, grads, reqs, strict=True):
        if not isinstance(cell, Array) or not isinstance(gradient, Array):
            raise _NotArrayError("variables and gradients must be arrays",
                                 received=(type(cell).__name__, type(gradient).__name__))  # fmt: skip
        if cell.shape != gradient.shape:
            raise ShapeError("a gradient must have the shape of its variable",
                             expected=cell.shape, received=gradient.shape)  # fmt: skip
        make_variable(cell, gradient, req)


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
    if not arrays:
        raise SymgluonError("there are no heads to differentiate: the list of heads is empty")
    for head in arrays:
        if not isinstance(head, Array):
            raise _NotArrayError("heads must be arrays", received=type(head).__name__)
        head._anywhere()
        if head._node is None:
            raise SymgluonError(_NOT_RECORDED)
    return arrays, [_cotangent(h, g) for h, g in zip(arrays, given, strict=True)]


class _LengthError(AttributeValueError, AssertionError):
    """Lists of different lengths, or none: an AssertionError in MXNet."""


class _NotArrayError(SymgluonError, TypeError, AttributeError):
    """Something that is no array: an AttributeError in MXNet, of the missing ``handle``."""


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
    heads : array or list of array
        What is differentiated.
    head_grads : array, or list of array and None, optional
        Cotangents of the heads, of their shapes; None: ones.
    retain_graph : bool
        Keep what was recorded, to differentiate it once more.
    train_mode : bool
        Mode in which gradient rules run that depend on it.

    Raises
    ------
    MXNetError
        If a head was not recorded.
    TypeError
        If a head is no array.
    AssertionError
        If heads and cotangents differ in number.
    ShapeError
        If a cotangent has another shape than its head.
    TraceError
        While a graph is traced.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([1.0, 2.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = x * x
    >>> mx.autograd.backward(y, head_grads=mx.np.array([1.0, 10.0]))
    >>> x.grad
    array([ 2., 40.])
    """
    arrays, cts = _heads(heads, head_grads)
    with _rules(False, train_mode):
        leaves, _ = pullback(
            [(h._anywhere(), h._node, h._out) for h in arrays], cts, retain_graph=retain_graph
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
    """Return gradients with respect to some variables; their ``grad`` is untouched.

    Parameters
    ----------
    heads : array or list of array
        What is differentiated.
    variables : array or list of array
        With respect to what: variables, or recorded results on the way.
    head_grads : array, or list of array and None, optional
        Cotangents of the heads, of their shapes; None: ones.
    retain_graph : bool, optional
        Keep what was recorded, to differentiate it once more; as `create_graph` if left out.
    create_graph : bool
        Record the computation of the gradients, to differentiate them again.
    train_mode : bool
        Mode in which gradient rules run that depend on it.

    Returns
    -------
    list of array
        One gradient each, also where `variables` is one array (as MXNet returns it).

    Raises
    ------
    MXNetError
        If a head or a variable was not recorded, or the heads do not depend on a variable.
    TypeError
        If a head or a variable is no array.
    AssertionError
        If there are no variables.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([3.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = x ** 3
    ...     (first,) = mx.autograd.grad(y, x, create_graph=True)
    >>> first.backward()
    >>> first, x.grad
    (array([27.]), array([18.]))
    """
    arrays, cts = _heads(heads, head_grads)
    wanted = _listed(variables)
    if not wanted:
        raise _LengthError("variables cannot be an empty list")
    saved = [(h._content(), h._node, h._out) for h in arrays]
    targets = _targets(saved, wanted)
    with _rules(create_graph, train_mode):
        _, found = pullback(
            saved,
            cts,
            create_graph=create_graph,
            retain_graph=create_graph if retain_graph is None else retain_graph,
            targets=targets,
        )
        results = [_gradient(v, g) for v, g in zip(wanted, found, strict=True)]
        return [_depending(r, wanted) for r in results] if create_graph else results


def _depending(result: Array, variables: Sequence[Array]) -> Array:
    """A gradient that is to be differentiated is part of the graph of all its variables.

    That of a linear function does not depend on them: its own gradient is zero, not an error.
    """
    known, _ = reachable([(result._content(), result._node, result._out)])
    apart = [v for v in variables if id(_producer(v)[0]) not in known]
    if apart:
        put_on_tape(Unmoved(), [_handle_to(result), *apart], [result])
    return result


@op(name="unmoved")
class Unmoved(Op):
    """`x`, as a function of further arrays that do not change it."""

    aliases = True

    def infer(self, x: Any, *others: Any) -> Any:
        return x

    def kernel(self, x: Any, *others: Any) -> Any:
        return x

    def grad(self, ct: Any, y: Any, x: Any, *others: Any) -> Any:
        return (ct, *[F.zeros_like(o) for o in others])

    def onnx(self, g: Any, x: Any, *others: Any) -> Any:
        return g.Identity(x)

    samples = [S((2, 3)), S((2, 3), 2, ())]


def _targets(heads: Sequence[Any], variables: Sequence[Any]) -> list[tuple[Any, int]]:
    """Producers of the variables; all of them must be in the graph of `heads`."""
    found: list[tuple[Any, int]] = []
    known, whole = reachable(heads)
    for i, v in enumerate(variables):
        if not isinstance(v, Array):
            raise _NotArrayError("variables must be arrays", received=type(v).__name__)
        v._content()
        node, out = _producer(v)
        if node is None:
            raise SymgluonError(
                "cannot differentiate with respect to an array that is not part of the graph",
                where=f"variable {i}",
                hint="call attach_grad() on it before recording",
            )
        if whole and id(node) not in known:
            raise SymgluonError(
                f"cannot differentiate with respect to variable {i}: the heads do not depend on it",
                hint="leave it out of the variables; its gradient is zero",
            )
        found.append((node, out))
    return found


def _producer(variable: Array) -> tuple[Any, int]:
    """What the gradient of `variable` arrives at: its leaf (shared with whole views), or a call."""
    leaf = variable._leaf
    if leaf is not None and leaf.source is None:
        return (None if leaf.req == "null" else leaf), 0
    return variable._node, variable._out


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
        return self.function._pulled(given, inputs)  # type: ignore[no-any-return]


def _as(x: Any, cls: type[Array]) -> Any:
    if x is None or type(x) is cls:
        return x
    handle = wrap(x._data, cls)
    handle._node, handle._out, handle._base, handle._index = x._node, x._out, x._base, x._index
    return handle


class _UsedError(SymgluonError, AssertionError):
    """A second call of one `Function`: an AssertionError in MXNet."""


class Function:
    """A differentiable function with a gradient of its own.

    Subclasses define ``forward(self, *inputs)`` and ``backward(self, *output_grads)``, which
    returns a gradient for each input; an instance is called once.

    Notes
    -----
    It works in a traced forward too.  Source: MXNet's ``mx.autograd.Function``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Sigmoid(mx.autograd.Function):
    ...     def forward(self, x):
    ...         y = 1 / (1 + mx.np.exp(-x))
    ...         self.save_for_backward(y)
    ...         return y
    ...
    ...     def backward(self, dy):
    ...         (y,) = self.saved_tensors
    ...         return dy * y * (1 - y)
    >>> x = mx.np.array([0.0])
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = Sigmoid()(x)
    >>> y.backward()
    >>> y, x.grad
    (array([0.5]), array([0.25]))
    """

    _cls: type[Array] = Array
    _used: bool = False
    _saved: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self._saved: tuple[Any, ...] = ()

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept."""
        return self._saved

    def save_for_backward(self, *args: Any) -> None:
        """Keep the arrays `args` for `backward`."""
        self._saved = args

    def _run(self, inputs: Sequence[Any]) -> Any:
        found = self.forward(*[_as(x, self._cls) for x in inputs])
        wrong = [r for r in _listed(found) if not isinstance(r, Array)]
        if wrong:
            raise TypeError(
                f"{type(self).__name__}.forward must return arrays, not a {type(wrong[0]).__name__}"
            )
        return tuple(found) if isinstance(found, list | tuple) else found

    def _pulled(self, cotangents: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run `backward`; one gradient of its shape, or None, for each input."""
        grads = _listed(self.backward(*[_as(c, self._cls) for c in cotangents]))
        if len(grads) != len(inputs):
            raise SymgluonError(
                f"{type(self).__name__}.backward must return a gradient for each input",
                expected=f"{len(inputs)} gradients",
                received=len(grads),
            )
        for i, (g, x) in enumerate(zip(grads, inputs, strict=True)):
            if g is not None and (not isinstance(g, Array) or tuple(g.shape) != tuple(x.shape)):
                raise ShapeError(
                    f"{type(self).__name__}.backward: gradient {i} must have the shape of input {i}",
                    expected=x.shape,
                    received=getattr(g, "shape", type(g).__name__),
                )
        return tuple(grads)

    def __call__(self, *inputs: Any) -> Any:
        """Compute `forward`; under `record` the result is differentiated by `backward`."""
        if self._used:
            raise _UsedError(
                f"each instance of {type(self).__name__} can only be called once: what it saved "
                "belongs to that call",
                hint="create another instance",
            )
        self._used = True
        if any(hasattr(x, "list_arguments") for x in inputs):  # symbols: composed, as in MXNet 1.x
            return self.forward(*inputs)
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
        """Compute the results; to be defined by the subclass.

        Parameters
        ----------
        *inputs : array
            Arguments of the call; nothing is recorded.

        Returns
        -------
        array or tuple of array
            The results.

        Raises
        ------
        TypeError
            If the subclass does not define it.
        """
        raise TypeError(f"{type(self).__name__} must define forward(self, *inputs)")

    def backward(self, *output_grads: Any) -> Any:
        """Compute a gradient for each input; to be defined by the subclass.

        Parameters
        ----------
        *output_grads : array
            Cotangents of the results, of their shapes.

        Returns
        -------
        array or tuple of array
            A gradient for each input, of its shape.

        Raises
        ------
        TypeError
            If the subclass does not define it.
        """
        raise TypeError(f"{type(self).__name__} must define backward(self, *output_grads)")


class _Double(Function):
    """Sample of a custom function: twice its operand."""

    def forward(self, x: Any) -> Any:
        return x + x

    def backward(self, dy: Any) -> Any:
        return dy + dy


CustomFunction.samples = [S((2, 3), function=_Double()), S((), function=_Double())]


def get_symbol(x: Any) -> Any:
    """Return what was recorded for an array as a symbol.

    A hybridized call is in it with its operators.  Random numbers that were drawn, such as the mask
    of a dropout, are variables; numbers and arrays of shape () that no gradient is wanted for are
    constants.

    Parameters
    ----------
    x : array
        A recorded result.

    Returns
    -------
    Symbol
        Variables that gradients are wanted for are named ``var0``, ``var1``, ..., other arrays
        ``null0``, ``null1``, ..., in the order in which operators read them.

    Raises
    ------
    TypeError
        If `x` is no array.
    MXNetError
        If a backward has dropped the history.
    UnsupportedOpError
        Naming every operator that MXNet 2.0 has no form for.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.ones((2, 3))
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = mx.np.exp(x) * 2
    >>> symbol = mx.autograd.get_symbol(y)
    >>> symbol.list_arguments(), symbol.list_outputs()
    (['var0'], ['multiply_output'])
    """
    if not isinstance(x, Array):
        raise TypeError(f"get_symbol takes a recorded array, received {type(x).__name__}")
    from symgluon.symbol.recorded import symbol_of

    return symbol_of(x)
