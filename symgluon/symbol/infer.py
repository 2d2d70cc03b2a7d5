"""Shapes of symbols, found operator by operator from those of some variables.

They come from running the program in a region, as a trace does; what an operator cannot say for lack
of a shape stays unknown, and the walk goes on.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.errors import (
    DeferredInitializationError,
    GuardError,
    SymgluonError,
    TraceError,
)
from symgluon.formats.symbol_json import (
    LABELS,
    SymbolProgram,
    stated_dtype,
    stated_shape,
)
from symgluon.formats.symbol_records import NodeRecord
from symgluon.ir import poly
from symgluon.ir.dimension import RELATIONS
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops.region import Region
from symgluon.ops.state import state
from symgluon.symbol.arithmetic import LEGACY
from symgluon.symbol.facts import flag

_ROUNDS = 4

#: operators whose operands have one shape
SAME_SHAPE = frozenset(
    [f.symbols.partition("/")[0] for f in LEGACY.values()]
    + ["_grad_add", "add_n", "ElementWiseSum", "_logical_and", "_logical_or", "_logical_xor"]
)


def arguments_by_name(
    symbol: Any, args: Sequence[Any], kwargs: Mapping[str, Any], what: str
) -> dict[str, Any]:
    """Return what a user said of arguments, by position or by name.

    Parameters
    ----------
    symbol : Symbol
        Whose arguments.
    args, kwargs : sequence and mapping
        By position, or by name; None: nothing.
    what : str
        The function, for messages.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    ValueError
        For both at once, too many, or unknown names.
    """
    names = symbol.list_arguments()
    if args and kwargs:
        raise ValueError(f"{what}: give arguments by position or by name, not by both")
    if len(args) > len(names):
        raise ValueError(f"{what}: {len(args)} arguments for {len(names)}: {', '.join(names)}")
    known = {*names, *symbol.list_auxiliary_states()}
    unknown = [k for k in kwargs if k not in known]
    if unknown:
        raise ValueError(
            f"{what}: the symbol has no argument {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(names[:20])}"
        )
    found = dict(zip(names, args, strict=False)) if args else dict(kwargs)
    return {k: v for k, v in found.items() if v is not None}


# ---- shapes ----------------------------------------------------------------------------------------
def infer_shape(
    symbol: Any, args: Sequence[Any], kwargs: Mapping[str, Any], partial: bool
) -> tuple[Any, Any, Any]:
    """Find shapes; see :meth:`Symbol.infer_shape`.

    Parameters
    ----------
    symbol : Symbol
        Of which.
    args, kwargs : sequence and mapping
        Shapes of arguments, by position or by name.
    partial : bool
        ``()`` stands for what is unknown; otherwise nothing is returned then.

    Returns
    -------
    tuple of lists of tuple
        Of arguments, outputs and auxiliary states.
    """
    given = arguments_by_name(symbol, args, kwargs, "infer_shape")
    walk = ShapeWalk(SymbolProgram(symbol.records), given)
    walk.run()
    arguments = [walk.shape(n) for n in symbol.list_arguments()]
    states = [walk.shape(n) for n in symbol.list_auxiliary_states()]
    outputs = list(walk.outputs)
    if not partial and not all(_whole(s) for s in (*arguments, *outputs, *states)):
        pairs = zip(symbol.list_arguments(), arguments, strict=True)
        unknown = [name for name, s in pairs if not _whole(s)]
        if unknown:
            warnings.warn(
                f"infer_shape cannot find all shapes; give those of {', '.join(unknown[:8])} too",
                stacklevel=3,
            )
        return None, None, None
    return _shown(arguments), _shown(outputs), _shown(states)


Shape = tuple[int | None, ...] | None  # None: an unknown size, or rank


def _plain(shape: Sequence[Any] | None) -> Shape:
    """A shape in numbers, None for a size that is not known."""
    if shape is None:
        return None
    return tuple(n if isinstance(n, int) else None for n in shape)


def _whole(shape: Shape) -> bool:
    return shape is not None and None not in shape


def _shown(shapes: Sequence[Shape]) -> list[Any]:
    """Shapes as MXNet gives them: what is not known depends on the semantics."""
    size, rank = (-1, None) if state.np_shape else (0, ())
    return [rank if s is None else tuple(size if n is None else n for n in s) for s in shapes]


class _Assuming(DimScope):
    """Sizes that nobody knows: they are large, and what an operator wants equal is equal.

    So the checks of operators teach what unknown sizes are, in both directions.  No guard is kept
    of an answer that only rests on the size being large.
    """

    def hint(self, dim: Any) -> int | None:
        """Return the number of a dimension, None if it is not known."""
        found = self.resolve(dim)
        return found if isinstance(found, int) else None

    def ask(self, p: poly.Poly, relation: str) -> bool:
        """Answer whether ``p relation 0`` holds."""
        p = self._resolve(p)
        known = self._facts.decide(p, relation)
        if known is not None:
            return known
        value = self._evaluate(p)
        if relation in ("==", "!=") and not _small(p):
            self._record(p, "==")
            return relation == "=="
        return RELATIONS[relation](value, 0)

    def pin(self, p: poly.Poly) -> int:
        """Refuse: there is no number."""
        raise DeferredInitializationError(f"the size {poly.text(self._resolve(p))} is not known")


def _small(p: poly.Poly) -> bool:
    """Whether ``p == 0`` says of one size that it is 0 or 1 (broadcast), which it is not."""
    names = [mono for mono, _ in p if mono]
    constant = sum(k for mono, k in p if not mono)
    return len(names) == 1 and abs(constant) <= 1


#: unknown sizes at which inequalities are answered: large, and no two sums of few are equal
_LARGE = 1 << 20


class ShapeWalk:
    """Runs a program on types, as far as they are known, until nothing new is learned.

    Parameters
    ----------
    program : SymbolProgram
        What is run.
    shapes : mapping of str to tuple of int
        Shapes of variables; -1 is an unknown size, without NumPy's semantics 0 is too.
    dtypes : mapping of str to dtype
        Dtypes of variables; float32 otherwise.
    """

    def __init__(
        self,
        program: SymbolProgram,
        shapes: Mapping[str, Sequence[int]],
        dtypes: Mapping[str, Any] = {},
    ) -> None:
        self.program = program
        self.types: dict[str, TensorType] = {}
        self.outputs: list[Shape] = []
        for name in program.variables:
            record = program.record(name)
            dtype = dtypes.get(name) or stated_dtype(record) or "float32"
            shape: Sequence[Any] | None
            if name in shapes:
                unknown = (-1,) if state.np_shape else (0, -1)
                shape = [None if int(n) in unknown else int(n) for n in shapes[name]]
            else:
                shape = [n if n > 0 else None for n in stated_shape(record) or ()] or None
            self.types[name] = TensorType(shape, np.dtype(dtype))

    def shape(self, name: str) -> Shape:
        """Shape of a variable, as far as it is known."""
        found = self.types.get(name)
        return None if found is None else _plain(found.shape)

    def run(self) -> None:
        """Walk until nothing new is learned."""
        for _ in range(_ROUNDS):
            before = dict(self.types)
            whole = self._round()
            if whole or self.types == before:
                break

    def _round(self) -> bool:
        scope = _Assuming()
        region = Region("infer_shape", scope)
        nodes = self.program.records.nodes
        results: dict[int, Any] = {}
        handles: dict[str, Any] = {}
        with region.active():
            for number in self.program.live:
                node = nodes[number]
                if node.op == "null":
                    handle = region.argument(node.name, self._start(node.name, scope))
                    handles[node.name] = handle
                    results[number] = (handle,)
                else:
                    inputs = [self._input(results, e) for e in node.inputs]
                    results[number] = self._apply(number, node, inputs)
            heads = [self._input(results, h) for h in self.program.records.heads]
            self.outputs = [None if h is None else _found(h._data.type, scope) for h in heads]
        for name, handle in handles.items():
            found = handle._data.type
            self.types[name] = TensorType(_found(found, scope), found.dtype)
        return all(r is not None for r in results.values())

    def _start(self, name: str, scope: DimScope) -> TensorType:
        """Type of a variable: its unknown sizes are dimensions."""
        known = self.types[name]
        if known.shape is None or None not in known.shape:
            return known
        sizes = [
            scope.new(f"{name}_{i}", _LARGE + 1009 * len(scope.names())) if n is None else n
            for i, n in enumerate(known.shape)
        ]
        return TensorType(sizes, known.dtype)

    @staticmethod
    def _input(results: Mapping[int, Any], entry: Sequence[int]) -> Any:
        found = results[entry[0]]
        return None if found is None or entry[1] >= len(found) else found[entry[1]]

    def _apply(self, number: int, node: NodeRecord, inputs: list[Any]) -> Any:
        _fill(node, inputs)
        if node.op in _RECURRENT:
            _fill_recurrent(self.program.bound[number].attrs, inputs)
        if any(x is None for x in inputs):
            return None
        try:
            return self.program.bound[number](*inputs)
        except (DeferredInitializationError, GuardError):
            return None
        except (TraceError, TypeError, AttributeError, SymgluonError) as error:
            if any(not _known(x) for x in inputs):
                return None  # it asked for a shape that is not known yet
            if isinstance(error, SymgluonError):
                raise error.at(where=f"node {node.name} ({node.op})") from None
            raise


def _known(x: Any) -> bool:
    shape = x._data.type.shape
    return shape is not None and all(isinstance(n, int) for n in shape)


def _found(found: TensorType, scope: DimScope) -> Shape:
    return None if found.shape is None else _plain(scope.resolve_shape(found.shape))


def _fill(node: NodeRecord, inputs: list[Any]) -> None:
    """Give operands of unknown shape what others of the node imply."""
    if node.op in SAME_SHAPE:
        known = next((x for x in inputs if x is not None and x._data.type.shape is not None), None)
        if known is not None:
            for x in inputs:
                if x is not None:
                    _set_shape(x, known._data.type.shape)
    place = LABELS.get(node.op)
    if place is not None and place < len(inputs):
        data, label = inputs[0], inputs[place]
        if data is not None and label is not None and data._data.type.shape is not None:
            _set_shape(label, _label_shape(node, data._data.type.shape))


_RECURRENT = ("RNN", "_npx_rnn")


def _fill_recurrent(attrs: Mapping[str, Any], inputs: list[Any]) -> None:
    """Give parameters and first states of a recurrent net their shapes."""
    from symgluon.ops.rnn import Rnn

    if any(x is None for x in inputs):
        return
    keys = ("mode", "state_size", "num_layers", "bidirectional", "projection_size")
    rnn = Rnn(**{k: attrs[k] for k in keys})
    types = rnn.infer_inputs(
        *[x._data.type for x in inputs[: 4 if attrs["mode"] == "lstm" else 3]]
    )
    for x, found in zip(inputs, types, strict=False):
        if found is not None:
            _set_shape(x, found.shape)


def _set_shape(x: Any, shape: Sequence[Any] | None) -> None:
    """Complete the type of a variable."""
    value = x._data
    if shape is None or value.producer is not None or value.type.is_known:
        return
    value.type = TensorType(list(shape), value.type.dtype)


def _label_shape(node: NodeRecord, data: Sequence[Any]) -> Sequence[Any]:
    """Shape of the label of a training head, from its data."""
    if node.op in ("SoftmaxOutput", "Softmax"):
        if flag(node.attrs, "multi_output"):
            size: Any = 1
            for n in data[2:]:
                size = size * n
            return (data[0], size)
        return data[:-1]
    if node.op == "SVMOutput":
        return data[:-1]
    if len(data) == 2 and isinstance(data[1], int) and data[1] == 1:
        return data[:1]  # regression on one number
    return data
