"""`Symbol`: a graph of MXNet's operators that is composed first and given types later."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from symgluon.attribute import AttrScope
from symgluon.errors import SymgluonError
from symgluon.formats.atomic import write_text
from symgluon.formats.symbol_records import SymbolRecords, write_symbol
from symgluon.name import NameManager
from symgluon.ops.mx import table
from symgluon.symbol import node as nodes
from symgluon.symbol.arithmetic import Arithmetic
from symgluon.symbol.create import create
from symgluon.symbol.node import Entry

if TYPE_CHECKING:
    from symgluon.symbol.executor import Executor


class NotImplementedForSymbol(SymgluonError, NotImplementedError):
    """A symbol was asked for numbers."""


class Symbol(Arithmetic):
    """Outputs of a graph of MXNet's operators; made by `var` and by functions of ``mx.sym``.

    Parameters
    ----------
    entries : sequence of (SymbolNode, int)
        The outputs.

    Notes
    -----
    Methods that are not listed are operators: ``x.sum(axis=1)`` is ``mx.sym.sum(x, axis=1)``.
    Source: MXNet's ``mx.sym.Symbol``.

    Examples
    --------
    >>> import symgluon as mx
    >>> with mx.name.NameManager():
    ...     x = mx.sym.var("x")
    ...     y = mx.sym.FullyConnected(x, num_hidden=2, name="fc").relu()
    >>> y, y.list_arguments()
    (<Symbol relu0>, ['x', 'fc_weight', 'fc_bias'])
    >>> y.infer_shape(x=(4, 3))
    ([(4, 3), (2, 3), (2,)], [(4, 2)], [])
    """

    __slots__ = ("__weakref__", "entries")

    def __init__(self, entries: Any) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)

    # ---- parts -----------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([entry]) for entry in self.entries)

    def __getitem__(self, index: int | str | slice) -> Symbol:
        if isinstance(index, slice):
            return Symbol(self.entries[index])
        if isinstance(index, str):
            names = self.list_outputs()
            found = [i for i, n in enumerate(names) if n == index]
            if len(found) != 1:
                raise ValueError(
                    f"there {'are several outputs' if found else 'is no output'} {index!r}; outputs: "
                    f"{', '.join(names[:20])}"
                )
            index = found[0]
        if not -len(self.entries) <= index < len(self.entries):
            raise IndexError(f"output {index} of {len(self.entries)}")
        return Symbol([self.entries[index]])

    @property
    def num_outputs(self) -> int:
        """Number of outputs."""
        return len(self.entries)

    @property
    def name(self) -> str | None:
        """Name of the node; None for a group."""
        return self.entries[0][0].name if self._one_node() else None

    def _one_node(self) -> bool:
        return len({id(node) for node, _ in self.entries}) == 1

    def get_internals(self) -> Symbol:
        """Return all outputs of all nodes, operands first."""
        found = nodes.in_order(self.entries)
        return Symbol([(n, i) for n in found for i in range(n.outputs)])

    def get_children(self) -> Symbol | None:
        """Return the operands; None for variables.

        Returns
        -------
        Symbol or None
            A group.
        """
        own = {id(n): n for n, _ in self.entries}
        found = [entry for n in own.values() for entry in n.inputs]
        return Symbol(found) if found else None

    # ---- names -----------------------------------------------------------------------------
    def _variables(self, of_states: bool | None) -> list[str]:
        found = nodes.in_order(self.entries)
        states = nodes.auxiliary(found)
        return [
            n.name
            for n in found
            if n.op == "null" and of_states in (None, id(n) in states)
        ]  # fmt: skip

    def list_arguments(self) -> list[str]:
        """Names of the variables that are no auxiliary states."""
        return self._variables(False)

    def list_auxiliary_states(self) -> list[str]:
        """Names of the auxiliary states, such as running statistics."""
        return self._variables(True)

    def list_inputs(self) -> list[str]:
        """Names of all variables."""
        return self._variables(None)

    def list_outputs(self) -> list[str]:
        """Names of the outputs, such as ``fc1_output``."""
        return [node.output_name(index) for node, index in self.entries]

    # ---- attributes ------------------------------------------------------------------------
    def attr(self, key: str) -> str | None:
        """Return an attribute of the node.

        Parameters
        ----------
        key : str
            Its name.

        Returns
        -------
        str or None
            None where it has none of that name.
        """
        return self.list_attr().get(key)

    def list_attr(self) -> dict[str, str]:
        """All attributes of the node; nothing for a group."""
        return self.entries[0][0].all_attrs() if self._one_node() else {}

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Attributes of all nodes by name."""
        found = {n.name: n.all_attrs() for n in nodes.in_order(self.entries)}
        return {name: attrs for name, attrs in found.items() if attrs}

    def _set_attr(self, **kwargs: str) -> None:
        """Set attributes of the node, which are strings."""
        if not self._one_node():
            raise ValueError("a group has no attributes")
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"attribute {key} is a string, received {value!r}")
            shown = f"__{key}__" if key in nodes.BOOKKEEPING else key
            self.entries[0][0].hidden[shown] = value

    # ---- composition -----------------------------------------------------------------------
    def __call__(self, *args: Symbol, name: str | None = None, **kwargs: Symbol) -> Symbol:
        """Replace variables by symbols, by position or name; the symbol itself stays."""
        variables = [n for n in nodes.in_order(self.entries) if n.op == "null"]
        if len(args) > len(variables):
            raise TypeError(f"{len(args)} symbols for {len(variables)} variables")
        given = {id(v): s for v, s in zip(variables, args, strict=False)}
        by_name = {v.name: v for v in variables}
        for key, symbol in kwargs.items():
            if key not in by_name:
                raise ValueError(
                    f"there is no variable {key!r}; variables: {', '.join(list(by_name)[:20])}"
                )
            given[id(by_name[key])] = symbol
        for symbol in given.values():
            if not isinstance(symbol, Symbol) or len(symbol.entries) != 1:
                raise TypeError("a variable is replaced by a symbol of one output")
        found = Symbol(
            nodes.substituted(self.entries, {k: s.entries[0] for k, s in given.items()})
        )
        if name is not None and found._one_node() and found.entries[0][0].op != "null":
            old = found.entries[0][0]
            new = nodes.SymbolNode(
                old.op, NameManager.current.get(name, ""), dict(old.attrs), dict(old.hidden),
                old.inputs, old.subgraphs,
            )  # fmt: skip
            found = Symbol([(new, i) for _, i in found.entries])
        return found

    def __copy__(self) -> Symbol:
        return Symbol(self.entries)

    def __deepcopy__(self, memo: Any) -> Symbol:
        return Symbol(nodes.from_records(self.records))

    def __reduce__(self) -> tuple[Any, ...]:
        return load_records, (self.records,)

    # ---- files -----------------------------------------------------------------------------
    @property
    def records(self) -> SymbolRecords:
        """The symbol as it is written."""
        return nodes.to_records(self.entries)

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """Return the text of a ``-symbol.json`` file.

        Parameters
        ----------
        remove_amp_cast : bool
            Leave out casts of mixed precision.

        Returns
        -------
        str
            The text.
        """
        entries = _without_casts(self.entries) if remove_amp_cast else self.entries
        return write_symbol(nodes.to_records(entries))

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Write a ``-symbol.json`` file.

        Parameters
        ----------
        fname : str or path-like
            The file.
        remove_amp_cast : bool
            Leave out casts of mixed precision.
        """
        write_text(fname, self.tojson(remove_amp_cast))

    def debug_str(self) -> str:
        """The graph as text, a line a node."""
        lines = ["Symbol Outputs:"]
        for i, (n, at) in enumerate(self.entries):
            lines.append(f"\toutput[{i}]={n.name}({at})")
        for n in nodes.in_order(self.entries):
            if n.op == "null":
                lines.append(f"Variable:{n.name}")
                continue
            lines += ["-" * 20, f"Op:{n.op}, Name={n.name}", "Inputs:"]
            lines += [f"\targ[{i}]={v.name}({at})" for i, (v, at) in enumerate(n.inputs)]
            attrs = {**n.attrs, **n.hidden}
            lines += ["Attrs:", *[f"\t{k}={v}" for k, v in sorted(attrs.items())]] if attrs else []
        return "\n".join(lines) + "\n"

    # ---- types -----------------------------------------------------------------------------
    def infer_shape(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find the shapes of arguments, outputs and auxiliary states from those of some.

        Parameters
        ----------
        *args : tuple of int or None
            Shapes in the order of `list_arguments`.
        **kwargs : tuple of int
            Shapes by name.

        Returns
        -------
        tuple of lists of tuple of int
            Of arguments, outputs and auxiliary states; three times None where one stays unknown.

        Raises
        ------
        ShapeError
            If shapes contradict each other.
        """
        from symgluon.symbol.infer import infer_shapes

        given = self._by_name(args, kwargs, "shape")
        return infer_shapes(self, given, partial=False)

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find shapes as `infer_shape` does; those that stay unknown are ().

        Parameters
        ----------
        *args : tuple of int or None
            Shapes in the order of `list_arguments`.
        **kwargs : tuple of int
            Shapes by name.

        Returns
        -------
        tuple of lists of tuple of int
            Of arguments, outputs and auxiliary states.

        Raises
        ------
        ShapeError
            If shapes contradict each other.
        """
        from symgluon.symbol.infer import infer_shapes

        return infer_shapes(self, self._by_name(args, kwargs, "shape"))

    def infer_type(self, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        """Find the dtypes of arguments, outputs and auxiliary states from those of some.

        Parameters
        ----------
        *args : dtype or None
            In the order of `list_arguments`.
        **kwargs : dtype
            By name.

        Returns
        -------
        tuple of lists of type
            Of arguments, outputs and auxiliary states.
        """
        from symgluon.symbol.infer import infer_types

        return infer_types(self, self._by_name(args, kwargs, "dtype"))

    def _by_name(self, args: Any, kwargs: Mapping[str, Any], what: str) -> dict[str, Any]:
        names = self.list_arguments()
        if args and kwargs:
            raise ValueError(f"give each {what} by position, or each by name")
        if len(args) > len(names):
            raise ValueError(f"{len(args)} entries for {len(names)} arguments")
        unknown = [k for k in kwargs if k not in self.list_inputs()]
        if unknown:
            raise ValueError(f"there is no argument {', '.join(unknown)}; arguments: {names}")
        found = dict(zip(names, args, strict=False)) or dict(kwargs)
        return {k: v for k, v in found.items() if v is not None}

    # ---- execution -------------------------------------------------------------------------
    def eval(self, ctx: Any = None, **kwargs: Any) -> list[Any]:
        """Compute the outputs.

        Parameters
        ----------
        ctx : Device, optional
            Where to.
        **kwargs : NDArray
            All variables by name.

        Returns
        -------
        list of NDArray
            The outputs.
        """
        return self.bind(ctx, kwargs).forward()

    def bind(
        self,
        ctx: Any,
        args: Any,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        **kwargs: Any,
    ) -> Executor:
        """Return an executor on given arrays.

        Parameters
        ----------
        ctx : Device, optional
            Where to run.
        args : list or dict of NDArray
            Arguments, in the order of `list_arguments` or by name.
        args_grad : list or dict of NDArray, optional
            Where their gradients go.
        grad_req : str, or list or dict of str
            ``write``, ``add`` or ``null``.
        aux_states : list or dict of NDArray, optional
            Auxiliary states.
        **kwargs : object
            ``group2ctx`` and ``shared_exec`` are taken and not needed.

        Returns
        -------
        Executor
            The executor.

        Raises
        ------
        ValueError
            For arrays that are missing or too many.
        """
        from symgluon.symbol.executor import bind

        return bind(self, ctx, args, args_grad, grad_req, aux_states)

    def simple_bind(
        self, ctx: Any = None, grad_req: Any = "write", type_dict: Any = None, **kwargs: Any
    ) -> Executor:
        """Return an executor on new arrays of zeros.

        Parameters
        ----------
        ctx : Device, optional
            Where to run.
        grad_req : str, or list or dict of str
            ``write``, ``add`` or ``null``.
        type_dict : dict of str to dtype, optional
            Dtypes of arguments.
        **kwargs : tuple of int
            Shapes of arguments; the others are inferred.

        Returns
        -------
        Executor
            The executor.

        Raises
        ------
        ValueError
            If a shape cannot be inferred.
        """
        from symgluon.symbol.executor import simple_bind

        return simple_bind(self, ctx, grad_req, type_dict, kwargs)

    _bind = bind
    _simple_bind = simple_bind

    # ---- operators as methods --------------------------------------------------------------
    def reshape(self, *shape: Any, **kwargs: Any) -> Symbol:
        """Reshape; the shape may be given as numbers or as one tuple.

        Parameters
        ----------
        *shape : int or tuple of int
            The shape, with MXNet's codes 0, -1, -2, -3, -4.
        **kwargs : object
            ``shape`` and ``reverse``.

        Returns
        -------
        Symbol
            The result.
        """
        given = dict(kwargs)
        if shape:
            only = shape[0] if len(shape) == 1 else None
            given["shape"] = tuple(only) if isinstance(only, list | tuple) else shape
        return create("reshape", (self,), given)

    def astype(self, dtype: Any) -> Symbol:
        """Cast.

        Parameters
        ----------
        dtype : dtype
            Of the result.

        Returns
        -------
        Symbol
            The result.
        """
        return create("Cast", (self,), {"dtype": dtype}, hint="cast")

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in table():
            return lambda *args, **kwargs: create(
                name, (self, *args), {k: v for k, v in kwargs.items() if k not in ("name", "attr")},
                name=kwargs.get("name"), attr=kwargs.get("attr"),
            )  # fmt: skip
        raise AttributeError(f"'Symbol' object has no attribute {name!r}")

    def _numbers(self, what: str) -> Any:
        raise NotImplementedForSymbol(
            f"a symbol has no numbers ({what})", hint="bind it, or use eval with arrays"
        )

    def asnumpy(self) -> Any:
        """Refuse: a symbol has no numbers."""
        return self._numbers("asnumpy")

    def asscalar(self) -> Any:
        """Refuse: a symbol has no numbers."""
        return self._numbers("asscalar")

    def __bool__(self) -> bool:
        return self._numbers("bool")  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        if self._one_node():
            return f"<Symbol {self.name}>"
        return f"<Symbol group [{', '.join(n.name for n, _ in self.entries)}]>"


def load_records(records: SymbolRecords) -> Symbol:
    """Return the symbol of records that were read."""
    return Symbol(nodes.from_records(records))


def _without_casts(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    found = nodes.in_order(entries)
    if not any(n.op in ("amp_cast", "amp_multicast") for n in found):
        return entries
    new: dict[int, nodes.SymbolNode] = {}

    def moved(entry: Entry) -> Entry:
        node, index = entry
        while node.op in ("amp_cast", "amp_multicast"):
            node, index = node.inputs[index if node.op == "amp_multicast" else 0]
        return new.get(id(node), node), index

    for n in found:
        if n.op not in ("null", "amp_cast", "amp_multicast"):
            new[id(n)] = nodes.SymbolNode(
                n.op,
                n.name,
                dict(n.attrs),
                dict(n.hidden),
                [moved(e) for e in n.inputs],
                n.subgraphs,
            )
    return tuple([moved(e) for e in entries])


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: Any = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    profiler_scope: str | None = None,
    **kwargs: Any,
) -> Symbol:
    """Return a variable.

    Parameters
    ----------
    name : str
        Its name.
    attr : dict of str to str, optional
        Attributes.
    shape : tuple of int, optional
        Its shape; 0: unknown.
    lr_mult, wd_mult : float, optional
        Factors of learning rate and weight decay.
    dtype : dtype, optional
        Its dtype.
    init : Initializer or str, optional
        How it is initialised.
    stype : str, optional
        ``default``: arrays are dense.
    profiler_scope : str, optional
        Kept as an attribute.
    **kwargs : str
        Attributes ``__name__``.

    Returns
    -------
    Symbol
        The variable.

    Raises
    ------
    TypeError
        If the name is no string.
    ValueError
        For another `stype`, or an attribute without underscores.
    """
    from symgluon.dtypes import resolve, to_mx_code

    if not isinstance(name, str):
        raise TypeError(f"the name of a variable is a string, received {name!r}")
    if stype not in (None, "default"):
        raise ValueError(f"stype {stype!r}: arrays are dense here")
    stated = {
        "__shape__": None if shape is None else str(tuple(shape)),
        "__dtype__": None if dtype is None else str(to_mx_code(resolve(dtype))),
        "__lr_mult__": lr_mult,
        "__wd_mult__": wd_mult,
        "__profiler_scope__": profiler_scope,
        "__init__": init if init is None or isinstance(init, str) else init.dumps(),
        "__storage_type__": None if stype is None else "0",
        **kwargs,
    }
    hidden = AttrScope.current.get(attr)
    for key, value in stated.items():
        if not (key.startswith("__") and key.endswith("__")):
            raise ValueError(f"attribute {key!r} of a variable: such names are __like_this__")
        if value is not None:
            hidden[key] = str(value)
    for key in nodes.BOOKKEEPING:
        if key in hidden:
            hidden[f"__{key}__"] = hidden.pop(key)
    return Symbol([(nodes.SymbolNode("null", name, {}, hidden), 0)])
