"""The builder that an operator's ``onnx(self, g, *names)`` sees: ``g.Conv(x, w, pads=...)``.

Any ONNX operator is a method; attributes are keywords (None is left out), ``outputs=n`` asks for
several results.  What differs between opsets 13 and 23 is hidden in the named helpers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.formats.onnx import dims, indexing
from symgluon.formats.onnx.proto import make_node, make_tensor, make_value_info, onnx_dtype
from symgluon.ir.dims import Dim
from symgluon.ir.types import TensorType
from symgluon.ops.lowering import NCHWC

if TYPE_CHECKING:
    from symgluon.ir.graph import Graph
    from symgluon.ir.op import Op


class Builder:
    """Collects ONNX nodes and initializers.

    Attributes
    ----------
    opset : int
        Opset of the model.
    microsoft : bool
        Whether ``com.microsoft`` operators may be emitted (graphs that stay in memory).
    block : int
        Channels in a block of ONNX Runtime's own layout (graphs that stay in memory); 0: none.
    cuda : bool
        Whether the model is for ONNX Runtime's CUDA provider, some of whose kernels are wrong for
        data that those of its CPU provider take (graphs that stay in memory).
    """

    def __init__(
        self, opset: int, *, microsoft: bool = False, block: int = 0, cuda: bool = False
    ) -> None:
        self.opset = opset
        self.microsoft = microsoft
        self.block = block
        self.cuda = cuda
        self.nodes: list[Any] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.types: dict[str, TensorType] = {}
        self.domains: set[str] = set()
        #: dimension name -> (graph input, axis) that defines it
        self.sources: dict[str, tuple[str, int]] = {}
        #: the same of dimensions that are no names alone, by key: those of a child block's data
        self.compound: dict[Any, tuple[Dim, str, int]] = {}
        #: lowers a bound operator on names, a graph into a builder (installed by the writer)
        self.lower_op: Callable[[Op, Sequence[str]], Any] | None = None
        self.lower_body: Callable[[Builder, Graph, Sequence[str]], list[Any]] | None = None
        self.formals: list[tuple[str, TensorType]] = []
        self.doc = ""
        self._hint = ""
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}
        self._constants: dict[Any, str] = {}
        self._dims: dict[Any, str] = {}
        self._blocked: dict[str, str] = {}

    # ---- names -----------------------------------------------------------------------------
    def reserve(self, name: str) -> str:
        """Take `name`, or a variant of it that is free."""
        found = name
        while found in self._used:
            count = self._counts.get(name, 0) + 1
            self._counts[name] = count
            found = f"{name}_{count}"
        self._used.add(found)
        return found

    def fresh(self, hint: str) -> str:
        """Return a free name for an intermediate result."""
        return self.reserve(f"{self._hint or 'node'}.{hint}")

    def within(self, hint: str, doc: str) -> None:
        """Name intermediates after `hint` and note `doc` on the nodes that follow."""
        self._hint, self.doc = hint, doc

    # ---- nodes -----------------------------------------------------------------------------
    def op(
        self,
        kind: str,
        inputs: Sequence[str],
        *,
        domain: str = "",
        outputs: int | Sequence[str] = 1,
        **attrs: Any,
    ) -> Any:
        """Add a node; returns the name of its result, or a tuple of names."""
        if isinstance(outputs, int):
            names = [self.fresh(f"{kind.lower()}") for _ in range(outputs)]
        else:
            names = list(outputs)
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        self.domains.add(domain)
        self.nodes.append(make_node(kind, inputs, names, domain, self.doc, attrs))
        return names[0] if outputs == 1 else tuple(names)

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        if not kind[:1].isupper():
            raise AttributeError(f"the ONNX builder has no helper {kind!r}")

        def emit(*inputs: str, **keywords: Any) -> Any:
            return self.op(kind, inputs, **keywords)

        return emit

    # ---- constants -------------------------------------------------------------------------
    def const(self, value: Any, dtype: Any = None) -> str:
        """Return the name of an initializer; equal small ones are stored once."""
        array = np.asarray(value, dtype)
        key: Any = None
        if array.size <= 64:
            key = (array.dtype.name, array.shape, array.tobytes())
            known = self._constants.get(key)
            if known is not None:  # perhaps by the builder of another subgraph
                self.types.setdefault(known, TensorType(array.shape, array.dtype))
                return known
        if array.size > 1024 and not array.any():
            return self._zeros(array)
        name = self.reserve("const")
        self.tensors[name] = array
        self.types[name] = TensorType(array.shape, array.dtype)
        if key is not None:
            self._constants[key] = name
        return name

    def _zeros(self, array: np.ndarray) -> str:
        zero = make_tensor("", np.zeros((1,), array.dtype))
        return str(self.ConstantOfShape(self.ints(array.shape), value=zero))

    def ints(self, values: Sequence[int]) -> str:
        """Return the name of an int64 vector."""
        return self.const(np.asarray(list(values), np.int64))

    # ---- facts -----------------------------------------------------------------------------
    def type(self, name: str) -> TensorType:
        """Type of an operand of the node being lowered."""
        return self.types[name]

    def shape(self, name: str) -> tuple[Any, ...]:
        """Shape of an operand."""
        return self.types[name].known_shape

    def rank(self, name: str) -> int:
        """Rank of an operand."""
        return len(self.shape(name))

    def dtype(self, name: str) -> np.dtype[Any]:
        """Dtype of an operand."""
        return self.types[name].dtype

    # ---- dimensions ------------------------------------------------------------------------
    def dim_value(self, dim: Any) -> str:
        """Return the name of an int64 scalar with the value of `dim`."""
        if not isinstance(dim, Dim):
            return self.const(np.asarray(int(dim), np.int64))
        return dims.scalar(self, dim)

    def shape_vector(self, shape: Sequence[Any]) -> str:
        """Return the name of an int64 vector of ints and symbolic dimensions."""
        if not any(isinstance(n, Dim) for n in shape):
            return self.ints([int(n) for n in shape])
        key = ("vector", tuple(n.key() if isinstance(n, Dim) else n for n in shape))
        if key not in self._dims:
            self._dims[key] = dims.vector(self, shape)
        return self._dims[key]

    def reshape(self, x: str, shape: Sequence[Any]) -> str:
        """Reshape to ints and symbolic dimensions."""
        return dims.reshape(self, x, shape)

    # ---- helpers that hide opsets ----------------------------------------------------------
    def cast(self, x: str, dtype: Any) -> str:
        """Convert to another dtype."""
        return str(self.Cast(x, to=onnx_dtype(np.dtype(dtype))))

    def reduce(self, kind: str, x: str, axes: Sequence[int], keepdims: bool = True) -> str:
        """Reduce axes; no axes: the operand itself."""
        if not axes:
            return str(self.Identity(x))
        as_input = self.opset >= (13 if kind == "ReduceSum" else 18)
        if as_input:
            return str(self.op(kind, (x, self.ints(axes)), keepdims=int(keepdims)))
        return str(self.op(kind, (x,), axes=list(axes), keepdims=int(keepdims)))

    def unsqueeze(self, x: str, axes: Sequence[int]) -> str:
        """Insert axes of size 1."""
        return str(self.Unsqueeze(x, self.ints(axes))) if axes else x

    def squeeze(self, x: str, axes: Sequence[int]) -> str:
        """Drop axes of size 1."""
        return str(self.Squeeze(x, self.ints(axes))) if axes else x

    def transpose(self, x: str, perm: Sequence[int]) -> str:
        """Permute the axes."""
        return str(self.Transpose(x, perm=list(perm)))

    def slice(
        self,
        x: str,
        starts: Sequence[Any],
        ends: Sequence[Any],
        axes: Sequence[int],
        steps: Sequence[int] | None = None,
    ) -> str:
        """Slice axes; bounds may be symbolic."""
        return str(
            self.Slice(
                x,
                self.shape_vector(starts),
                self.shape_vector(ends),
                self.ints(axes),
                self.ints(steps or [1] * len(axes)),
            )
        )

    def pad(self, x: str, pads: Sequence[Any], mode: str = "constant", value: Any = None) -> str:
        """Pad; `pads` are all begins, then all ends."""
        fill = "" if value is None else value if isinstance(value, str) else self.const(value)
        return str(self.Pad(x, self.shape_vector(pads), fill, mode=mode))

    def split(self, x: str, sizes: Sequence[int], axis: int) -> tuple[str, ...]:
        """Cut an axis into pieces of these sizes."""
        found = self.Split(x, self.shape_vector(sizes), axis=axis, outputs=len(sizes))
        return (found,) if isinstance(found, str) else tuple(found)

    def where(self, condition: str, x: str, y: str) -> str:
        """Choose elementwise."""
        return str(self.Where(condition, x, y))

    def clip(self, x: str, low: Any, high: Any) -> str:
        """Limit to [low, high] (names or numbers in the dtype of `x`; None: no limit)."""
        bounds = [
            "" if b is None else b if isinstance(b, str) else self.const(b) for b in (low, high)
        ]
        return str(self.Clip(x, *bounds))

    def levelled(self, x: str, other: str) -> str:
        """Return a number `x` in the rank of `other` if the last axis of that has size 1.

        ONNX Runtime goes element by element there for lower ranks: 50 times the time.
        """
        shape, rank = self.shape(x), self.rank(other)
        if rank < 2 or len(shape) >= rank or not _is_one(self.shape(other)[-1]):
            return x
        if not all(_is_one(n) for n in shape):
            return x
        if x in self.tensors:
            return self.const(self.tensors[x].reshape((1,) * rank))
        made = str(self.Reshape(x, self.ints([1] * rank)))
        self.types[made] = self.type(x).with_shape((1,) * rank)
        return made

    def basic_index(self, x: str, index: tuple[Any, ...]) -> str:
        """``x[index]`` for ints, slices and None."""
        return indexing.basic_index(self, x, index)

    def basic_set_index(self, x: str, value: str, index: tuple[Any, ...]) -> str:
        """A copy of `x` with ``x[index] = value``."""
        return indexing.basic_set_index(self, x, value, index)

    # ---- channels in blocks ----------------------------------------------------------------
    def blocked(self, x: str) -> str:
        """Return `x` (N, C, H, W) with its channels in blocks; C is a multiple of `block`."""
        if x not in self._blocked:
            self._blocked[x] = self.op("ReorderInput", (x,), domain=NCHWC)
        return self._blocked[x]

    def unblocked(self, x: str, channels: int) -> str:
        """Return (N, C, H, W) of what has its channels in blocks."""
        made = str(self.op("ReorderOutput", (x,), domain=NCHWC, channels=channels))
        self._blocked[made] = x
        return made

    def channels_last(self, x: str) -> str:
        """Return (N, C, spatial...) with the channels as last axis."""
        rank = self.rank(x)
        if self.block and rank == 4 and self.dtype(x) == np.float32:
            channels = self.shape(x)[1]
            if isinstance(channels, int) and channels % self.block == 0:
                # two steps by vectors are faster than the transposition by elements
                blocks = self.blocked(x)
                return str(
                    self.op(
                        "ReorderOutput",
                        (blocks,),
                        domain=NCHWC,
                        channels=channels,
                        channels_last=1,
                    )
                )
        return self.transpose(x, (0, *range(2, rank), 1))

    def lower(self, op: Op, *names: str) -> Any:
        """Lower another operator on these names, whose types must be known."""
        if self.lower_op is None:
            raise RuntimeError("this builder is not attached to a writer")
        return self.lower_op(op, names)

    # ---- bodies of loops and branches ------------------------------------------------------
    def inner(self) -> Builder:
        """Return the builder of a subgraph: it sees all names, and its own are new everywhere."""
        made = Builder(self.opset, microsoft=self.microsoft, block=self.block, cuda=self.cuda)
        made.lower_op, made.lower_body = self.lower_op, self.lower_body
        made.tensors, made._constants = self.tensors, self._constants
        made._used, made._counts = self._used, self._counts
        made.domains = self.domains
        made.types = dict(self.types)
        made.sources, made.compound = dict(self.sources), dict(self.compound)
        made._dims = dict(self._dims)
        made._blocked = dict(self._blocked)
        made.within(self._hint, self.doc)
        return made

    def formal(self, hint: str, type: TensorType) -> str:
        """Add an input of the subgraph."""
        name = self.fresh(hint)
        self.types[name] = type
        self.formals.append((name, type))
        return name

    def lower_graph(self, graph: Graph, names: Sequence[str]) -> list[tuple[str, TensorType]]:
        """Lower a body on these names; returns the names and types of its results."""
        if self.lower_body is None:
            raise RuntimeError("this builder is not attached to a writer")
        return self.lower_body(self, graph, names)

    def proto(self, name: str, results: Sequence[tuple[str, TensorType]]) -> Any:
        """Return the subgraph; a result that it does not make itself passes an Identity."""
        import onnx

        made = {name for node in self.nodes for name in node.output}
        graph = onnx.GraphProto()
        graph.name = name or "body"
        for formal, type in self.formals:
            graph.input.append(make_value_info(formal, type))
        for result, type in results:
            if result not in made:
                result = str(self.Identity(result))
            made.discard(result)  # given twice, it needs two names
            graph.output.append(make_value_info(result, type))
        graph.node.extend(self.nodes)
        return graph


def _is_one(n: Any) -> bool:
    return isinstance(n, int) and n == 1
