"""`ir.Graph` to `onnx.ModelProto`: each node lowers itself, or its decomposition is lowered.

Deterministic: names, constants and node order depend on the graph alone.  Linear in its nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.errors import SymgluonError, Unsupported, UnsupportedOpError
from symgluon.formats.onnx.builder import Builder
from symgluon.formats.onnx.external import ExternalData
from symgluon.formats.onnx.proto import make_node, make_tensor, make_value_info
from symgluon.ir.dims import Dim
from symgluon.ir.graph import Graph, Node, Value
from symgluon.ir.op import Op
from symgluon.ir.types import TensorType
from symgluon.ops import derive
from symgluon.ops.lowering import NCHWC
from symgluon.ops.region import known_sizes
from symgluon.ops.replay import dims_of, substitution

OPSETS = range(13, 24)
DOMAIN = "symgluon"
_IR_VERSIONS = {13: 8, 14: 8, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
_MICROSOFT = ("com.microsoft", NCHWC)
_MICROSOFT_VERSION = 1


class _Lowering:
    """Lowers the nodes of one graph (or function body) into a builder."""

    def __init__(
        self,
        graph: Graph,
        opset: int,
        *,
        microsoft: bool,
        functions: _Functions | None,
        block: int = 0,
        cuda: bool = False,
    ) -> None:
        self.graph = graph
        self.g = Builder(opset, microsoft=microsoft, block=block, cuda=cuda)
        self.g.lower_op = self.lower_by_name
        self.g.lower_body = self.lower_body
        self.functions = functions
        self.env: dict[Value, str] = {}
        self.rename: dict[str, str] = {}
        self.unsupported: list[Unsupported] = []
        self.constant_names: dict[str, np.ndarray] = {}

    # ---- leaves ----------------------------------------------------------------------------
    def leaves(self) -> None:
        """Name inputs, parameters and constants; dimensions are defined by the inputs."""
        g = self.g
        for value in self.graph.operands():
            name = g.reserve(value.name)
            self.env[value] = name
            g.types[name] = value.type
            for axis, n in enumerate(value.type.shape or ()):
                if isinstance(n, Dim) and n.bare is not None:
                    g.sources.setdefault(n.bare, (name, axis))
                elif isinstance(n, Dim):
                    g.compound.setdefault(n.key(), (n, name, axis))
        for value, array in self.graph.constants.items():
            name = g.reserve(value.name)
            self.env[value] = name
            g.types[name] = value.type
            self.constant_names[name] = array
            g.tensors[name] = array
        for node in self.graph.nodes:
            for value in node.outputs:
                g.reserve(value.name)

    # ---- nodes -----------------------------------------------------------------------------
    def run(self) -> None:
        """Lower every node; what cannot be lowered is collected."""
        with known_sizes(self.graph):
            self._run()

    def _run(self) -> None:
        for node in self.graph.nodes:
            try:
                self.node(node)
            except UnsupportedOpError as error:
                self._refuse(node, error)
                self._stand_in(node)
            except SymgluonError as error:
                raise error.at(where=_where(node)) from None

    def _refuse(self, node: Node, error: UnsupportedOpError) -> None:
        if error.unsupported:
            self.unsupported.extend(error.unsupported)
        else:
            self.unsupported.append(
                Unsupported(node.op.name, _where(node), error.hint or error.message)
            )

    def _stand_in(self, node: Node) -> None:
        """Let the nodes after an unsupported one be lowered, so that all of them are named."""
        for value in node.outputs:
            self.env[value] = value.name
            self.g.types[value.name] = value.type

    def node(self, node: Node) -> None:
        """Lower one node and name its results."""
        g = self.g
        names = ["" if v is None else self.env[v] for v in node.inputs]
        g.within(node.outputs[0].name, _block(node))
        if self.functions is not None and node.op.name == "call":
            results = self._call(node, names)
        else:
            results = self.lower(node.op, names, [None if v is None else v.type
                                                  for v in node.inputs])  # fmt: skip
        for value, name in zip(node.outputs, results, strict=True):
            self.env[value] = name
            g.types.setdefault(name, value.type)
            if not value.type.is_static:
                self._define(value, name)
            if name not in self.rename and self._is_fresh(name, names):
                self.rename[name] = value.name

    def _define(self, value: Value, name: str) -> None:
        """Dimensions that depend on data are defined by the result that has them."""
        for axis, n in enumerate(value.type.shape or ()):
            if isinstance(n, Dim) and n.bare is not None:
                self.g.sources.setdefault(n.bare, (name, axis))

    def _is_fresh(self, name: str, inputs: Sequence[str]) -> bool:
        """Whether a result is an intermediate that may take the name of the value."""
        return name not in inputs and name not in self.g.tensors and "." in name

    def lower(
        self, op: Op, names: Sequence[str], types: Sequence[TensorType | None]
    ) -> tuple[str, ...]:
        """Lower an operator: by its own rule, else by its decomposition."""
        found = op.onnx(self.g, *names)
        if found is NotImplemented:
            if not hasattr(op, "decompose"):
                raise UnsupportedOpError(
                    f"operator {op!r} has no ONNX form",
                    hint="it can run with symgluon, but not in an exported file",
                )
            return self._decomposed(op, names, types)
        return (found,) if isinstance(found, str) else tuple(found)

    def _decomposed(
        self, op: Op, names: Sequence[str], types: Sequence[TensorType | None]
    ) -> tuple[str, ...]:
        body = derive.decomposition(op, types)
        given = [n for n, t in zip(names, types, strict=True) if t is not None]
        env: dict[Value, str] = dict(zip(body.inputs, given, strict=True))
        for value, array in body.constants.items():
            env[value] = self.g.const(array)
            self.g.types[env[value]] = value.type
        for node in body.nodes:
            inputs = ["" if v is None else env[v] for v in node.inputs]
            kinds = [None if v is None else v.type for v in node.inputs]
            results = self.lower(node.op, inputs, kinds)
            for value, name in zip(node.outputs, results, strict=True):
                env[value] = name
                self.g.types.setdefault(name, value.type)
        return tuple(env[v] for v in body.outputs)

    def lower_by_name(self, op: Op, names: Sequence[str]) -> Any:
        """Lower `op` inside the lowering of another; types of the names must be known."""
        types = [self.g.types[n] if n else None for n in names]
        results = self.lower(op, names, types)
        inferred = op.infer(*types)
        kinds = inferred if isinstance(inferred, tuple) else (inferred,)
        for name, kind in zip(results, kinds, strict=True):
            self.g.types.setdefault(name, kind)
        return results[0] if len(results) == 1 else results

    def lower_body(
        self, g: Builder, body: Graph, names: Sequence[str]
    ) -> list[tuple[str, TensorType]]:
        """Lower the body of a loop or branch into the builder `g` of its subgraph."""
        bind = substitution(dims_of(body, [g.types[n].shape for n in names]))
        nested = _Lowering(
            body if bind is None else _rebound(body, bind),
            g.opset,
            microsoft=g.microsoft,
            functions=self.functions,
        )
        nested.g = g
        before = g.lower_op, g.lower_body
        g.lower_op, g.lower_body = nested.lower_by_name, nested.lower_body
        nested.env = dict(zip(nested.graph.operands(), names, strict=True))
        hint, doc = g._hint, g.doc
        for value, array in nested.graph.constants.items():
            nested.env[value] = g.const(array)
            g.types[nested.env[value]] = value.type
        nested.run()
        self.unsupported.extend(nested.unsupported)
        g.within(hint, doc)
        g.lower_op, g.lower_body = before
        return [(nested.env[v], v.type) for v in nested.graph.outputs]

    def _call(self, node: Node, names: Sequence[str]) -> tuple[str, ...]:
        if self.functions is None:
            raise RuntimeError("functions are not written here")
        name, refused = self.functions.name_of(node.op.body, self.g.opset)  # type: ignore[attr-defined]
        self.unsupported.extend(refused)
        outputs = [self.g.fresh("call") for _ in node.outputs]
        self.g.op(name, names, domain=DOMAIN, outputs=outputs)
        return tuple(outputs)

    # ---- finishing -------------------------------------------------------------------------
    def outputs(self) -> list[tuple[str, Value]]:
        """Names of the results; what is an operand or given twice passes an Identity."""
        found: list[tuple[str, Value]] = []
        seen: set[str] = set()
        leaves = {self.env[v] for v in (*self.graph.operands(), *self.graph.constants)}
        for value in self.graph.outputs:
            name = self.env[value]
            final = self.rename.get(name, name)
            if name in leaves or name in self.g.tensors or final in seen:
                self.g.within("", "")
                copy = self.g.reserve(f"{value.name}_output")
                self.g.op("Identity", [name], outputs=[copy])
                final = copy
            seen.add(final)
            found.append((final, value))
        return found

    def finished_nodes(self) -> list[Any]:
        """The nodes with the final names."""
        rename = self.rename
        if rename:
            for node in self.g.nodes:
                _rename(node, rename)
                node.name = rename.get(node.name, node.name)
        return self.g.nodes

    def live_tensors(self, nodes: Sequence[Any]) -> dict[str, np.ndarray]:
        """Initializers that a node reads."""
        read = _read(nodes)
        return {k: v for k, v in self.g.tensors.items() if k in read}


def _subgraphs(node: Any) -> list[Any]:
    return [a.g for a in node.attribute if a.HasField("g")]


def _rename(node: Any, names: Mapping[str, str]) -> None:
    """Rename what a node reads and makes, in its subgraphs too."""
    for field in (node.input, node.output):
        for i, name in enumerate(field):
            if name in names:
                field[i] = names[name]
    for graph in _subgraphs(node):
        for inner in graph.node:
            _rename(inner, names)
        for info in graph.output:
            info.name = names.get(info.name, info.name)


def _read(nodes: Sequence[Any]) -> set[str]:
    """Names that nodes read, in their subgraphs too."""
    found = {name for node in nodes for name in node.input}
    for node in nodes:
        for graph in _subgraphs(node):
            found |= _read(graph.node)
    return found


def _rebound(body: Graph, bind: Any) -> Graph:
    """A copy of a body in the names of dimensions of the graph around it."""
    copy = body.copy()
    for value in copy.values():
        shape = value.type.shape
        if shape is not None and not value.type.is_static:
            value.type = value.type.with_shape(
                [bind(n) if isinstance(n, Dim) else n for n in shape]
            )
    for node in copy.nodes:
        node.op = node.op.map_dims(bind)
    return copy


def _block(node: Node) -> str:
    return node.origin[0].block or node.origin[0].mx_name if node.origin else ""


def _where(node: Node) -> str:
    text = str(node.origin[0]) if node.origin else ""
    return f"block {text}" if text else f"node {node.outputs[0].name}"


def _raise_unsupported(unsupported: Sequence[Unsupported]) -> None:
    if unsupported:
        names = ", ".join(sorted({u.op for u in unsupported}))
        raise UnsupportedOpError(f"no ONNX form for: {names}", unsupported=unsupported)


class _Functions:
    """Bodies of `Call` nodes as ONNX functions: equal bodies once, callees first."""

    def __init__(self) -> None:
        self.protos: dict[str, Any] = {}
        self._by_id: dict[int, str] = {}
        self._by_content: dict[str, str] = {}

    def name_of(self, body: Graph, opset: int) -> tuple[str, list[Unsupported]]:
        """Name of the function for `body`; with what of it has no ONNX form, the first time."""
        name = self._by_id.get(id(body))
        if name is not None:
            return name, []
        content = body.fingerprint()
        name = self._by_content.get(content)
        refused: list[Unsupported] = []
        if name is None:
            made, refused = _function(body, opset, self)
            made.name = name = self._free(body.name or "function")
            self.protos[name] = made
            self._by_content[content] = name
        self._by_id[id(body)] = name
        return name, refused

    def _free(self, wish: str) -> str:
        name, count = wish, 0
        while name in self.protos:
            count += 1
            name = f"{wish}_{count}"
        return name


def _function(body: Graph, opset: int, functions: _Functions) -> tuple[Any, list[Unsupported]]:
    """Return the FunctionProto of a body; its constants become Constant nodes."""
    import onnx

    lowering = _Lowering(body, opset, microsoft=False, functions=functions)
    lowering.leaves()
    lowering.run()
    outputs = lowering.outputs()
    nodes = lowering.finished_nodes()
    made = onnx.FunctionProto()
    made.domain = DOMAIN
    made.input.extend(lowering.env[v] for v in body.operands())
    made.output.extend(name for name, _ in outputs)
    for name, array in lowering.live_tensors(nodes).items():
        attrs = {"value": make_tensor("", array)}
        made.node.append(make_node("Constant", [], [name], "", "", attrs))
    made.node.extend(nodes)
    for domain, version in _imports(lowering.g, opset):
        made.opset_import.add(domain=domain, version=version)
    return made, lowering.unsupported


def _imports(g: Builder, opset: int) -> list[tuple[str, int]]:
    found = [("", opset)]
    if DOMAIN in g.domains:
        found.append((DOMAIN, 1))
    found.extend((d, _MICROSOFT_VERSION) for d in _MICROSOFT if d in g.domains)
    return found


def build_model(
    graph: Graph,
    *,
    opset: int = 20,
    functions: bool = False,
    microsoft: bool = False,
    block: int = 0,
    cuda: bool = False,
    metadata: Mapping[str, str] | None = None,
    output_names: Mapping[int, str] | None = None,
    external: ExternalData | None = None,
) -> Any:
    """Lower `graph` to an ONNX model.

    Parameters
    ----------
    opset : int
        13 to 23.
    functions : bool
        Write `Call` nodes as ONNX functions of the domain ``symgluon``; otherwise they are inlined.
    microsoft : bool
        Allow ``com.microsoft`` operators (for graphs that stay in memory).
    block : int
        Channels in a block of ONNX Runtime's own layout; 0: convolutions are not written in it.
    cuda : bool
        Write what ONNX Runtime's CUDA provider computes right, where that is not the same.
    metadata : mapping, optional
        Metadata properties.
    output_names : mapping, optional
        Wished names of outputs by position.
    external : ExternalData, optional
        Takes large tensors; the model refers to them.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    UnsupportedOpError
        Naming every operator that has no ONNX form.
    """
    import onnx

    if opset not in OPSETS:
        raise SymgluonError(f"ONNX opset {opset} is not written; 13 to 23 are")
    bodies = _Functions() if functions else None
    lowering = _Lowering(
        graph, opset, microsoft=microsoft, functions=bodies, block=block, cuda=cuda
    )
    lowering.leaves()
    lowering.run()
    _raise_unsupported(lowering.unsupported)
    outputs = lowering.outputs()
    nodes = lowering.finished_nodes()
    model = onnx.ModelProto()
    model.ir_version = _IR_VERSIONS[opset]
    model.producer_name = "symgluon"
    model.graph.name = graph.name or "graph"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(_initializers(lowering.live_tensors(nodes), external))
    for value in graph.operands():
        model.graph.input.append(make_value_info(lowering.env[value], value.type))
    for name, value in outputs:
        model.graph.output.append(make_value_info(name, value.type))
    if output_names:
        _rename_outputs(model, output_names)
    if bodies is not None:
        model.functions.extend(bodies.protos.values())
    for domain, version in _imports(lowering.g, opset):
        model.opset_import.add(domain=domain, version=version)
    for key in sorted(metadata or {}):
        model.metadata_props.add(key=key, value=str((metadata or {})[key]))
    return model


def _initializers(tensors: Mapping[str, np.ndarray], external: ExternalData | None) -> list[Any]:
    if external is not None and sum(a.nbytes for a in tensors.values()) <= external.above:
        external = None
    return [
        external.refer(name, array)
        if external is not None and external.takes(array)
        else make_tensor(name, array)
        for name, array in tensors.items()
    ]


def _rename_outputs(model: Any, wished: Mapping[int, str]) -> None:
    names = {model.graph.output[i].name: n for i, n in wished.items()}
    taken = {n for node in model.graph.node for n in (*node.input, *node.output)}
    names = {old: new for old, new in names.items() if new not in taken}
    for node in model.graph.node:
        _rename(node, names)
    for out in model.graph.output:
        out.name = names.get(out.name, out.name)
