"""`Symbol`: outputs of a graph of MXNet's operators that is composed first and computed later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symgluon.base import NotImplementedForSymbol
from symgluon.errors import AttributeValueError
from symgluon.formats.symbol_records import SymbolRecords, write_symbol
from symgluon.formats.symbol_upgrade import HIDDEN_KEYS
from symgluon.ops.mx import table
from symgluon.symbol.arithmetic import operator
from symgluon.symbol.facts import output_suffixes
from symgluon.symbol.node import (
    Entry,
    Node,
    from_records,
    rebuild,
    substitute,
    to_records,
    walk,
)


class Symbol:
    """One output of a graph, or a group of them.

    Symbols are made by :func:`var`, by the functions of ``mx.sym`` (one for each operator) and by
    operators of Python.  They have no types; :meth:`infer_shape` finds shapes from those of the
    variables, :meth:`bind` and :meth:`simple_bind` make them run.

    Parameters
    ----------
    outputs : list of (Node, int)
        Nodes and numbers of their outputs; users call the functions of ``mx.sym`` instead.

    Notes
    -----
    Source: MXNet's ``mx.sym.Symbol``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.sym.var("x")
    >>> y = mx.sym.Activation(mx.sym.FullyConnected(x, num_hidden=3, name="fc"), act_type="relu")
    >>> y.list_arguments()
    ['x', 'fc_weight', 'fc_bias']
    >>> arguments, outputs, _ = y.infer_shape(x=(2, 5))
    >>> arguments, outputs
    ([(2, 5), (3, 5), (3,)], [(2, 3)])
    """

    _numpy = False
    _outputs: list[Entry]
    __array_priority__ = 1000.0

    def __init__(self, outputs: Sequence[Entry]) -> None:
        self._outputs = list(outputs)

    # ---- names and parts -----------------------------------------------------------------------
    @property
    def name(self) -> str | None:
        """Name of the node; None for a group of several nodes."""
        first = self._outputs[0][0]
        return first.name if all(n is first for n, _ in self._outputs) else None

    def _nodes(self) -> list[Node]:
        return walk(self._outputs)

    def _variables(self) -> tuple[list[str], list[str]]:
        """Names of arguments, and of auxiliary states."""
        nodes = self._nodes()
        states = {
            id(node.inputs[place][0])
            for node in nodes
            for place in node.auxiliary()
            if place < len(node.inputs)
        }
        variables = [n for n in nodes if n.is_variable]
        return (
            [n.name for n in variables if id(n) not in states],
            [n.name for n in variables if id(n) in states],
        )

    def list_arguments(self) -> list[str]:
        """Return the names of the variables that are no auxiliary states, in order.

        Returns
        -------
        list of str
            Inputs and parameters.
        """
        return self._variables()[0]

    def list_auxiliary_states(self) -> list[str]:
        """Return the names of the variables that operators write to, in order.

        Returns
        -------
        list of str
            Running statistics of batch normalisation.
        """
        return self._variables()[1]

    def list_inputs(self) -> list[str]:
        """Return the names of all variables, in order.

        Returns
        -------
        list of str
            Arguments and auxiliary states.
        """
        return [n.name for n in self._nodes() if n.is_variable]

    def list_outputs(self) -> list[str]:
        """Return the names of the outputs.

        Returns
        -------
        list of str
            ``fc_output``; ``split0_output1`` of an operator with several.
        """
        return [_output_name(node, i) for node, i in self._outputs]

    def get_internals(self) -> Any:
        """Return the group of all outputs of all nodes.

        Returns
        -------
        Symbol
            ``x.get_internals()["fc_output"]`` is a layer inside of `x`.
        """
        return type(self)([(n, i) for n in self._nodes() for i in range(_count(n))])

    def get_children(self) -> Any:
        """Return the group of the operands of the node; None for a variable.

        Returns
        -------
        Symbol or None
            The operands.
        """
        entries = [e for n in _unique(self._outputs) for e in n.inputs]
        return type(self)(entries) if entries else None

    def __len__(self) -> int:
        return len(self._outputs)

    def __iter__(self) -> Iterator[Any]:
        return (type(self)([entry]) for entry in self._outputs)

    def __getitem__(self, index: Any) -> Any:
        """Choose an output by its number or name, or several by a slice."""
        if isinstance(index, str):
            index = self._index_of(index)
        if isinstance(index, slice):
            chosen = self._outputs[index]
            if not chosen:
                raise IndexError(f"{self!r} has {len(self)} outputs; {index} chooses none")
            return type(self)(chosen)
        if not isinstance(index, int):
            raise TypeError(
                f"outputs of a symbol are chosen by number, name or slice, not {index!r}; parts of "
                "an array by sym.slice, sym.slice_axis, sym.take"
            )
        if not 0 <= index < len(self._outputs):
            raise IndexError(f"output {index} of {self!r}, which has {len(self)}")
        return type(self)([self._outputs[index]])

    def _index_of(self, name: str) -> int:
        places = [i for i, n in enumerate(self.list_outputs()) if n == name]
        if not places:
            raise ValueError(
                f"Cannot find output that matches name {name!r}; the outputs are "
                f"{', '.join(self.list_outputs()[:20])}"
            )
        if len({(id(self._outputs[i][0]), self._outputs[i][1]) for i in places}) > 1:
            raise ValueError(f"There are multiple outputs with name {name!r}; choose by number")
        return places[0]

    def __repr__(self) -> str:
        if self.name is None:
            return f"<{type(self).__name__} group [{', '.join(str(s.name) for s in self)}]>"
        return f"<{type(self).__name__} {self.name}>"

    def __bool__(self) -> bool:
        raise NotImplementedForSymbol(self.__bool__, "bool")

    def __deepcopy__(self, memo: Any = None) -> Any:
        return type(self)(rebuild(self._outputs, lambda node: None))

    __copy__ = __deepcopy__

    def __reduce__(self) -> Any:
        return _unpickled, (type(self), self.tojson())

    # ---- attributes --------------------------------------------------------------------------
    def attr(self, key: str) -> str | None:
        """Return an attribute of the node.

        Parameters
        ----------
        key : str
            Its name.

        Returns
        -------
        str or None
            None where there is none.
        """
        return self.list_attr().get(key)

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """Return all attributes of the node.

        Parameters
        ----------
        recursive : bool
            Not supported any more: call `attr_dict`.

        Returns
        -------
        dict of str to str
            Also under the names without underscores, of those that MXNet knows (``lr_mult``).

        Raises
        ------
        AttributeValueError
            For `recursive`.
        """
        if recursive:
            raise AttributeValueError(
                "list_attr(recursive=True) is not supported", hint="call attr_dict() instead"
            )
        if self.name is None:
            return {}
        return _with_short_names(self._outputs[0][0].attrs)

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Return the attributes of all nodes by their names.

        Returns
        -------
        dict of str to dict
            Nodes without attributes are left out.
        """
        return {n.name: _with_short_names(n.attrs) for n in self._nodes() if n.attrs}

    def _set_attr(self, **kwargs: str) -> None:
        """Set attributes of the node.

        Parameters
        ----------
        **kwargs : str
            The attributes; ``name`` is its name.

        Raises
        ------
        AttributeValueError
            For a value that is no string.
        """
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise AttributeValueError(
                    f"attribute {key} of a symbol", expected="a string", received=value
                )
            full = f"__{key}__" if key in HIDDEN_KEYS else key
            for node in _unique(self._outputs):
                if key == "name":
                    node.name = value
                else:
                    node.attrs[full] = value

    # ---- composing ---------------------------------------------------------------------------
    def __call__(self, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Return the symbol with other symbols in place of variables.

        Parameters
        ----------
        *args : Symbol
            In place of the variables in the order of `list_inputs`.
        name : str, optional
            Name of the result's node.
        **kwargs : Symbol
            In place of the variables of these names.

        Returns
        -------
        Symbol
            A copy; this one stays as it is.

        Raises
        ------
        TypeError
            For anything but symbols, and for positions and names at once.
        ValueError
            If there is no such variable.
        """
        if args and kwargs:
            raise TypeError("compose by positions or by names of the variables, not by both")
        if not all(isinstance(x, Symbol) for x in (*args, *kwargs.values())):
            raise TypeError("Compose expect `Symbol` as arguments")
        names = self.list_inputs()
        if len(args) > len(names):
            raise TypeError(f"{self!r} has {len(names)} variables, received {len(args)} symbols")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        unknown = [k for k in given if k not in names]
        if unknown:
            raise ValueError(
                f"{self!r} has no variable {', '.join(map(repr, unknown))}; its variables are "
                f"{', '.join(names[:20])}"
            )
        grouped = [k for k, v in given.items() if len(v) != 1]
        if grouped:
            raise TypeError(f"a group of outputs in place of {grouped[0]}; choose one of them")

        result = type(self)(substitute(self._outputs, given))
        if name is not None and result.name is not None:
            result._outputs[0][0].name = name
        return result

    # ---- files -------------------------------------------------------------------------------
    @property
    def records(self) -> SymbolRecords:
        """What a file of this symbol says."""
        return to_records(self._outputs, _count)

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """Return the text of a ``-symbol.json`` file.

        Parameters
        ----------
        remove_amp_cast : bool
            Leave out the casts of automatic mixed precision.

        Returns
        -------
        str
            JSON that MXNet loads.
        """
        heads = self._outputs
        if remove_amp_cast and any(n.op.startswith("amp_") for n in self._nodes()):
            heads = _without_amp(heads)
        return write_symbol(to_records(heads, _count))

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Write the symbol to a file.

        Parameters
        ----------
        fname : str or path
            The file.
        remove_amp_cast : bool
            Leave out the casts of automatic mixed precision.
        """
        from symgluon.formats.atomic import write_text

        write_text(fname, self.tojson(remove_amp_cast))

    def debug_str(self) -> str:
        """Return a listing of the nodes.

        Returns
        -------
        str
            A line a node: operator, name, operands.
        """
        lines = ["Symbol Outputs:"]
        lines += [f"\toutput[{i}]={name}" for i, name in enumerate(self.list_outputs())]
        for node in self._nodes():
            if node.is_variable:
                lines.append(f"Variable:{node.name}")
                continue
            operands = ", ".join(f"{n.name}({i})" for n, i in node.inputs)
            lines.append(f"Op:{node.op}, Name={node.name}, Inputs: {operands}")
        return "\n".join(lines) + "\n"

    # ---- types -------------------------------------------------------------------------------
    def infer_shape(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find the shapes of all variables and outputs from those of some variables.

        Parameters
        ----------
        *args : tuple of int, or None
            Shapes in the order of `list_arguments`.
        **kwargs : tuple of int
            Shapes by name; -1 is an unknown size, without NumPy's semantics 0 is too.

        Returns
        -------
        tuple of lists of tuple
            Shapes of arguments, outputs and auxiliary states; three times None, with a warning, if
            not all of them can be found.

        Raises
        ------
        ShapeError
            If shapes do not fit.
        """
        from symgluon.symbol.infer import infer_shape

        return infer_shape(self, args, kwargs, partial=False)

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find what shapes can be found.

        Parameters
        ----------
        *args : tuple of int, or None
            Shapes in the order of `list_arguments`.
        **kwargs : tuple of int
            Shapes by name; -1 is an unknown size, without NumPy's semantics 0 is too.

        Returns
        -------
        tuple of lists of tuple
            Shapes of arguments, outputs and auxiliary states.  An unknown shape is None and an
            unknown size -1; without NumPy's semantics (``npx.reset_np()``) they are ``()`` and 0.

        Raises
        ------
        ShapeError
            If shapes do not fit.
        """
        from symgluon.symbol.infer import infer_shape

        return infer_shape(self, args, kwargs, partial=True)

    def infer_type(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find the dtypes of all variables and outputs from those of some variables.

        Parameters
        ----------
        *args : dtype or None
            In the order of `list_arguments`.
        **kwargs : dtype
            By name.

        Returns
        -------
        tuple of lists of type
            Of arguments, outputs and auxiliary states, as NumPy's scalar types; three times None if
            not all of them can be found.
        """
        from symgluon.symbol.types import infer_type

        return infer_type(self, args, kwargs, partial=False)

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find what dtypes can be found.

        Parameters
        ----------
        *args : dtype or None
            In the order of `list_arguments`.
        **kwargs : dtype
            By name.

        Returns
        -------
        tuple of lists of type
            As `infer_type`; None is an unknown one.
        """
        from symgluon.symbol.types import infer_type

        return infer_type(self, args, kwargs, partial=True)

    # ---- running -----------------------------------------------------------------------------
    def bind(
        self,
        ctx: Any = None,
        args: Any = None,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        group2ctx: Any = None,
        shared_exec: Any = None,
    ) -> Any:
        """Return an executor that computes the outputs from these arrays.

        Parameters
        ----------
        ctx : Device, optional
            Where it runs; the current device if left out.
        args : list of array, or dict of str to array
            All arguments, in the order of `list_arguments` or by name.
        args_grad : list of array, or dict of str to array, optional
            Where gradients go; arguments that lack get none.
        grad_req : str, list of str, or dict of str to str
            ``write``, ``add`` or ``null``, for all arguments or for each.
        aux_states : list of array, or dict of str to array, optional
            All auxiliary states.
        group2ctx, shared_exec : object, optional
            Accepted, without effect: there is one device, and memory is not planned across
            executors.

        Returns
        -------
        Executor
            It reads and writes these very arrays.

        Raises
        ------
        ValueError
            If an array lacks, or its shape does not fit.
        """
        from symgluon.executor import bind

        return bind(self, ctx, args, args_grad, grad_req, aux_states)

    def simple_bind(
        self,
        ctx: Any = None,
        grad_req: Any = "write",
        type_dict: Mapping[str, Any] | None = None,
        stype_dict: Any = None,
        group2ctx: Any = None,
        shared_arg_names: Any = None,
        shared_exec: Any = None,
        shared_buffer: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return an executor with new arrays of zeros, of the shapes that follow from some.

        Parameters
        ----------
        ctx : Device, optional
            Where it runs; the current device if left out.
        grad_req : str, list of str, or dict of str to str
            ``write``, ``add`` or ``null``, for all arguments or for each.
        type_dict : dict of str to dtype, optional
            Dtypes of arguments; float32 otherwise.
        stype_dict, group2ctx, shared_arg_names, shared_exec, shared_buffer : object, optional
            Accepted, without effect: arrays are dense, and memory is not shared.
        **kwargs : tuple of int
            Shapes of arguments.

        Returns
        -------
        Executor
            Fill its ``arg_dict`` before it runs.

        Raises
        ------
        ShapeError
            If shapes do not fit or cannot be found.
        """
        from symgluon.executor import simple_bind

        return simple_bind(self, ctx, grad_req, type_dict, kwargs)

    _bind = bind
    _simple_bind = simple_bind

    def eval(self, ctx: Any = None, **kwargs: Any) -> list[Any]:
        """Compute the outputs from arrays.

        Parameters
        ----------
        ctx : Device, optional
            Where it runs; the current device if left out.
        **kwargs : array
            All variables.

        Returns
        -------
        list of array
            The outputs.

        Raises
        ------
        ValueError
            If an array lacks.
        """
        from symgluon.executor import evaluate

        return evaluate(self, ctx, kwargs)

    # ---- arithmetic --------------------------------------------------------------------------
    __add__ = __radd__ = operator("add")
    __sub__ = operator("subtract")
    __rsub__ = operator("subtract", swap=True)
    __mul__ = __rmul__ = operator("multiply")
    __truediv__ = __div__ = operator("divide")
    __rtruediv__ = __rdiv__ = operator("divide", swap=True)
    __mod__ = operator("modulo")
    __rmod__ = operator("modulo", swap=True)
    __pow__ = operator("power")
    __rpow__ = operator("power", swap=True)
    __eq__ = operator("equal")  # type: ignore[assignment]
    __ne__ = operator("not_equal")  # type: ignore[assignment]
    __lt__ = operator("less")
    __le__ = operator("less_equal")
    __gt__ = operator("greater")
    __ge__ = operator("greater_equal")
    __hash__ = None  # type: ignore[assignment]

    def __neg__(self) -> Any:
        return self * -1.0

    def __abs__(self) -> Any:
        return self.abs()

    def __getattr__(self, name: str) -> Any:
        """Operators whose first operand is an array are methods: ``x.sum(axis=1)``."""
        if name in _ARRAYS_ONLY:

            def refuse(*args: Any, **kwargs: Any) -> Any:
                raise NotImplementedForSymbol(refuse, None, *args)

            refuse.__name__ = name
            return refuse
        if name.startswith("_") or (name not in table() and name != "split_v2"):
            known = _AT_RUN_TIME.get(name, "")
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute {name!r}{known}"
            )
        from symgluon.symbol import fluent

        return fluent(name).__get__(self)

    def astype(self, dtype: Any) -> Any:
        """Cast to `dtype`.

        Parameters
        ----------
        dtype : dtype
            Of the result.

        Returns
        -------
        Symbol
            The cast.
        """
        from symgluon.symbol import fluent

        return fluent("cast")(self, dtype=dtype)

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Give another shape.

        Parameters
        ----------
        *shape : int, or tuple of int
            The shape, with MXNet's codes (0: as it is, -1: what remains, ...).
        **kwargs : object
            ``shape``, ``reverse``, ``name``.

        Returns
        -------
        Symbol
            The reshaped.
        """
        from symgluon.symbol import fluent

        if shape:
            kwargs["shape"] = shape[0] if len(shape) == 1 else shape
        return fluent("reshape")(self, **kwargs)

    def as_nd_ndarray(self) -> Any:
        """Return the same outputs with MXNet 1.x's rules.

        Returns
        -------
        Symbol
            Of the plain class.
        """
        return Symbol(self._outputs)

    def as_np_ndarray(self) -> Any:
        """Return the same outputs with NumPy's rules.

        Returns
        -------
        Symbol
            Of the class of ``mx.sym.np``.
        """
        from symgluon.symbol.numpy import _Symbol

        return _Symbol(self._outputs)


_SIZES = (
    ": sizes are found by infer_shape(NAME=shape), and operators take codes in place of them, such as "
    "reshape(x, shape=(0, -1)) and x.slice_like(y)"
)
#: attributes of arrays that a symbol has not -> what to do
_AT_RUN_TIME = {
    **dict.fromkeys(("shape", "ndim", "size"), _SIZES),
    "dtype": ": dtypes are found by infer_type(NAME=dtype)",
    **dict.fromkeys(
        ("ctx", "context", "device"), ": the executor that bind() returns has a device"
    ),
}
#: methods of arrays that need numbers
_ARRAYS_ONLY = frozenset(
    ("asnumpy", "asscalar", "wait_to_read", "copy", "as_in_context", "as_in_ctx", "detach",
     "backward", "item", "tolist", "attach_grad")
)  # fmt: skip


def _count(node: Node) -> int:
    return 1 if node.is_variable else len(output_suffixes(node.op, node.attrs))


def _output_name(node: Node, index: int) -> str:
    if node.is_variable:
        return node.name
    suffixes = output_suffixes(node.op, node.attrs)
    return f"{node.name}_{suffixes[index] if index < len(suffixes) else f'output{index}'}"


def _unique(entries: Sequence[Entry]) -> list[Node]:
    return list({id(n): n for n, _ in entries}.values())


def _with_short_names(attrs: Mapping[str, str]) -> dict[str, str]:
    short = {k: attrs[f"__{k}__"] for k in HIDDEN_KEYS if f"__{k}__" in attrs}
    return {**attrs, **short}


def _without_amp(heads: Sequence[Entry]) -> list[Entry]:
    """Leave out ``amp_cast`` and ``amp_multicast``: their readers read the operands."""
    new: dict[int, Node] = {}

    def at(entry: Entry) -> Entry:
        node, i = entry
        while node.op in ("amp_cast", "amp_multicast"):
            node, i = node.inputs[i]
        return new[id(node)], i

    for node in walk(heads):
        if node.op not in ("amp_cast", "amp_multicast"):
            new[id(node)] = Node(node.op, node.name, dict(node.attrs), map(at, node.inputs),
                                 node.subgraphs)  # fmt: skip
    return [at(h) for h in heads]


def _unpickled(cls: type[Symbol], text: str) -> Symbol:
    from symgluon.formats.symbol_records import parse_symbol

    return cls(from_records(parse_symbol(text)))
