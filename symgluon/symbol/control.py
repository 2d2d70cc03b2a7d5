"""``sym.contrib.foreach``, ``while_loop`` and ``cond``: nodes with their bodies as subgraphs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from symgluon.attribute import AttrScope
from symgluon.formats.symbol_records import SymbolRecords
from symgluon.name import NameManager
from symgluon.symbol.node import Entry, SymbolNode, in_order, to_records
from symgluon.symbol.symbol import Symbol, var

__all__ = ["cond", "foreach", "while_loop"]


def _flat(value: Any, what: str) -> tuple[list[Symbol], bool]:
    """Symbols of a value that is one or a list of them, and whether it is a list."""
    if isinstance(value, Symbol):
        return [value[0]] if len(value) == 1 else list(value), len(value) != 1
    if value is None:
        return [], True
    if isinstance(value, list | tuple):
        found: list[Symbol] = []
        for item in value:
            found += _flat(item, what)[0]
        return found, True
    raise TypeError(f"{what}: expected symbols, received {type(value).__name__}")


def _like(symbols: Sequence[Symbol], nested: bool) -> Any:
    return list(symbols) if nested else symbols[0]


class _Body:
    """A function of symbols as a subgraph: what it reads from outside are inputs too."""

    def __init__(self, outputs: Sequence[Entry], own: Sequence[Symbol], before: int) -> None:
        #: nodes that stood before the call of the function, by the variable that stands for them
        self.outside: dict[str, Entry] = {}
        inner = {id(s.entries[0][0]) for s in own}
        replaced: dict[Entry, Entry] = {}
        for node in in_order(outputs):
            for entry in node.inputs:
                if self._is_outside(entry, inner, before):
                    self._replace(entry, replaced)
        heads = [self._copied(e, inner, before, replaced) for e in _cut(outputs, replaced)]
        self.records: SymbolRecords = to_records(heads)
        #: names of the variables in the order of their nodes
        self.variables = [self.records.nodes[i].name for i in self.records.arg_nodes]

    def _is_outside(self, entry: Entry, inner: set[int], before: int) -> bool:
        node = entry[0]
        if id(node) in inner:
            return False
        return node.op == "null" or node.serial < before

    def _replace(self, entry: Entry, replaced: dict[Entry, Entry]) -> Entry:
        node, index = entry
        found = replaced.get(entry)
        if found is None:
            name = node.output_name(index)
            found = (node, 0) if node.op == "null" else (SymbolNode("null", name, {}, {}), 0)
            replaced[entry] = found
            self.outside[name] = entry
        return found

    def _copied(
        self, entry: Entry, inner: set[int], before: int, replaced: dict[Entry, Entry]
    ) -> Entry:
        """An output; a variable that is one is copied, as MXNet wants operators there."""
        if self._is_outside(entry, inner, before):
            entry = self._replace(entry, replaced)
        if entry[0].op == "null":
            name = NameManager.current.get(None, "identity")
            entry = (SymbolNode("_copy", name, {}, {}, [entry]), 0)
        return entry


def _cut(outputs: Sequence[Entry], replaced: dict[Entry, Entry]) -> list[Entry]:
    """Copy the graph of a body with variables in the place of what stands outside."""
    new: dict[int, SymbolNode] = {}

    def moved(entry: Entry) -> Entry:
        if entry in replaced:
            return replaced[entry]
        return new.get(id(entry[0]), entry[0]), entry[1]

    for node in in_order(outputs):
        inputs = [moved(e) for e in node.inputs]
        if any(a[0] is not b[0] for a, b in zip(inputs, node.inputs, strict=True)):
            new[id(node)] = SymbolNode(
                node.op, node.name, dict(node.attrs), dict(node.hidden), inputs, node.subgraphs
            )
    return [moved(e) if e not in replaced else e for e in outputs]


def _serial() -> int:
    return SymbolNode("null", "_", {}, {}).serial


def _call(function: Callable[..., Any], *args: Any, scope: str) -> Any:
    with AttrScope(__subgraph_name__=scope):
        return function(*args)


def _inputs_of(name: str, symbols: Sequence[Symbol], scope: str) -> list[Symbol]:
    """Variables that stand for symbols inside a body."""
    taken: set[str] = set()
    found = []
    with AttrScope(__subgraph_name__=scope):
        for symbol in symbols:
            base = symbol.name or name
            new = next(f"{base}-{i}" for i in itertools.count() if f"{base}-{i}" not in taken)
            taken.add(new)
            found.append(var(new))
    return found


def _entries(symbols: Sequence[Symbol]) -> list[Entry]:
    return [s.entries[0] for s in symbols]


def _node(
    op: str,
    name: str | None,
    attrs: dict[str, Any],
    inputs: Sequence[Entry],
    bodies: Sequence[_Body],
    outputs: int,
) -> list[Symbol]:
    texts = {k: str(v) for k, v in attrs.items()}
    texts["num_args"] = str(len(inputs) + len(bodies))
    texts["num_outputs"] = str(outputs)
    name = NameManager.current.get(name, op)
    node = SymbolNode(
        op, name, texts, AttrScope.current.get(None), inputs, [b.records for b in bodies]
    )
    return [Symbol([(node, i)]) for i in range(outputs)]


class _Places:
    """Inputs of a node, each once."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def of(self, entry: Entry) -> int:
        """Position of an input, added if it is new."""
        for i, known in enumerate(self.entries):
            if known == entry:
                return i
        self.entries.append(entry)
        return len(self.entries) - 1


def foreach(
    body: Callable[..., Any], data: Any, init_states: Any, name: str = "foreach"
) -> tuple[Any, Any]:
    """Run `body` on each slice of the first axis, carrying states.

    Parameters
    ----------
    body : callable
        ``(slices, states) -> (outputs, states)``.
    data : Symbol or list of Symbol
        What is sliced.
    init_states : Symbol or list of Symbol
        First states.
    name : str
        Of the scope of the body.

    Returns
    -------
    outputs : Symbol or list of Symbol
        Stacked.
    states : Symbol or list of Symbol
        The last ones.

    Raises
    ------
    TypeError
        For what is no symbol.
    ValueError
        If the body changes the number of states.

    Examples
    --------
    >>> import symgluon as mx
    >>> x, s = mx.sym.var("x"), mx.sym.var("s")
    >>> outs, last = mx.sym.contrib.foreach(lambda a, b: (a + b, a + b), x, s)
    >>> found = mx.sym.Group([outs, last]).eval(x=mx.nd.array([[1], [2], [3]]), s=mx.nd.zeros(1))
    >>> [array.asnumpy().tolist() for array in found]
    [[[1.0], [3.0], [6.0]], [6.0]]
    """
    arrays, many_data = _flat(data, "foreach: data")
    states, many_states = _flat(init_states, "foreach: states")
    scope = f"{name}0"
    before = _serial()
    slices = _inputs_of(name, arrays, scope)
    current = _inputs_of(name, states, scope)
    outs, after = _call(body, _like(slices, many_data), _like(current, many_states), scope=scope)
    out_list, many_outs = _flat(outs, "foreach: outputs of the body")
    after_list, _ = _flat(after, "foreach: states of the body")
    if len(after_list) != len(states):
        raise ValueError(f"foreach: the body returns {len(after_list)} states of {len(states)}")
    inner = _Body(_entries([*out_list, *after_list]), [*slices, *current], before)
    where = {n: i for i, n in enumerate(inner.variables)}
    # a slice or state that the body does not read has no place in it: it is added as a variable
    inner = _with_all(inner, [*slices, *current], before, where)
    where = {n: i for i, n in enumerate(inner.variables)}
    rest = [n for n in inner.variables if n in inner.outside]
    attrs = {
        "num_out_data": len(out_list),
        "in_data_locs": [where[str(s.name)] for s in slices],
        "in_state_locs": [where[str(s.name)] for s in current],
        "remain_locs": [where[n] for n in rest],
    }
    inputs = [*_entries(arrays), *_entries(states), *[inner.outside[n] for n in rest]]
    found = _node("_foreach", None, attrs, inputs, [inner], len(out_list) + len(after_list))
    k = len(out_list)
    return _like(found[:k], many_outs), _like(found[k:], many_states)


def _with_all(body: _Body, own: Sequence[Symbol], before: int, known: dict[str, int]) -> _Body:
    """Let a body read all of its own variables: MXNet asks for the place of each."""
    missing = [s for s in own if s.name not in known]
    if not missing:
        return body
    from symgluon.formats.symbol_records import NodeRecord

    records = body.records
    extra = tuple(NodeRecord("null", str(s.name)) for s in missing)
    shift = len(records.nodes)
    body.records = SymbolRecords(
        nodes=(*records.nodes, *extra),
        arg_nodes=(*records.arg_nodes, *range(shift, shift + len(extra))),
        heads=records.heads,
        version=records.version,
        is_np_shape=records.is_np_shape,
    )
    body.variables += [str(s.name) for s in missing]
    return body


def while_loop(
    cond: Callable[..., Any],
    func: Callable[..., Any],
    loop_vars: Any,
    max_iterations: int,
    name: str = "while_loop",
) -> tuple[Any, Any]:
    """Run `func` while `cond` holds.

    Parameters
    ----------
    cond : callable
        ``(*loop_vars) -> symbol``.
    func : callable
        ``(*loop_vars) -> (outputs, loop_vars)``.
    loop_vars : Symbol or list of Symbol
        First values.
    max_iterations : int
        Most steps.
    name : str
        Of the scope of the bodies.

    Returns
    -------
    outputs : Symbol or list of Symbol
        Stacked, padded to `max_iterations`.
    loop_vars : Symbol or list of Symbol
        The last ones.

    Raises
    ------
    TypeError
        For what is no symbol.
    ValueError
        If `func` changes the number of variables.
    """
    variables, many = _flat(loop_vars, "while_loop: loop_vars")
    places = _Places()
    for entry in _entries(variables):
        places.of(entry)
    bodies, where = [], []
    outs: list[Symbol] = []
    many_outs = False
    for kind, function in (("cond", cond), ("func", func)):
        before = _serial()
        scope = f"{name}_{kind}0"
        own = _inputs_of(name, variables, scope)
        found = _call(function, *own, scope=scope)
        if kind == "cond":
            results = _flat(found, "while_loop: result of cond")[0]
        else:
            outs, many_outs = _flat(found[0], "while_loop: outputs of func")
            after = _flat(found[1], "while_loop: loop_vars of func")[0]
            if len(after) != len(variables):
                raise ValueError(
                    f"while_loop: func returns {len(after)} loop_vars of {len(variables)}"
                )
            results = [*outs, *after]
        body = _Body(_entries(results), own, before)
        if kind == "func":
            body = _with_all(body, own, before, dict.fromkeys(body.variables, 0))
        sources = {str(s.name): v for s, v in zip(own, _entries(variables), strict=True)}
        where.append([places.of(sources.get(n) or body.outside[n]) for n in body.variables])
        bodies.append(body)
        names = [str(s.name) for s in own]
    attrs = {
        "max_iterations": int(max_iterations),
        "num_out_data": len(outs),
        "cond_input_locs": where[0],
        "func_input_locs": where[1],
        "func_var_locs": [bodies[1].variables.index(n) for n in names],
    }
    total = len(outs) + len(variables)
    made = _node("_while_loop", None, attrs, places.entries, bodies, total)
    k = len(outs)
    return _like(made[:k], many_outs or not outs), _like(made[k:], many)


def cond(
    pred: Symbol, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond"
) -> Any:
    """Compute one of two functions, as a condition says when the symbol is run.

    Parameters
    ----------
    pred : Symbol
        The condition, of one element.
    then_func, else_func : callable
        Functions without arguments that return as many symbols each.
    name : str
        Of the scope of the bodies.

    Returns
    -------
    Symbol or list of Symbol
        Results of the one that is chosen.

    Raises
    ------
    TypeError
        For what is no symbol.
    ValueError
        If the functions return different numbers of symbols.
    """
    if not isinstance(pred, Symbol):
        raise TypeError(f"cond: the condition is a symbol, received {type(pred).__name__}")
    places = _Places()
    bodies, where = [], []
    counts: list[int] = []
    many = False
    for kind, function in (("pred", lambda: pred), ("then", then_func), ("else", else_func)):
        before = _serial()
        found = _call(function, scope=f"{name}_{kind}0")
        results, many = _flat(found, f"cond: result of {kind}_func")
        body = _Body(_entries(results), [], before)
        where.append([places.of(body.outside[n]) for n in body.variables])
        bodies.append(body)
        counts.append(len(results))
    if counts[1] != counts[2]:
        raise ValueError(f"cond: {counts[1]} results against {counts[2]}")
    attrs = {
        "cond_input_locs": where[0],
        "then_input_locs": where[1],
        "else_input_locs": where[2],
    }
    return _like(_node("_cond", None, attrs, places.entries, bodies, counts[1]), many)
