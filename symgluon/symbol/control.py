"""`sym.contrib.foreach`, `while_loop` and `cond`: loops and branches as nodes with subgraphs.

The body is called once with variables; what it makes is the subgraph.  A subgraph reads its own
variables, variables of outside (by their names), and results of outside, which become variables
named after them.  Where each is among the operands of the node, attributes say (their meaning:
:mod:`symgluon.formats.symbol_control`).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from symgluon import attribute, name
from symgluon.errors import AttributeValueError
from symgluon.symbol.compose import make
from symgluon.symbol.node import Entry, Node, to_records, walk
from symgluon.symbol.symbol import Symbol, _count, _output_name

_MARK = "__subgraph_name__"


class _Numbering(threading.local):
    """Numbers in the names of subgraphs and their variables, unique within an outermost loop."""

    depth = 0
    count = 0

    def __enter__(self) -> None:
        if not self.depth:
            self.count = 0
        self.depth += 1

    def __exit__(self, *exc: object) -> None:
        self.depth -= 1

    def next(self) -> int:
        """Return the next number."""
        self.count += 1
        return self.count - 1


_numbering = _Numbering()
F = TypeVar("F", bound=Callable[..., Any])


def _numbered(function: F) -> F:
    """Count the names of what the function makes from 0 on, unless it is inside of a loop."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _numbering:
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def _flatten(nested: Any, leaves: list[Symbol], what: str) -> Any:
    """Append the symbols of nested lists to `leaves`; returns the structure."""
    if nested is None:
        return None
    if isinstance(nested, list | tuple):
        return [_flatten(n, leaves, what) for n in nested]
    if not isinstance(nested, Symbol):
        raise TypeError(f"{what} must be symbols, in lists or alone, not {type(nested).__name__}")
    if len(nested) == 1:
        leaves.append(nested)
        return "*"
    leaves.extend(nested)
    return ["*"] * len(nested)


def _build(structure: Any, leaves: Sequence[Symbol]) -> Any:
    queue = iter(leaves)

    def fill(part: Any) -> Any:
        if part is None:
            return None
        return [fill(p) for p in part] if isinstance(part, list) else next(queue)

    return fill(structure)


class _Body:
    """A subgraph while it is made.

    Attributes
    ----------
    heads : list of (Node, int)
        Its results.
    variables : list of Node
        Its variables, in the order of its nodes.
    """

    def __init__(self, kind: str) -> None:
        self.mark = f"{kind}{_numbering.next()}"
        self.own: dict[int, Node] = {}
        self.heads: list[Entry] = []
        self.variables: list[Node] = []
        self.sources: dict[int, Entry] = {}  # variable -> what of outside it stands for

    def variable(self, like: Symbol) -> Any:
        """Return a variable that stands for one step of `like`."""
        node = Node("null", _free_name(like), {_MARK: self.mark})
        self.own[id(node)] = node
        return type(like)([(node, 0)])

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call the body; what it makes is marked."""
        with attribute.AttrScope(**{_MARK: self.mark}):
            return function(*args)

    def close(self, results: Sequence[Symbol]) -> None:
        """Cut the subgraph out: nodes of outside become variables."""
        heads: list[Entry] = []
        for result in results:
            node, output = result._outputs[0]
            if node.attrs.get(_MARK) == self.mark and not node.is_variable:
                heads.append((node, output))
                continue
            # a result that the body did not make: copied, so that it is a node of the subgraph
            with attribute.AttrScope(**{_MARK: self.mark}):
                heads.extend(make("_copy", [result], hint="identity")._outputs)
        new: dict[int, Entry] = {}
        outside: dict[tuple[int, int], Node] = {}

        def at(entry: Entry) -> Entry:
            node, output = entry
            if id(node) in new:
                return new[id(node)][0], output
            key = (id(node), output)
            if key not in outside:
                copy = Node("null", _output_name(node, output), {})
                if node.is_variable:
                    copy = Node("null", node.name, dict(node.attrs))
                outside[key] = copy
                self.sources[id(copy)] = entry
            return outside[key], 0

        for node in self._inside(heads):
            copy = Node(node.op, node.name, dict(node.attrs), map(at, node.inputs), node.subgraphs)
            new[id(node)] = (copy, 0)
            if id(node) in self.own:
                self.own[id(copy)] = self.own[id(node)]
        self.heads = [at(h) for h in heads]
        self.variables = [n for n in walk(self.heads) if n.is_variable]

    def _inside(self, heads: Sequence[Entry]) -> list[Node]:
        """Nodes with the mark; parameters that the body made are variables of outside."""
        return [
            n
            for n in walk(heads)
            if n.attrs.get(_MARK) == self.mark and (not n.is_variable or id(n) in self.own)
        ]

    def place_of(self, variable: Symbol) -> int | None:
        """Place of one of the body's own variables among all; None if nothing reads it."""
        wanted = variable._outputs[0][0]
        for place, node in enumerate(self.variables):
            if self.own.get(id(node)) is wanted:
                return place
        return None

    def records(self) -> Any:
        """The subgraph as files have it."""
        return to_records(self.heads, _count)


def _free_name(like: Symbol) -> str:
    node, output = like._outputs[0]
    base = _output_name(node, output)
    return f"{base}-{_numbering.next()}"


def _node(
    op: str, own_name: str | None, attrs: dict[str, Any], inputs: Sequence[Entry],
    bodies: Sequence[_Body], outputs: int, cls: type[Symbol],
) -> list[Any]:  # fmt: skip
    full = name.current().get(own_name, op)
    values = {**attrs, "num_args": len(bodies) + len(inputs), "num_outputs": outputs}
    texts = {k: str(v) for k, v in values.items()}
    node = Node(op, full, {**texts, **attribute.current().get(None)}, inputs,
                tuple(b.records() for b in bodies))  # fmt: skip
    return [cls([(node, i)]) for i in range(outputs)]


def _require(found: Any, what: str, second: str) -> tuple[Any, Any]:
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise TypeError(f"{what} must return (outputs, {second})")
    return found[0], found[1]


@_numbered
def foreach(
    body: Callable[..., Any], data: Any, init_states: Any, name: str | None = None
) -> tuple[Any, Any]:
    """Run `body` over the slices of `data` along axis 0.

    Parameters
    ----------
    body : callable
        ``(slices, states) -> (outputs, new states)``; called once, with variables.
    data : Symbol, or nested lists of Symbol
        Of one length.
    init_states : Symbol, or nested lists of Symbol
        First states.
    name : str, optional
        Name of the node.

    Returns
    -------
    outputs, states : Symbol, or nested lists of Symbol
        Outputs of all steps stacked along axis 0, and the last states.

    Raises
    ------
    TypeError
        For anything but symbols.
    AttributeValueError
        If the body returns another number of states.

    Examples
    --------
    >>> import symgluon as mx
    >>> x, s = mx.sym.var("x"), mx.sym.var("s")
    >>> outs, last = mx.sym.contrib.foreach(lambda x, s: (x + s, x + s), x, s)
    >>> outs.eval(x=mx.nd.array([1, 2, 3]), s=mx.nd.array([0]))[0].asnumpy().tolist()
    [[1.0], [3.0], [6.0]]
    """
    arrays: list[Symbol] = []
    structure = _flatten(data, arrays, "foreach: data")
    states: list[Symbol] = []
    state_structure = _flatten(init_states, states, "foreach: init_states")
    sub = _Body("foreach")
    slices = [sub.variable(a) for a in arrays]
    current = [sub.variable(s) for s in states]
    found = sub.run(body, _build(structure, slices), _build(state_structure, current))
    outputs, after = _require(found, "foreach: the body", "states")
    leaves: list[Symbol] = []
    out_structure = _flatten(outputs, leaves, "foreach: the outputs of the body")
    new: list[Symbol] = []
    _flatten(after, new, "foreach: the states of the body")
    if len(new) != len(states):
        raise AttributeValueError(
            "foreach: states of the body", expected=len(states), received=len(new)
        )
    sub.close([*leaves, *new])
    data_places = [(sub.place_of(v), a) for v, a in zip(slices, arrays, strict=True)]
    state_places = [(sub.place_of(v), s) for v, s in zip(current, states, strict=True)]
    _all_read("foreach", [p for p, _ in (*data_places, *state_places)])
    rest = [(i, n) for i, n in enumerate(sub.variables) if id(n) in sub.sources]
    inputs = [a._outputs[0] for a in (*arrays, *states)] + [sub.sources[id(n)] for _, n in rest]
    attrs = {
        "in_data_locs": [p for p, _ in data_places],
        "in_state_locs": [p for p, _ in state_places],
        "remain_locs": [i for i, _ in rest],
        "num_out_data": len(leaves),
    }
    total = len(leaves) + len(states)
    results = _node("_foreach", name, attrs, inputs, [sub], total, type((arrays + states)[0]))
    return (
        _build(out_structure, results[: len(leaves)]),
        _build(state_structure, results[len(leaves) :]),
    )


class UnreadError(AttributeValueError, AssertionError):
    """A loop body does not read all of its variables: an AssertionError in MXNet."""


def _all_read(what: str, places: Sequence[int | None]) -> None:
    if any(p is None for p in places):
        raise UnreadError(
            f"{what}: the body does not read all of its data and states",
            hint="leave out what it does not read; MXNet's files cannot say it",
        )


@_numbered
def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., Any],
    loop_vars: Any,
    max_iterations: int | None = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Run `func` as long as `cond` holds, at most `max_iterations` times.

    Parameters
    ----------
    cond : callable
        Of the loop variables: one number, true or false.
    func : callable
        Of the loop variables: ``(outputs, new variables)``.
    loop_vars : Symbol, or nested lists of Symbol
        First values.
    max_iterations : int
        Limit, and size of axis 0 of the outputs.
    name : str, optional
        Name of the node.

    Returns
    -------
    outputs, variables : Symbol, or nested lists of Symbol
        Outputs of all steps stacked along axis 0, and the last values.

    Raises
    ------
    ValueError
        Without `max_iterations`.
    TypeError
        For anything but symbols.
    AttributeValueError
        If the body returns another number of variables.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    variables: list[Symbol] = []
    structure = _flatten(
        [loop_vars] if isinstance(loop_vars, Symbol) else loop_vars, variables,
        "while_loop: loop_vars",
    )  # fmt: skip
    test, step = _Body("while_loop_cond"), _Body("while_loop_func")
    tested = [test.variable(v) for v in variables]
    test.close([test.run(cond, *_build(structure, tested))])
    current = [step.variable(v) for v in variables]
    found = step.run(func, *_build(structure, current))
    outputs, after = _require(found, "while_loop: func", "variables")
    leaves: list[Symbol] = []
    out_structure = _flatten(
        [] if outputs is None else outputs, leaves, "while_loop: the outputs of func"
    )
    new: list[Symbol] = []
    _flatten(after, new, "while_loop: the variables of func")
    if len(new) != len(variables):
        raise AttributeValueError(
            "while_loop: variables of func", expected=len(variables), received=len(new)
        )
    step.close([*leaves, *new])
    places = [step.place_of(v) for v in current]
    _all_read("while_loop", places)
    operands = _Operands()
    attrs = {
        "cond_input_locs": operands.places(test, tested, variables),
        "func_input_locs": operands.places(step, current, variables),
        "func_var_locs": places,
        "num_out_data": len(leaves),
        "max_iterations": int(max_iterations),
    }
    total = len(leaves) + len(variables)
    results = _node("_while_loop", name, attrs, operands.entries, [test, step], total,
                    type(variables[0]))  # fmt: skip
    last = _build(structure, results[len(leaves) :])
    return (
        _build(out_structure, results[: len(leaves)]),
        last[0] if isinstance(loop_vars, Symbol) else last,
    )


class _Operands:
    """Operands of a node with several bodies: in the order in which the bodies read them."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._places: dict[tuple[Any, ...], int] = {}

    def places(
        self, body: _Body, own: Sequence[Symbol] = (), outer: Sequence[Symbol] = ()
    ) -> list[int]:
        """Operand that each variable of `body` is; its variable `own[i]` stands for `outer[i]`."""
        numbers = {id(v._outputs[0][0]): i for i, v in enumerate(own)}
        found = []
        for node in body.variables:
            mine = body.own.get(id(node))
            if mine is not None:
                number = numbers[id(mine)]
                entry = outer[number]._outputs[0]
                key: tuple[Any, ...] = ("own", number)
            else:
                entry = body.sources[id(node)]
                key = (id(entry[0]), entry[1])
            if key not in self._places:
                self._places[key] = len(self.entries)
                self.entries.append(entry)
            found.append(self._places[key])
        return found


@_numbered
def cond(
    pred: Any,
    then_func: Callable[[], Any],
    else_func: Callable[[], Any],
    name: str | None = None,
) -> Any:
    """Return ``then_func()`` where `pred` is true, else ``else_func()``.

    Parameters
    ----------
    pred : Symbol
        One number.
    then_func, else_func : callable
        Without arguments; they return symbols of equal structure.
    name : str, optional
        Name of the node.

    Returns
    -------
    Symbol, or nested lists of Symbol
        The results.

    Raises
    ------
    TypeError
        For anything but symbols.
    AttributeValueError
        If the branches return different numbers of results.
    """
    if not isinstance(pred, Symbol):
        raise TypeError(f"cond: pred must be a symbol, received {type(pred).__name__}")
    bodies = [_Body("cond_pred"), _Body("cond_then"), _Body("cond_else")]
    bodies[0].close([pred])
    structures = []
    counts = []
    for body, function in zip(bodies[1:], (then_func, else_func), strict=True):
        leaves: list[Symbol] = []
        structures.append(_flatten(body.run(function), leaves, "cond: the results of a branch"))
        body.close(leaves)
        counts.append(len(leaves))
    if structures[0] != structures[1]:
        raise AttributeValueError(
            "cond: the branches return different structures", expected=counts[0],
            received=counts[1],
        )  # fmt: skip
    operands = _Operands()
    places = [operands.places(b) for b in bodies]
    attrs = dict(
        zip(("cond_input_locs", "then_input_locs", "else_input_locs"), places, strict=True)
    )
    results = _node("_cond", name, attrs, operands.entries, bodies, counts[0], type(pred))
    return _build(structures[0], results)
