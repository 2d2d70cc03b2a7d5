"""Graphs as operators: `Call` (a child block's body) and `GraphOp` (a compiled graph)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from symgluon.ir.dims import Dim, DimScope, Guard
from symgluon.ir.graph import Graph, Value
from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.array import Array, wrap
from symgluon.ops.region import Region, resolve_dims
from symgluon.ops.replay import dims_of, replay
from symgluon.ops.state import state
from symgluon.ops.tape import vjp


@op()
class Call(Op):
    """Call the graph `body`; its inputs are the operands (parameters included)."""

    body: Graph

    @property
    def function(self) -> str:
        """Name of the body."""
        return self.body.name

    def decompose(self, *operands: Any) -> Any:
        results = replay(self.body, operands)
        return results[0] if len(results) == 1 else tuple(results)

    samples = [S(3), S((2, 3))]


#: (graph, options) -> callable from NumPy arrays in operand order to a tuple of arrays
Compiler = Callable[[Graph, Any], Any]
_compiler: Compiler | None = None


def set_graph_compiler(compiler: Compiler) -> None:
    """Install what compiles the graph of a `GraphOp` at its first call."""
    global _compiler
    _compiler = compiler


_interpreter: Callable[[Graph], Any] | None = None


def set_graph_interpreter(make: Callable[[Graph], Any]) -> None:
    """Install what runs the bodies of loops and branches in their NumPy kernels."""
    global _interpreter
    _interpreter = make


def interpreter(graph: Graph) -> Any:
    """Return a callable that runs `graph` by NumPy kernels: arrays to a tuple of arrays."""
    if _interpreter is None:
        raise TypeError("no graph interpreter is installed; import symgluon.backends")
    return _interpreter(graph)


class GradientForm(NamedTuple):
    """The backward graph of a `GraphOp` for one choice of cotangents and wanted operands."""

    op: GraphOp
    operands: tuple[int, ...]  # which operands of the forward it reads
    results: tuple[int, ...]  # which results of the forward it reads
    cotangents: tuple[int, ...]  # which cotangents it reads
    grads: tuple[int, ...]  # which operands its results belong to
    guards: tuple[Guard, ...]


@op()
class GraphOp(Op):
    """A compiled graph as an operator: ordinary, and differentiable to any order.

    Attributes
    ----------
    graph : Graph
        Traced forward; compiled at the first call.
    options : object
        What the compiler is told: backend, flags.
    results : int
        How many of the outputs are results of the function (the rest are written cells and
        values saved for the gradient).
    """

    graph: Graph
    options: Any = None
    results: int = -1
    aliases = True  # a result may be an operand itself

    def key(self) -> tuple[Any, ...]:
        """Identity: compiled graphs are not compared by content."""
        return (GraphOp, id(self.graph), id(self.options))

    def infer(self, *operands: TensorType) -> Any:
        mapping = dims_of(self.graph, [t.shape for t in operands])
        types = [
            v.type if v.type.is_static or v.type.shape is None
            else v.type.with_shape(tuple(_substitute(d, mapping) for d in v.type.shape))
            for v in self.graph.outputs
        ]  # fmt: skip
        return types[0] if len(types) == 1 else tuple(types)

    @property
    def executable(self) -> Any:
        """The compiled graph."""
        found = self.__dict__.get("_executable")
        if found is None:
            if _compiler is None:
                raise TypeError("no graph compiler is installed; import symgluon.backends")
            found = self.__dict__["_executable"] = _compiler(self.graph, self.options)
            self.__dict__["_there"] = bool(getattr(found, "on_device", False))
        return found

    @property
    def on_device(self) -> bool:
        """Whether operands may lie on a device, and results do."""
        return self.executable is not None and self.__dict__["_there"]

    def kernel(self, *arrays: Any) -> Any:
        run = self.executable
        results = run.resident(*arrays) if self.__dict__["_there"] else run(*arrays)
        return results[0] if len(results) == 1 else tuple(results)

    def decompose(self, *operands: Any) -> Any:
        results = replay(self.graph, operands)
        return results[0] if len(results) == 1 else tuple(results)

    # ---- gradient --------------------------------------------------------------------------
    def training_form(self, operands: Sequence[Any], wanted: tuple[bool, ...]) -> GraphOp:
        """Return the same graph that also returns the values its gradient reads."""
        forms = self.__dict__.setdefault("_training", [])
        shapes = [o.shape for o in operands]
        for key, guards, form in forms:
            if key == wanted and _hold(guards, self.graph, shapes):
                return form  # type: ignore[no-any-return]
        n = len(self.graph.outputs) if self.results < 0 else self.results
        given = tuple(i < n and _is_float(v) for i, v in enumerate(self.graph.outputs))
        joint = _Joint(self.graph, given, wanted, shapes)
        saved = joint.saved()
        graph = self.graph.copy(f"{self.graph.name}_train")
        values = [v for node in graph.nodes for v in node.outputs]
        graph.set_outputs([*graph.outputs, *[values[i] for i in saved]])
        form = GraphOp(graph, self.options, n)
        form.__dict__["_gradients"] = [
            ((given + (False,) * len(saved), wanted), joint.backward(saved, self.options))
        ]
        forms.append((wanted, joint.guards, form))
        return form

    def grad(self, ct: Any, y: Any, *operands: Any) -> Any:
        cts = ct if isinstance(ct, tuple) else (ct,)
        ys = y if isinstance(y, tuple) else (y,)
        wanted = state.wanted or tuple(_is_float(o) for o in operands)
        form = self._gradient(tuple(c is not None for c in cts), wanted, operands)
        inputs = [
            *[operands[i] for i in form.operands],
            *[ys[i] for i in form.results],
            *[cts[i] for i in form.cotangents],
        ]
        found = form.op(*inputs)
        found = found if isinstance(found, tuple) else (found,)
        grads: list[Any] = [None] * len(operands)
        for i, g in zip(form.grads, found, strict=False):
            grads[i] = g
        return tuple(grads)

    def _gradient(
        self, given: tuple[bool, ...], wanted: tuple[bool, ...], operands: Sequence[Any]
    ) -> GradientForm:
        forms = self.__dict__.setdefault("_gradients", [])
        shapes = [o.shape for o in operands]
        for key, form in forms:
            if key == (given, wanted) and _hold(form.guards, self.graph, shapes):
                return form  # type: ignore[no-any-return]
        joint = _Joint(self.graph, given, wanted, shapes)
        form = joint.backward(joint.outputs(), self.options)
        forms.append(((given, wanted), form))
        return form

    samples = [S(3), S((2, 3))]


def _substitute(dim: Any, mapping: dict[str, Any]) -> Any:
    return dim if isinstance(dim, int) or dim is None else dim.substitute(mapping)


def _is_float(x: Any) -> bool:
    return x.dtype.kind in "fV"


def _hold(guards: Sequence[Guard], graph: Graph, shapes: Sequence[Any]) -> bool:
    if not guards:
        return True
    env = dims_of(graph, shapes)
    return all(g.holds(env) for g in guards)


def _known(graph: Graph, hints: dict[str, int]) -> DimScope:
    """Return a scope with the sizes of a call that knows what the trace of `graph` learned."""
    if graph.scope is None:
        return DimScope.with_hints(hints)
    scope: DimScope = graph.scope.fork(hints)
    return scope


class _Joint:
    """Forward and backward of a graph in one, traced from the gradient rules, then cut in two.

    The forward nodes come first, one for one as in `graph`; what the backward nodes read of them
    is what has to be saved.
    """

    def __init__(
        self,
        graph: Graph,
        given: tuple[bool, ...],
        wanted: tuple[bool, ...],
        shapes: Sequence[Any],
    ) -> None:
        self.source = graph
        hints = {k: v for k, v in dims_of(graph, shapes).items() if isinstance(v, int)}
        scope = _known(graph, hints)
        region = Region(f"{graph.name}_grad", scope)
        with region.active():
            operands = [region.argument(v.name, v.type) for v in graph.operands()]
            self.operands = [h._data for h in operands]
            self.cotangents: dict[int, Value] = {}
            cts: list[Any] = []
            for i, v in enumerate(graph.outputs):
                if given[i]:
                    handle = region.argument(f"ct_{v.name}", v.type)
                    self.cotangents[i] = handle._data
                    cts.append(handle)
                else:
                    cts.append(None)
            masked = [o if w else _cut(o) for o, w in zip(operands, wanted, strict=True)]
            self.forward: list[Value] = []

            def run(*inputs: Any) -> Any:
                results = replay(graph, inputs)
                self.forward = [v for node in region.graph.nodes for v in node.outputs]
                self.results = [r._content() for r in results]
                return results

            tracked = [o if w else None for o, w in zip(masked, wanted, strict=True)]
            found = _vjp_some(run, masked, tracked, cts)
            self.grads = {i: g for i, g in enumerate(found) if g is not None and wanted[i]}
            region.close(list(self.grads.values()))
        resolve_dims(region.graph, scope)
        self.graph = region.graph
        self.graph.scope = scope
        self.guards: tuple[Guard, ...] = tuple(scope.guards)

    def saved(self) -> list[int]:
        """Positions (in node order) of the forward values that the backward reads."""
        position = {v: i for i, v in enumerate(self.forward)}
        needed = self._read_by_backward()
        known = set(self.results)
        return sorted(position[v] for v in needed if v in position and v not in known)

    def outputs(self) -> list[int]:
        """No value beyond the graph's own outputs is saved: the backward recomputes."""
        return []

    def _read_by_backward(self) -> list[Value]:
        forward_nodes = {v.producer for v in self.forward}
        live: dict[Value, None] = {}
        stack = list(self.graph.outputs)
        seen: set[Value] = set()
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            if v.producer is None or v.producer in forward_nodes:
                live[v] = None
                continue
            stack.extend(u for u in v.producer.inputs if u is not None)
        return list(live)

    def backward(self, saved: Sequence[int], options: Any) -> GradientForm:
        """Cut the backward graph: inputs are operands, results (`saved` ones too), cotangents."""
        results = [*self.results, *[self.forward[i] for i in saved]]
        available: dict[Value, tuple[str, int]] = {}
        for i, v in enumerate(self.cotangents.values()):
            available[v] = ("ct", list(self.cotangents)[i])
        for i, v in enumerate(results):
            if v.producer is not None:
                available.setdefault(v, ("result", i))
        for i, v in enumerate(self.operands):
            available[v] = ("operand", i)
        defining = [("operand", i, v) for i, v in enumerate(self.operands)]
        graph, used = extract(self.graph, available, defining)
        pick = {
            kind: tuple(i for k, i in used if k == kind) for kind in ("operand", "result", "ct")
        }
        ordered = [("operand", i) for i in pick["operand"]]
        ordered += [("result", i) for i in pick["result"]] + [("ct", i) for i in pick["ct"]]
        by_source = dict(zip(used, graph.inputs, strict=True))
        graph.inputs = [by_source[u] for u in ordered]
        return GradientForm(
            GraphOp(graph, getattr(options, "for_gradient", options)),
            pick["operand"],
            pick["result"],
            pick["ct"],
            tuple(self.grads),
            self.guards,
        )


def _cut(operand: Array) -> Array:
    return wrap(operand._data)  # type: ignore[no-any-return]


def _vjp_some(
    function: Callable[..., Any],
    inputs: Sequence[Array],
    tracked: Sequence[Array | None],
    cts: Sequence[Any],
) -> list[Any]:
    """`vjp` with respect to the inputs that are tracked; the others are constants to it."""
    chosen = [i for i, t in enumerate(tracked) if t is not None]

    def partial(*some: Any) -> Any:
        full = list(inputs)
        for i, x in zip(chosen, some, strict=True):
            full[i] = x
        return function(*full)

    found = vjp(partial, [inputs[i] for i in chosen], list(cts))
    grads: list[Any] = [None] * len(inputs)
    for i, g in zip(chosen, found, strict=True):
        grads[i] = g
    return grads


def extract(
    graph: Graph,
    available: dict[Value, tuple[str, int]],
    defining: Sequence[tuple[str, int, Value]],
    outputs: Sequence[Value] | None = None,
) -> tuple[Graph, list[tuple[str, int]]]:
    """Copy what `outputs` (of `graph`, if left out) need, with the `available` values as inputs.

    The operands in `defining` whose shape names a dimension that is needed are inputs as well.

    Returns
    -------
    graph : Graph
    used : list
        What `available` says of each of its inputs.
    """
    targets = graph.outputs if outputs is None else list(outputs)
    needed: dict[Any, None] = {}
    stack = list(targets)
    while stack:
        v = stack.pop()
        if v in available or v.producer is None or v.producer in needed:
            continue
        needed[v.producer] = None
        stack.extend(u for u in v.producer.inputs if u is not None)
    new = Graph(graph.name)
    new.scope = graph.scope
    env: dict[Value, Value] = {}
    used: list[tuple[str, int]] = []

    def take(v: Value) -> Value:
        if v not in env:
            if v in available:
                env[v] = new.add_input(v.name, v.type)
                used.append(available[v])
            else:
                data = v.data
                if data is None:
                    raise TypeError(f"value {v!r} is not available to the gradient")
                env[v] = new.add_constant(data, v.name)
        return env[v]

    for node in graph.nodes:
        if node not in needed:
            continue
        inputs = [None if u is None else take(u) for u in node.inputs]
        copy = new.add(
            node.op,
            inputs,
            [v.type for v in node.outputs],
            name=node.outputs[0].name,
            origin=node.origin,
        )
        env.update(zip(node.outputs, copy.outputs, strict=True))
    new.set_outputs([take(v) for v in targets])
    missing = names_needed(new) - names_given(new.inputs)
    for _, _, value in defining:
        here = names_given([value])
        if missing & here and value not in env:
            take(value)
            missing -= here
    return new, used


def names_needed(graph: Graph) -> set[str]:
    """Dimension names that the operators and results of `graph` depend on."""
    found: set[str] = set()

    def note(dim: Any) -> Any:
        found.update(dim.names())
        return dim

    for node in graph.nodes:
        node.op.map_dims(note)
        for value in node.outputs:
            for n in value.type.shape or ():
                if isinstance(n, Dim):
                    note(n)
    return found


def names_given(values: Sequence[Value]) -> set[str]:
    """Dimension names that stand alone in the shapes of `values`."""
    return {
        n.bare
        for v in values
        for n in v.type.shape or ()
        if isinstance(n, Dim) and n.bare is not None
    }
