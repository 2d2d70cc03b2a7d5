"""`HybridBlock`: blocks that are traced, compiled and exported."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon.errors import (
    AttributeValueError,
    DeferredInitializationError,
    DynamicShapeError,
    SymgluonError,
)
from symgluon.gluon import export as exports
from symgluon.gluon import one_x
from symgluon.gluon.block import Block, _Epoch
from symgluon.gluon.parameter import Parameter
from symgluon.gluon.structure import flatten
from symgluon.gluon.trace import AnyEntry, Cache, CutEntry, Entry, Traced, call_key, trace
from symgluon.ir.graph import Graph
from symgluon.ops.array import Array
from symgluon.ops.region import outside
from symgluon.ops.state import state

if TYPE_CHECKING:
    from symgluon.gluon.report import OptimizeReport


@dataclass(frozen=True)
class Flags:
    """What `hybridize` and `optimize_for` were told; documented at :meth:`HybridBlock.hybridize`.

    Parameters
    ----------
    active : bool
        Whether calls run as compiled graphs.
    partition_if_dynamic, static_alloc, static_shape : bool
        As the arguments of `hybridize`.
    inline_limit : int
        As the argument of `hybridize`.
    forward_bulk_size, backward_bulk_size : int, optional
        As the arguments of `hybridize`.
    backend : str, optional
        Name of the backend; None: the default one.
    options : dict
        Options of the backend.
    """

    active: bool = False
    partition_if_dynamic: bool = True
    static_alloc: bool = False
    static_shape: bool = False
    inline_limit: int = 2
    forward_bulk_size: int | None = None
    backward_bulk_size: int | None = None
    backend: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("inline_limit", "forward_bulk_size", "backward_bulk_size"):
            value = getattr(self, name)
            if value is None and name != "inline_limit":
                continue
            if not isinstance(value, int | np.integer) or value < 0:
                raise AttributeValueError(f"{name} is a number >= 0, received {value!r}")


class _InputError(SymgluonError, ValueError, TypeError):
    """A hybrid block was given no array: a ValueError in MXNet."""


class HybridBlock(Block):
    """Block whose forward can be traced into a graph, which is compiled and exported.

    `forward` is written with functions of ``mx.np`` and ``mx.npx``.  After :meth:`hybridize` it
    runs once with arrays that hold no numbers, and what they went through is the graph.  Sizes of
    axes are names in it; what Python asks about a size (``if x.shape[0] > 2``) becomes a guard,
    and a call that a guard refuses is traced anew.  To ask for the numbers of an array is a
    TraceError.

    Raises
    ------
    TraceError
        In a call, if `forward` asks for numbers of an array while it is traced.

    Notes
    -----
    Calls are compiled for each structure of arguments, their dtypes and ranks, and the mode of
    autograd.  A hybridized block may be called from several threads.  Source: seed
    ``gluon.HybridBlock``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Net(mx.gluon.HybridBlock):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = mx.gluon.nn.Dense(2)
    ...
    ...     def forward(self, x):
    ...         return mx.npx.relu(self.dense(x)) + 1
    >>> net = Net()
    >>> net.initialize(init="ones")
    >>> net.hybridize()
    >>> net(mx.np.array([[1.0, 2.0]]))
    array([[4., 4.]])
    >>> [node.op.name for node in net.graph_for(mx.np.ones((4, 2)), functions=False).nodes]
    ['dense', 'relu', 'add']
    """

    _flags: Flags
    _cache: Cache
    _cache_epoch: int
    _ready: bool
    _op_hooks: list[tuple[Any, bool]]
    _signature: Any

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix, params)
        set_ = object.__setattr__
        set_(self, "_flags", Flags())
        set_(self, "_cache", Cache())
        set_(self, "_cache_epoch", -1)
        set_(self, "_ready", False)
        set_(self, "_op_hooks", [])
        set_(self, "_signature", None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A class of MXNet 1.x defines `hybrid_forward`: its calls go there."""
        super().__init_subclass__(**kwargs)
        if "hybrid_forward" in cls.__dict__ and "forward" not in cls.__dict__:
            cls.forward = HybridBlock.forward  # type: ignore[method-assign]

    #: names of the inputs in exported files, where the block knows them (`SymbolBlock`)
    _input_names: list[str] | None = None

    # ---- structure -------------------------------------------------------------------------
    def register_child(self, block: Block, name: str | None = None) -> None:
        """Register a child, which must be hybrid as well.

        Parameters
        ----------
        block : HybridBlock
            The child.
        name : str, optional
            Its name in the names of parameters; its number if left out.

        Raises
        ------
        ValueError
            If `block` is a plain Block: it cannot be traced.
        """
        if not isinstance(block, HybridBlock):
            raise ValueError(
                f"children of a HybridBlock must be HybridBlocks too, but {name or 'a child'} of "
                f"{type(self).__name__} is a {type(block).__name__}. If it is a Sequential, use "
                "HybridSequential; otherwise derive its class from HybridBlock"
            )
        super().register_child(block, name)

    def _changed(self) -> None:
        super()._changed()
        object.__setattr__(self, "_ready", False)

    def cast(self, dtype: Any) -> None:
        """Cast the parameters to `dtype`; what was compiled is dropped."""
        self._clear()
        super().cast(dtype)

    def __copy__(self) -> Any:
        new = super().__copy__()
        set_ = object.__setattr__
        set_(new, "_cache", Cache())  # what one compiles later is not the other's
        set_(new, "_cache_epoch", -1)
        set_(new, "_op_hooks", list(self._op_hooks))
        return new

    def _clear(self) -> None:
        self._cache.clear()

    #: MXNet's name of it
    def _clear_cached_op(self) -> None:
        self._clear()

    # ---- deferred initialisation -----------------------------------------------------------
    def ready(self, *args: Any) -> None:
        """Give every parameter of this block its shape and values before `forward` reads them.

        Runs in eager mode and in a trace alike, so the order of random draws is the same.

        Parameters
        ----------
        *args : array
            Inputs of the call.

        Raises
        ------
        DeferredInitializationError
            If shapes stay unknown.
        """
        params = list(self._reg_params.values())
        own = type(self).infer_shape is not HybridBlock.infer_shape
        unknown = [p for p in params if not p._shape_known]
        if unknown:
            for parameter in unknown if self._scope is not None else ():
                parameter._keep_stated_shape()
            self.infer_shape(*args)
        elif params and own and not one_x.defines_hybrid_forward(self):
            self.infer_shape(*args)  # also where all is known: it tells data of another size
        waiting = [p for p in params if p._is_deferred]
        if waiting:
            with outside():
                for parameter in waiting:
                    parameter._finish_deferred_init()
        object.__setattr__(self, "_ready", True)

    def infer_shape(self, *args: Any) -> None:
        """Set the shapes of deferred parameters from the inputs; layers override this.

        Parameters
        ----------
        *args : array
            Inputs of the call.

        Raises
        ------
        DeferredInitializationError
            If a shape is unknown and the block does not override this.
        """
        if one_x.defines_hybrid_forward(self):
            one_x.infer_shape(self, args)
        unknown = [n for n, p in self._reg_params.items() if not p._shape_known]
        if unknown:
            raise DeferredInitializationError(
                f"{type(self).__name__}: the shapes of {', '.join(unknown)} are unknown and the "
                "block does not define infer_shape(self, *inputs)",
                hint="give the parameters full shapes, or define infer_shape to set "
                "`self.weight.shape = (...)`",
            )

    def infer_type(self, *args: Any) -> None:
        """Set the dtype of all parameters to that of the first input.

        Parameters
        ----------
        *args : array
            Inputs of a call.

        Raises
        ------
        ValueError
            If there is no array among them.
        """
        leaves: list[Array] = []
        flatten(list(args), leaves)
        if not leaves:
            raise _InputError(
                f"{type(self).__name__}.infer_type needs an array, received "
                + (", ".join(type(a).__name__ for a in args) or "nothing")
            )
        dtype = leaves[0].dtype
        for parameter in self._structural_params().values():
            parameter.dtype = dtype

    # ---- calling ---------------------------------------------------------------------------
    def _count_step(self) -> None:
        """`hybrid_forward` is about to run; recurrent cells number their steps."""

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if not (args and isinstance(args[0], Array)):
            if one_x.may_hold_symbols(args, kwargs):
                return one_x.call_with_symbols(self, args, kwargs)
            self._check_inputs(args, kwargs)
        elif len(args) > 1 and self._scope is not None and one_x.may_hold_symbols(args[1:]):
            return one_x.call_with_symbols(self, args, kwargs)  # which refuses the arrays
        if state.region is not None:
            return self._call_traced(args, kwargs)
        if self._flags.active:
            given = self._positional(args, kwargs) if kwargs else args
            return self._call_monitored(given) if self._op_hooks else self._call_compiled(given)
        if not self._ready:
            self._make_ready(args, kwargs)
        return self.forward(*args, **kwargs)

    def _check_inputs(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Refuse a call without any array (without any argument, `forward` complains by itself)."""
        leaves: list[Array] = []
        flatten([list(args), kwargs], leaves)
        if leaves or not (args or kwargs):
            return
        given = [*args, *kwargs.values()]
        raise _InputError(
            f"{type(self).__name__} needs an array among its inputs, received "
            + ", ".join("None" if a is None else type(a).__name__ for a in given),
            hint="make one with mx.np.array(...)",
        )

    def _make_ready(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.ready(*(self._by_position(args, kwargs) if kwargs else args))

    def _call_traced(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        region = state.region
        if region is None:
            raise RuntimeError("not tracing")
        with region.block(region.names.get(id(self), type(self).__name__.lower())):
            if not self._ready:
                self._make_ready(args, kwargs)
            if region.functions:
                from symgluon.gluon.functions import call_as_function

                return call_as_function(self, args, kwargs)
            return self.forward(*args, **kwargs)

    def _call_compiled(self, args: Sequence[Any]) -> Any:
        if self._cache_epoch != _Epoch.value:
            self._check_structure()
        leaves: list[Array] = []
        key = call_key(args, leaves)
        device = leaves[0]._device if leaves else None
        found = self._cache.find(key, leaves)
        if found is None:
            found = self._cache.get(key, leaves, lambda: self._compile(args))
        return found(leaves, device)

    def _positional(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
        import inspect

        bound = inspect.signature(self.forward).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise TypeError(
                f"{type(self).__name__}: keyword-only arguments of a hybridized forward "
                f"({', '.join(bound.kwargs)}) cannot be traced; make them positional"
            )
        return bound.args

    def _check_structure(self) -> None:
        """Drop compiled entries if anything below this block changed."""
        stamp = tuple([(id(b), b._version) for b in self._blocks()])
        if self.__dict__.get("_stamp") != stamp:
            self._clear()
            object.__setattr__(self, "_stamp", stamp)
        object.__setattr__(self, "_cache_epoch", _Epoch.value)

    def _file_params(self) -> dict[str, Parameter]:
        """Parameters by the names that exported files give them: full names in the dialect 1."""
        found = self._structural_params()
        if self._scope is None:
            return found
        full = {id(p): n for n, p in reversed(list(self.collect_params().items()))}
        return {full.get(id(p), n): p for n, p in found.items()}

    # ---- tracing and compiling -------------------------------------------------------------
    def _trace(self, args: Sequence[Any], **kwargs: Any) -> Traced:
        names = {id(p): n for n, p in reversed(list(self._file_params().items()))}

        def name_param(parameter: Parameter) -> str:
            return names.get(id(parameter), parameter.name)

        def run(*inputs: Any) -> Any:
            region = state.region
            if region is not None:
                region.names = _child_names(self)
            if not self._ready:
                self.ready(*inputs)
            return self.forward(*inputs)

        return trace(run, args, name=type(self).__name__.lower(), name_param=name_param, **kwargs)

    def _compile(self, args: Sequence[Any]) -> AnyEntry:
        from symgluon.gluon.options import compile_options, options_for, prepare

        flags = self._flags
        options = compile_options(flags)
        kwargs: dict[str, Any] = {}
        if flags.static_shape:
            kwargs["dims"] = lambda leaf, axis, size: None
        object.__setattr__(self, "_signature", exports.signature_of(args))
        try:
            traced = self._trace(args, **kwargs)
        except DynamicShapeError as error:
            if not flags.partition_if_dynamic:
                raise
            return self._cut(args, error)
        return Entry(traced, options_for(traced.graph, options, flags), prepare)

    def _cut(self, args: Sequence[Any], error: DynamicShapeError) -> CutEntry:
        if not error.where:  # this block asked; a child says so itself when it is called
            warnings.warn(
                f"{type(self).__name__} asks for a size that depends on data at {error.line}: "
                f"{error.message}. Its own operators run one by one, its child blocks are compiled",
                stacklevel=8,  # the caller of the block
            )

        def run(*inputs: Any) -> Any:
            if not self._ready:
                self.ready(*inputs)
            return self.forward(*inputs)

        return CutEntry(run, args)

    def hybridize(
        self,
        active: bool = True,
        partition_if_dynamic: bool = True,
        static_alloc: bool = False,
        static_shape: bool = False,
        inline_limit: int = 2,
        forward_bulk_size: int | None = None,
        backward_bulk_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Let calls run as a compiled graph (from the next call on), or not.

        Parameters
        ----------
        active : bool
            False: back to eager calls.
        partition_if_dynamic : bool
            What happens to a graph with sizes that depend on data: the backend compiles it, but for
            operators it refuses; a block that asks for such a size is cut: its own operators run
            one by one, its child blocks compiled.  False: all of the graph runs on the NumPy
            interpreter, and such a question is a TraceError.
        static_alloc : bool
            Plan one arena for all intermediate arrays and reuse it over calls (NumPy backend).
        static_shape : bool
            Trace with numbers instead of named dimensions: one graph a shape, no guards.
        inline_limit : int
            :meth:`export` writes child blocks of at most so many operators inline, not as
            functions.
        forward_bulk_size, backward_bulk_size : int, optional
            Forward and gradient run in segments of at most so many operators, one session each
            in ONNX Runtime; None or 0: whole.
        passes : str or sequence of str, optional
            Passes of the compiler to leave out (``-fuse_patterns``) or to add (``+NAME``), from now
            on; ``()`` takes that back.

        Raises
        ------
        TypeError
            For an unknown flag.
        AttributeValueError
            For a pass that does not exist.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2, in_units=2)
        >>> net.initialize(init="ones")
        >>> net.hybridize(static_alloc=True)
        >>> net(mx.np.array([[1.0, 2.0]]))
        array([[3., 3.]])
        """
        unknown = [k for k in kwargs if k != "passes"]
        if unknown:
            raise TypeError(
                f"hybridize: unknown option {', '.join(unknown)}; known: "
                "active, partition_if_dynamic, static_alloc, static_shape, inline_limit, "
                "forward_bulk_size, backward_bulk_size, passes"
            )
        flags = Flags(
            active, partition_if_dynamic, static_alloc, static_shape, inline_limit,
            forward_bulk_size, backward_bulk_size, self._flags.backend,
            {**self._flags.options, **kwargs},
        )  # fmt: skip
        if kwargs:
            from symgluon.gluon.options import compile_options

            compile_options(flags)  # unknown passes are told before anything is changed
        self._set_flags(flags)

    @property
    def _active(self) -> bool:
        """Whether calls run as a compiled graph (MXNet's name for it)."""
        return self._flags.active

    def _hybridize_as(self, saved: dict[str, Any]) -> None:
        """Take flags that `Block.save` wrote; those that a later version added are left out."""
        known = {f.name for f in fields(Flags)}
        flags = Flags(**{k: v for k, v in saved.items() if k in known})
        object.__setattr__(self, "_flags", flags)
        self._clear()

    def _set_flags(self, flags: Flags) -> None:
        for block in self._blocks():
            if isinstance(block, HybridBlock):
                object.__setattr__(block, "_flags", flags)
                block._clear()

    def optimize_for(
        self,
        x: Any,
        *args: Any,
        backend: str | None = None,
        clear: bool = False,
        partition_if_dynamic: bool = True,
        static_alloc: bool = False,
        static_shape: bool = False,
        inline_limit: int = 2,
        forward_bulk_size: int | None = None,
        backward_bulk_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Hybridize for a backend and compile for these inputs at once.

        Parameters
        ----------
        x : array
            First input to trace with.
        *args : array
            Further inputs.
        backend : str, optional
            Name of a registered backend (``numpy``, ``onnxruntime``, a plug-in's); None: the
            default one.
        clear : bool
            Drop what was compiled before; what another flag, backend or option asks for is dropped in
            any case.
        partition_if_dynamic : bool
            What happens to a graph with sizes that depend on data: the backend compiles it, but for
            operators it refuses; a block that asks for such a size is cut: its own operators run
            one by one, its child blocks compiled.  False: all of the graph runs on the NumPy
            interpreter, and such a question is a TraceError.
        static_alloc : bool
            Plan one arena for all intermediate arrays and reuse it over calls (NumPy backend).
        static_shape : bool
            Trace with numbers instead of named dimensions: one graph a shape, no guards.
        inline_limit : int
            :meth:`export` writes child blocks of at most so many operators inline, not as
            functions.
        forward_bulk_size, backward_bulk_size : int, optional
            Forward and gradient run in segments of at most so many operators, one session each
            in ONNX Runtime; None or 0: whole.
        **kwargs : object
            Options of the backend.

        Raises
        ------
        AttributeValueError
            For an unknown backend, or an option it does not know; the known ones are listed.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2, in_units=2)
        >>> net.initialize(init="ones")
        >>> net.optimize_for(mx.np.ones((1, 2)), backend="numpy")
        >>> net(mx.np.array([[1.0, 2.0]]))
        array([[3., 3.]])
        """
        from symgluon.gluon.options import compile_options

        flags = Flags(
            True, partition_if_dynamic, static_alloc, static_shape, inline_limit,
            forward_bulk_size, backward_bulk_size, backend, dict(kwargs),
        )  # fmt: skip
        compile_options(flags)  # unknown options are told before anything is changed
        if clear or any(getattr(b, "_flags", flags) != flags for b in self._blocks()):
            self._set_flags(flags)
        self(x, *args)

    def graph_for(self, *args: Any, functions: bool = True, frozen: bool = False) -> Graph:
        """Trace the block for these arguments and return the graph; nothing is compiled.

        Parameters
        ----------
        *args : array
            Inputs to trace with.
        functions : bool
            Keep child blocks as `Call` nodes.
        frozen : bool
            Put the present values of the parameters in as constants.

        Returns
        -------
        Graph
            The graph; printed, it is a listing of its nodes.
        """
        traced = self._trace(args, functions=functions)
        return exports.frozen(exports.exported_of(traced)) if frozen else traced.graph

    def optimize_report(self, *args: Any, explain: bool = False) -> OptimizeReport:
        """Return what the compiler makes of the block for these arguments.

        The block is traced in predict mode with its present parameters; nothing of it changes.

        Parameters
        ----------
        *args : ndarray
            Arguments of a call.
        explain : bool
            Collect the reasons for which candidates of the passes were left alone.

        Returns
        -------
        OptimizeReport
            Nodes before and after each pass, fusions by kind, FLOPs, parameters, the memory plan,
            the parts that the backend runs; ``str()`` of it is a page of text.

        Raises
        ------
        TraceError
            If the forward cannot be traced.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2, activation="relu", in_units=3)
        >>> net.initialize()
        >>> report = net.optimize_report(mx.np.ones((4, 3)))
        >>> report.nodes_before, report.parameters, report.flops_before.flops
        (2, 8, 56)
        """
        from symgluon.gluon.report import optimize_report

        return optimize_report(self, args, explain=explain)

    def _call_monitored(self, args: Sequence[Any]) -> Any:
        from symgluon.gluon.monitor import run_monitored

        return run_monitored(self, args)

    def register_op_hook(self, callback: Callable[..., Any], monitor_all: bool = False) -> None:
        """Let a function see every intermediate result of hybridized calls.

        That is of calls of this block, or of the outermost hybridized blocks below it.  The graph
        runs unfused, operator by operator; what was compiled stays.

        Parameters
        ----------
        callback : callable
            ``callback(name, operator, array)``; names are ``CHILD_OPERATOR_output``.
        monitor_all : bool
            Report the operands of each operator too, as ``CHILD_OPERATOR_OPERAND``.
        """
        super().register_op_hook(callback, monitor_all)

    def _add_op_hook(self, callback: Callable[..., Any], monitor_all: bool) -> None:
        self._op_hooks.append((callback, monitor_all))

    # ---- files -----------------------------------------------------------------------------
    def export(
        self,
        path: str | None,
        epoch: int = 0,
        remove_amp_cast: bool = True,
        *,
        opset: int = 20,
        dynamic_batch: bool = True,
        dynamic_axes: dict[Any, Any] | None = None,
        functions: bool = True,
        onnx: bool | str = True,
        **kwargs: Any,
    ) -> Any:
        """Write the model for deployment: MXNet's symbol and parameters, and ONNX.

        The block must have been called since it was hybridized.  The forward of predict mode is
        traced.

        Parameters
        ----------
        path : str or None
            Prefix of the files ``path-symbol.json``, ``path-%04d.params`` and ``path-%04d.onnx``;
            None: nothing is written.
        epoch : int
            Number in the file names.
        remove_amp_cast : bool
            Leave out the casts of automatic mixed precision.
        opset : int
            ONNX opset, 13 to 23.
        dynamic_batch : bool
            Keep axis 0 of the inputs that share its size free, as ``batch``.
        dynamic_axes : dict, optional
            Exactly which axes are free: ``{"data": {0: "batch", 2: "height"}}``; an error where
            one cannot be kept free.
        functions : bool
            Write child blocks as ONNX functions.
        onnx : bool or "only"
            False: only MXNet's pair of files.  "only": only the ONNX file, for what MXNet's symbol
            cannot say, such as state that a call changes (a pair of graph input and output, noted
            in the metadata as ``symgluon.state.NAME``).

        Returns
        -------
        tuple
            Names of the symbol and the parameter file (``onnx="only"``: of the ONNX file); for
            ``path=None`` the symbol and the parameters.

        Raises
        ------
        RuntimeError
            If the block was not called since it was hybridized.
        AttributeValueError
            For an opset, epoch or axis that there is not.
        UnsupportedOpError
            If the symbol or ONNX cannot say an operator of the graph; nothing is written then.

        Warns
        -----
        UserWarning
            Where `dynamic_batch` cannot be kept, with the line that pins the size.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2, in_units=2)
        >>> net.initialize(init="ones")
        >>> net.hybridize()
        >>> _ = net(mx.np.ones((1, 2)))
        >>> symbol, params = net.export("dense")
        >>> symbol, params
        ('dense-symbol.json', 'dense-0000.params')
        >>> back = mx.gluon.SymbolBlock.imports(symbol, "data", params)
        >>> back(mx.np.array([[1.0, 2.0]]))
        array([[3., 3.]])
        """
        return exports.export_block(
            self, path, epoch, remove_amp_cast=remove_amp_cast, opset=opset,
            dynamic_batch=dynamic_batch, dynamic_axes=dynamic_axes, functions=functions,
            onnx=onnx, **kwargs,
        )  # fmt: skip

    def _symbol_records(self, exported: exports.Exported, names: Sequence[str]) -> Any:
        """MXNet's form of the traced graph."""
        from symgluon.formats.symbol_write import symbol_parts
        from symgluon.passes.inline_calls import inline_calls

        graph = exports.frozen(exported, parameters=False)
        exports.refuse_state(graph)
        inline_calls(graph, limit=None)
        records, constants = symbol_parts(graph)
        exported.arrays.update(constants)  # arrays that no operator can spell are parameters there
        return records

    def forward(self, x: Any, *args: Any) -> Any:
        """Compute the outputs; every subclass defines this or `hybrid_forward`.

        Parameters
        ----------
        x : array
            First input.
        *args : array
            Further inputs.

        Returns
        -------
        array, or lists, tuples and dictionaries of arrays
            What the subclass computes.

        Raises
        ------
        NotImplementedError
            If the subclass defines neither.
        """
        if one_x.defines_hybrid_forward(self):
            return one_x.call(self, x, args)
        return super().forward(x, *args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from functions of `F`, as blocks of MXNet 1.x are written.

        Layers compute what they do with the parameters that are given, so a subclass may change
        them first.

        Parameters
        ----------
        F : module
            ``mx.nd``; ``mx.sym`` where a block of MXNet 1.x is called with symbols.
        x : array or Symbol
            First input.
        *args : array or Symbol
            Further inputs.
        **kwargs : array or Symbol
            Parameters of the block by attribute.

        Returns
        -------
        array, or lists, tuples and dictionaries of arrays
            What the block computes.

        Raises
        ------
        NotImplementedError
            If the class defines neither this nor `forward`.

        Examples
        --------
        >>> import symgluon as mx
        >>> class Doubled(mx.gluon.nn.Dense):
        ...     def hybrid_forward(self, F, x, weight, bias=None):
        ...         return super().hybrid_forward(F, x, weight=weight * 2, bias=bias)
        >>> net = Doubled(2, in_units=3)
        >>> net.initialize(init="ones")
        >>> net(mx.np.ones((1, 3)))
        array([[6., 6.]])
        """
        return one_x.call_native(self, x, args, kwargs)


def _child_names(root: Block) -> dict[int, str]:
    names: dict[int, str] = {}
    for block in root._blocks():
        for name, child in block._children.items():
            names.setdefault(id(child), name)
    return names
