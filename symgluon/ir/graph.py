"""The IR: values, nodes and graphs in SSA form over one ``networkx.MultiDiGraph``.

``node.inputs`` holds the operand order and ``graph.nx`` the same edges (producer -> consumer, key
= operand slot).  Six mutators and nothing else write both: :meth:`Graph.add`,
:meth:`Graph.remove`, :meth:`Graph.set_input`, :meth:`Graph.replace_all_uses`,
:meth:`Graph.set_outputs` and :meth:`Graph.inline`.  Order is data: ``node.order`` is a valid
topological order at all times.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import VerifyError
from symgluon.ir.op import Op
from symgluon.ir.types import TensorType


class Origin(NamedTuple):
    """Where a node comes from: block path, the user's line, MXNet's name in a file."""

    block: str = ""
    line: str = ""
    mx_name: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.block or self.mx_name, self.line)))


class Value:
    """One result of a node, or an input, parameter or constant of a graph.

    Parameters
    ----------
    graph : Graph
        Whose it is.
    name : str
        Unique in the graph.
    type : TensorType
        Shape and dtype.
    producer : Node, optional
        The node whose result it is.
    index : int
        Which result of it.
    kind : str
        ``node``, ``input``, ``param`` or ``constant``.

    Attributes
    ----------
    uses : dict
        Pairs of a node and the number of the operand that reads the value, in order.
    """

    __slots__ = ("graph", "index", "kind", "name", "producer", "type", "uses")

    def __init__(
        self,
        graph: Graph,
        name: str,
        type: TensorType,
        producer: Node | None = None,
        index: int = 0,
        kind: str = "node",
    ) -> None:
        self.graph = graph
        self.name = name
        self.type = type
        self.producer = producer
        self.index = index
        self.kind = kind  # node | input | param | constant
        self.uses: dict[tuple[Node, int], None] = {}

    @property
    def shape(self) -> Any:
        """Shape of the type."""
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the type."""
        return self.type.dtype

    @property
    def data(self) -> np.ndarray | None:
        """The array of a constant, else None."""
        return self.graph.constants.get(self) if self.kind == "constant" else None

    def users(self) -> list[Node]:
        """Return the nodes that read this value, each once, in the order of their uses."""
        return list(dict.fromkeys(node for node, _ in self.uses))

    def __repr__(self) -> str:
        return f"<{self.kind} %{self.name}: {self.type}>"


class Node:
    """An operator applied to values.

    Parameters
    ----------
    op : Op
        The operator, its attributes set.
    inputs : list of Value or None
        Operands; None for an optional one that is left out.
    origin : tuple of Origin
        Where it comes from; several where nodes were merged.

    Attributes
    ----------
    outputs : list of Value
        Results.
    order : int
        Place in a topological order.
    """

    __slots__ = ("inputs", "op", "order", "origin", "outputs")

    def __init__(self, op: Op, inputs: list[Value | None], origin: tuple[Origin, ...]) -> None:
        self.op = op
        self.inputs = inputs
        self.outputs: list[Value] = []
        self.origin = origin
        self.order = -1

    @property
    def output(self) -> Value:
        """The first result."""
        return self.outputs[0]

    def key(self) -> tuple[Any, ...]:
        """Return what equal nodes share: the operator and the identities of the operands."""
        return (self.op, *(id(v) for v in self.inputs))

    def __repr__(self) -> str:
        outs = ", ".join("%" + v.name for v in self.outputs)
        ins = ", ".join("_" if v is None else "%" + v.name for v in self.inputs)
        return f"<{outs} = {self.op!r}({ins})>"


class Graph:
    """A function from inputs and parameters to outputs.

    Parameters
    ----------
    name : str
        Name in texts and files.

    Attributes
    ----------
    inputs : list of Value
        Operands in order: arguments, then captured cells, then random draws.
    params : dict of str to Value
        Parameters by structural name; neither inputs nor constants: re-bound at each call, or
        frozen into constants by a pass.
    constants : dict of Value to numpy.ndarray
        Read-only arrays.
    outputs : list of Value
        Results; those from `writes` are assigned to a cell after the call.
    writes : dict of int to Value
        Output index to the input or parameter whose cell takes that result.

    Examples
    --------
    >>> import numpy as np
    >>> from symgluon.ir.graph import Graph
    >>> from symgluon.ir.op import OPS
    >>> from symgluon.ir.types import TensorType
    >>> import symgluon.ops  # declares the operators
    >>> graph = Graph("double")
    >>> x = graph.add_input("x", TensorType((2, 3), np.dtype("float32")))
    >>> node = graph.add(OPS["add"](), [x, x])
    >>> graph.set_outputs([node.output])
    >>> print(graph)
    graph double(%x: float32[2,3]) -> float32[2,3] {  # 1 nodes
      %add: float32[2,3] = add(%x, %x)
      return %add
    }
    >>> x.users() == [node]
    True
    """

    def __init__(self, name: str = "graph") -> None:
        import networkx

        self.name = name
        self.nx: Any = networkx.MultiDiGraph()
        self.inputs: list[Value] = []
        self.params: dict[str, Value] = {}
        self.constants: dict[Value, np.ndarray] = {}
        self.outputs: list[Value] = []
        self.writes: dict[int, Value] = {}
        #: inputs that the caller draws at each call, in order, with the operator that draws
        self.draws: list[tuple[Value, Op]] = []
        #: sizes of named dimensions at the trace, for estimates such as the memory plan
        self.hints: dict[str, int] = {}
        #: what the trace learned about the named dimensions; lowerings ask it
        self.scope: Any = None
        #: which result takes the buffer of which operand, and the memory plan; both are dropped by
        #: the pass manager when a pass changes the graph
        self.inplace: dict[Value, Value] = {}
        self.plan: Any = None
        self.metadata: dict[str, str] = {}
        self._names: dict[str, int] = {}
        self._order = 0
        self._nodes: dict[Node, None] = {}  # in insertion order
        self._sorted = True
        self._constant_keys: dict[Any, Value] = {}

    # ---- reading ---------------------------------------------------------------------------
    @property
    def nodes(self) -> list[Node]:
        """A snapshot of the nodes in topological order."""
        if not self._sorted:
            self._nodes = dict.fromkeys(sorted(self._nodes, key=lambda n: n.order))
            self._sorted = True
        return list(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node: Node) -> bool:
        return node in self._nodes

    def operands(self) -> list[Value]:
        """Inputs, then parameters: the operands of the graph seen as one operator."""
        return [*self.inputs, *self.params.values()]

    def values(self) -> Iterable[Value]:
        """Every value: inputs, parameters, constants, results in order."""
        yield from self.inputs
        yield from self.params.values()
        yield from self.constants
        for node in self.nodes:
            yield from node.outputs

    @property
    def functions(self) -> dict[str, Graph]:
        """Bodies of the `Call` nodes by name, callees before callers."""
        from symgluon.ir.printer import all_bodies

        found: dict[str, Graph] = {}
        for body in all_bodies(self):
            found.setdefault(body.name, body)
        return found

    # ---- leaves ----------------------------------------------------------------------------
    def unique(self, hint: str) -> str:
        """Return a value name that is not taken: `hint`, then ``hint_1``, ``hint_2``, ..."""
        count = self._names.get(hint)
        if count is None:
            self._names[hint] = 0
            return hint
        while True:
            count += 1
            name = f"{hint}_{count}"
            if name not in self._names:
                self._names[hint] = count
                self._names[name] = 0
                return name

    def add_input(self, name: str, type: TensorType) -> Value:
        """Append an input.

        Parameters
        ----------
        name : str
            Wished name.
        type : TensorType
            Its type.

        Returns
        -------
        Value
            The input.
        """
        value = Value(self, self.unique(name), type, kind="input")
        self.inputs.append(value)
        return value

    def add_param(self, name: str, type: TensorType) -> Value:
        """Append a parameter.

        Parameters
        ----------
        name : str
            Structural name.
        type : TensorType
            Its type.

        Returns
        -------
        Value
            The parameter.
        """
        value = Value(self, self.unique(name), type, kind="param")
        self.params[name] = value
        return value

    def add_constant(self, array: np.ndarray, name: str = "const") -> Value:
        """Return the constant with some content (small equal ones are stored once).

        Parameters
        ----------
        array : numpy.ndarray
            The content; copied if it can be written to.
        name : str
            Wished name.

        Returns
        -------
        Value
            The constant.
        """
        array = np.asarray(array)
        key: Any = None
        if array.size <= 64 and array.dtype != object:
            key = (array.dtype.str, array.dtype.name, array.shape, array.tobytes())
            known = self._constant_keys.get(key)
            if known is not None:
                return known
        if array.flags.writeable:
            array = array.copy()
            array.flags.writeable = False
        value = Value(
            self, self.unique(name), TensorType(array.shape, array.dtype), kind="constant"
        )
        self.constants[value] = array
        if key is not None:
            self._constant_keys[key] = value
        return value

    def drop_leaf(self, value: Value) -> None:
        """Forget an unused constant, parameter or input.

        Parameters
        ----------
        value : Value
            The leaf.

        Raises
        ------
        VerifyError
            If it is still used.
        """
        if value.uses or value in self.outputs:
            raise VerifyError(f"{value!r} is still used")
        if value.kind == "constant":
            del self.constants[value]
            self._constant_keys = {k: v for k, v in self._constant_keys.items() if v is not value}
        elif value.kind == "param":
            self.params = {k: v for k, v in self.params.items() if v is not value}
        else:
            self.inputs.remove(value)

    def freeze(self, value: Value, array: np.ndarray) -> None:
        """Turn an input or parameter into a constant of the same name.

        Parameters
        ----------
        value : Value
            The input or parameter.
        array : numpy.ndarray
            Not copied: nobody may write to it while the graph is in use.
        """
        if value.kind == "param":
            self.params = {k: v for k, v in self.params.items() if v is not value}
        else:
            self.inputs = [v for v in self.inputs if v is not value]
        value.kind = "constant"
        content = np.asarray(array).view()
        content.flags.writeable = False
        self.constants[value] = content

    def drop_constants(self, values: Sequence[Value]) -> None:
        """Forget unused constants.

        Parameters
        ----------
        values : sequence of Value
            The constants.

        Raises
        ------
        VerifyError
            If one is still used.
        """
        gone = set(values)
        for value in gone:
            if value.uses:
                raise VerifyError(f"{value!r} is still used")
            del self.constants[value]
        if gone:
            keys = self._constant_keys
            self._constant_keys = {k: v for k, v in keys.items() if v not in gone}

    # ---- the six mutators ------------------------------------------------------------------
    def add(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        types: TensorType | Sequence[TensorType] | None = None,
        *,
        name: str = "",
        origin: tuple[Origin, ...] = (),
        before: Node | None = None,
    ) -> Node:
        """Add a node.

        Parameters
        ----------
        op : Op
            The operator.
        inputs : sequence of Value or None
            Its operands.
        types : TensorType, or sequence of them, optional
            Types of the results; ``op.infer`` finds them if left out.
        name : str
            Wished name of the results; that of the operator if empty.
        origin : tuple of Origin
            Where it comes from.
        before : Node, optional
            Node that it stands before; at the end if left out.

        Returns
        -------
        Node
            The node.
        """
        if types is None:
            types = op.infer(*[None if v is None else v.type for v in inputs])
        several = not isinstance(types, TensorType)
        node = Node(op, list(inputs), origin)
        hint = name or op.name
        for i, type in enumerate(types if several else (types,)):  # type: ignore[arg-type]
            node.outputs.append(Value(self, self.unique(hint), type, node, i))
        self._place(node, before)
        self._nodes[node] = None
        self.nx.add_node(node)
        for slot, value in enumerate(node.inputs):
            if value is not None:
                self._link(node, slot, value)
        return node

    def _place(self, node: Node, before: Node | None) -> None:
        if before is None:
            node.order = self._order
            self._order += 1024
            return
        # anywhere between the operands and `before` is valid; renumber when gaps are used up
        floor = self._floor(node, before.order)
        if before.order - floor < 2:
            self.renumber()
            floor = self._floor(node, before.order)
        node.order = (before.order + floor) // 2
        self._sorted = False

    @staticmethod
    def _floor(node: Node, top: int) -> int:
        orders = [v.producer.order for v in node.inputs if v is not None and v.producer]
        return max(orders, default=top - 2048)

    def _link(self, node: Node, slot: int, value: Value) -> None:
        value.uses[(node, slot)] = None
        if value.producer is not None:
            self.nx.add_edge(value.producer, node, key=slot)

    def _unlink(self, node: Node, slot: int, value: Value) -> None:
        del value.uses[(node, slot)]
        if value.producer is not None:
            self.nx.remove_edge(value.producer, node, key=slot)

    def remove(self, node: Node) -> None:
        """Remove a node whose results nobody reads.

        Parameters
        ----------
        node : Node
            The node.

        Raises
        ------
        VerifyError
            If a result is still used.
        """
        for value in node.outputs:
            if value.uses or value in self.outputs:
                raise VerifyError(f"{node!r} cannot be removed: %{value.name} is still used")
        for slot, operand in enumerate(node.inputs):
            if operand is not None:
                self._unlink(node, slot, operand)
        self.nx.remove_node(node)
        del self._nodes[node]

    def set_input(self, node: Node, slot: int, value: Value | None) -> None:
        """Let an operand of a node be another value.

        Parameters
        ----------
        node : Node
            The node.
        slot : int
            Number of the operand.
        value : Value or None
            The value.
        """
        old = node.inputs[slot]
        if old is not None:
            self._unlink(node, slot, old)
        node.inputs[slot] = value
        if value is not None:
            self._link(node, slot, value)
            if value.producer is not None and value.producer.order >= node.order:
                self.renumber()

    def replace_all_uses(self, old: Value, new: Value) -> None:
        """Let everybody who reads a value, the graph's outputs included, read another one.

        Parameters
        ----------
        old, new : Value
            What is read now, and from then on.
        """
        if old is new:
            return
        late = False
        for node, slot in list(old.uses):
            self._unlink(node, slot, old)
            node.inputs[slot] = new
            self._link(node, slot, new)
            late = late or (new.producer is not None and new.producer.order >= node.order)
        while old in self.outputs:  # a new list: the old one may be a snapshot
            outputs = list(self.outputs)
            outputs[outputs.index(old)] = new
            self.outputs = outputs
        if late:
            self.renumber()

    def set_outputs(self, outputs: Sequence[Value]) -> None:
        """Replace the list of results by `outputs`."""
        self.outputs = list(outputs)

    def inline(
        self,
        body: Graph,
        operands: Sequence[Value],
        *,
        rename: Callable[[Op], Op] | None = None,
        retype: Callable[[TensorType], TensorType] | None = None,
        origin: tuple[Origin, ...] = (),
        before: Node | None = None,
    ) -> list[Value]:
        """Copy the nodes of another graph with its operands bound.

        Parameters
        ----------
        body : Graph
            The other graph; it stays as it is.
        operands : sequence of Value
            What stands for ``body.operands()``.
        rename : callable, optional
            Maps each operator (symbolic dimensions of the body to those of the caller).
        retype : callable, optional
            Maps each type likewise.
        origin : tuple of Origin
            Put in front of each block path.
        before : Node, optional
            Node that the copies stand before; at the end if left out.

        Returns
        -------
        list of Value
            Copies of the outputs of `body`.
        """
        env: dict[Value, Value] = dict(zip(body.operands(), operands, strict=True))
        for constant, array in body.constants.items():
            env[constant] = self.add_constant(array, constant.name)
        for node in body.nodes:
            types = [v.type if retype is None else retype(v.type) for v in node.outputs]
            copy = self.add(
                node.op if rename is None else rename(node.op),
                [None if v is None else env[v] for v in node.inputs],
                types,
                name=node.outputs[0].name,
                origin=join_origins(origin, node.origin),
                before=before,
            )
            env.update(zip(node.outputs, copy.outputs, strict=True))
        return [env[v] for v in body.outputs]

    # ---- order -----------------------------------------------------------------------------
    def renumber(self) -> None:
        """Number the nodes anew: topological, ties by the old order (a heap, linear memory).

        Raises
        ------
        VerifyError
            If there is a cycle.
        """
        waiting: dict[Node, int] = {}
        ready: list[tuple[int, int, Node]] = []
        for tie, node in enumerate(self._nodes):
            missing = len({v.producer for v in node.inputs if v is not None and v.producer})
            waiting[node] = missing
            if not missing:
                ready.append((node.order, tie, node))
        heapq.heapify(ready)
        ties = {node: i for i, node in enumerate(self._nodes)}
        done: list[Node] = []
        while ready:
            _, _, node = heapq.heappop(ready)
            done.append(node)
            users = {user for v in node.outputs for user, _ in v.uses}
            for user in users:
                waiting[user] -= 1
                if not waiting[user]:
                    heapq.heappush(ready, (user.order, ties[user], user))
        if len(done) != len(self._nodes):
            raise VerifyError(
                f"graph {self.name}: a cycle of {len(self._nodes) - len(done)} nodes"
            )
        for i, node in enumerate(done):
            node.order = i * 1024
        self._order = len(done) * 1024
        self._nodes = dict.fromkeys(done)
        self._sorted = True

    # ---- whole graphs ----------------------------------------------------------------------
    def copy(self, name: str = "") -> Graph:
        """Return an independent copy; operators, arrays and bodies are shared: they are immutable.

        Parameters
        ----------
        name : str
            Its name; that of the graph if empty.

        Returns
        -------
        Graph
            The copy.
        """
        new = Graph(name or self.name)
        operands = [new.add_input(v.name, v.type) for v in self.inputs]
        operands += [new.add_param(k, v.type) for k, v in self.params.items()]
        env = dict(zip(self.operands(), operands, strict=True))
        new.set_outputs(new.inline(self, operands))
        new.writes = {i: env[v] for i, v in self.writes.items()}
        new.draws = [(env[v], op) for v, op in self.draws]
        new.metadata, new.hints = dict(self.metadata), dict(self.hints)
        new.scope = self.scope
        return new

    def take(self, other: Graph) -> None:
        """Take over the content of `other`, which must not be used afterwards.

        For passes that rebuild a graph by appending: linear, where inserting is not.
        """
        for value in other.values():
            value.graph = self
        for slot in ("nx", "inputs", "params", "constants", "outputs", "writes", "draws"):
            setattr(self, slot, getattr(other, slot))
        for slot in ("_names", "_order", "_nodes", "_sorted", "_constant_keys"):
            setattr(self, slot, getattr(other, slot))
        self.inplace, self.plan = {}, None

    def fingerprint(self) -> str:
        """SHA-256 of the graph up to value names, origins and names of dimensions."""
        from symgluon.ir.fingerprint import fingerprint

        return fingerprint(self)

    def print(self) -> str:
        """Return the graph as stable readable text, one statement a line."""
        from symgluon.ir.printer import print_graph

        return print_graph(self)

    __str__ = print

    def summary(self) -> Any:
        """Return counts of operators, parameters, bytes and floating-point operations."""
        from symgluon.ir.printer import summary

        return summary(self)

    def to_dot(self) -> str:
        """Return the graph in Graphviz's language, a cluster a block."""
        from symgluon.ir.dot import to_dot

        return to_dot(self)

    def diff(self, other: Graph) -> str:
        """Return what changed from this graph to `other` as a unified diff of their texts."""
        from symgluon.ir.printer import diff

        return diff(self, other)

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self)} nodes, {len(self.params)} parameters>"


def bodies(op: Op) -> list[Graph]:
    """Return the graphs that the operator `op` holds as fields (call, loop and branch bodies)."""
    if not any([isinstance(v, Graph) for v in op.__dict__.values()]):
        return []  # almost all: no dictionary is made for them
    return [v for v in op.attrs().values() if isinstance(v, Graph)]


def join_origins(outer: tuple[Origin, ...], inner: tuple[Origin, ...]) -> tuple[Origin, ...]:
    """Origins of a node that is inlined: the call's block path in front of the body's.

    Parameters
    ----------
    outer, inner : tuple of Origin
        Those of the call, and of the node in the body.

    Returns
    -------
    tuple of Origin
        Those of the copy.
    """
    if not outer:
        return inner
    head = outer[0].block
    if not inner:
        return outer
    joined = []
    for o in inner:
        block = o.block if o.block.startswith(head) else ".".join(filter(None, (head, o.block)))
        joined.append(o._replace(block=block, line=o.line or outer[0].line))
    return tuple(joined)
