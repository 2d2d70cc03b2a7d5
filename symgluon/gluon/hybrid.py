"""`HybridBlock`: blocks that are traced, compiled and exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgluon.errors import DeferredInitializationError
from symgluon.gluon import export as exports
from symgluon.gluon.block import Block, _Epoch
from symgluon.gluon.parameter import Parameter
from symgluon.gluon.trace import Cache, Entry, Traced, call_key, trace
from symgluon.ir.graph import Graph
from symgluon.ops.array import Array
from symgluon.ops.region import outside
from symgluon.ops.state import state


@dataclass(frozen=True)
class Flags:
    """What `hybridize` and `optimize_for` were told; documented at :meth:`HybridBlock.hybridize`."""

    active: bool = False
    partition_if_dynamic: bool = True
    static_alloc: bool = False
    static_shape: bool = False
    inline_limit: int = 2
    forward_bulk_size: int | None = None
    backward_bulk_size: int | None = None
    backend: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


class HybridBlock(Block):
    """Block whose forward can be traced into a graph (seed: ``gluon.HybridBlock``)."""

    _flags: Flags
    _cache: Cache
    _cache_epoch: int
    _ready: bool
    _op_hooks: list[tuple[Any, bool]]
    _signature: Any

    def __init__(self) -> None:
        super().__init__()
        set_ = object.__setattr__
        set_(self, "_flags", Flags())
        set_(self, "_cache", Cache())
        set_(self, "_cache_epoch", -1)
        set_(self, "_ready", False)
        set_(self, "_op_hooks", [])
        set_(self, "_signature", None)

    #: names of the inputs in exported files, where the block knows them (`SymbolBlock`)
    _input_names: list[str] | None = None

    # ---- structure -------------------------------------------------------------------------
    def register_child(self, block: Block, name: str | None = None) -> None:
        """Register a child, which must be hybrid as well.

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
        """Cast the parameters; compiled entries are dropped."""
        self._clear()
        super().cast(dtype)

    def _clear(self) -> None:
        self._cache.clear()

    # ---- deferred initialisation -----------------------------------------------------------
    def ready(self, *args: Any) -> None:
        """Give every parameter of this block its shape and values before `forward` reads them.

        Runs in eager mode and in a trace alike, so the order of random draws is the same.
        """
        params = list(self._reg_params.values())
        if params and type(self).infer_shape is not HybridBlock.infer_shape:
            self.infer_shape(*args)  # also where all is known: it tells data of another size
        elif any(not p._shape_known for p in params):
            self.infer_shape(*args)
        waiting = [p for p in params if p._is_deferred]
        if waiting:
            with outside():
                for parameter in waiting:
                    parameter._finish_deferred_init()
        object.__setattr__(self, "_ready", True)

    def infer_shape(self, *args: Any) -> None:
        """Set the shapes of deferred parameters from the inputs; layers override this.

        Raises
        ------
        RuntimeError
            If parameters stay unknown.
        """
        unknown = [n for n, p in self._reg_params.items() if not p._shape_known]
        if unknown:
            raise DeferredInitializationError(
                f"{type(self).__name__}: the shapes of {', '.join(unknown)} are unknown and the "
                "block does not define infer_shape(self, *inputs)",
                hint="give the parameters full shapes, or define infer_shape to set "
                "`self.weight.shape = (...)`",
            )

    def infer_type(self, *args: Any) -> None:
        """Set the dtype of all parameters to that of the first input."""
        dtype = args[0].dtype
        for parameter in self.collect_params().values():
            parameter.dtype = dtype

    # ---- calling ---------------------------------------------------------------------------
    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if state.region is not None:
            return self._call_traced(args, kwargs)
        if self._flags.active:
            if self._op_hooks:
                return self._call_monitored(args)
            return self._call_compiled(args, kwargs)
        if not self._ready:
            self.ready(*args)
        return self.forward(*args, **kwargs)

    def _call_traced(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        region = state.region
        if region is None:
            raise RuntimeError("not tracing")
        with region.block(region.names.get(id(self), type(self).__name__.lower())):
            if not self._ready:
                self.ready(*args)
            if region.functions:
                from symgluon.gluon.functions import call_as_function

                return call_as_function(self, args, kwargs)
            return self.forward(*args, **kwargs)

    def _call_compiled(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if kwargs:
            args = self._positional(args, kwargs)
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

    # ---- tracing and compiling -------------------------------------------------------------
    def _trace(self, args: Sequence[Any], **kwargs: Any) -> Traced:
        names = {id(p): n for n, p in reversed(list(self.collect_params().items()))}

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

    def _compile(self, args: Sequence[Any]) -> Entry:
        from symgluon.gluon.options import compile_options, prepare

        flags = self._flags
        options = compile_options(flags)
        kwargs: dict[str, Any] = {}
        if flags.static_shape:
            kwargs["dims"] = lambda leaf, axis, size: None
        traced = self._trace(args, **kwargs)
        object.__setattr__(self, "_signature", exports.signature_of(args))
        return Entry(traced, options, prepare)

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
            Cut the graph at operators whose result shape depends on data.
        static_alloc : bool
            Plan one arena for all intermediate arrays and reuse it over calls (NumPy backend).
        static_shape : bool
            Trace with numbers instead of named dimensions: one graph a shape, no guards.
        inline_limit : int
            Child blocks of at most so many operators are inlined in the IR and in exported files.
        forward_bulk_size, backward_bulk_size : int, optional
            Accepted; graphs are always executed whole.

        Raises
        ------
        TypeError
            For an unknown flag.
        """
        if kwargs:
            raise TypeError(
                f"hybridize: unknown option {', '.join(kwargs)}; known: "
                "active, partition_if_dynamic, static_alloc, static_shape, inline_limit, "
                "forward_bulk_size, backward_bulk_size"
            )
        flags = Flags(
            active, partition_if_dynamic, static_alloc, static_shape, inline_limit,
            forward_bulk_size, backward_bulk_size, self._flags.backend, self._flags.options,
        )  # fmt: skip
        self._set_flags(flags)

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
        """Hybridize for `backend` and compile for these inputs at once.

        Parameters
        ----------
        x, args : ndarray
            Inputs to trace with.
        backend : str, optional
            Name of a registered backend (``numpy``, ``onnxruntime``, a plug-in's).
        clear : bool
            Drop what was compiled before.
        kwargs
            Options of the backend; unknown ones are an error that lists the known ones.
        """
        from symgluon.gluon.options import compile_options

        if clear:
            self._clear()
        flags = Flags(
            True, partition_if_dynamic, static_alloc, static_shape, inline_limit,
            forward_bulk_size, backward_bulk_size, backend, dict(kwargs),
        )  # fmt: skip
        compile_options(flags)  # unknown options are told before anything is changed
        self._set_flags(flags)
        self(x, *args)

    def graph_for(self, *args: Any, functions: bool = True, frozen: bool = False) -> Graph:
        """Trace the block for these arguments and return the graph (nothing is compiled).

        Parameters
        ----------
        functions : bool
            Keep child blocks as `Call` nodes.
        frozen : bool
            Put the present values of the parameters in as constants.
        """
        traced = self._trace(args, functions=functions)
        return exports.frozen(exports.exported_of(traced)) if frozen else traced.graph

    def _call_monitored(self, args: Sequence[Any]) -> Any:
        from symgluon.gluon.monitor import run_monitored

        return run_monitored(self, args)

    def register_op_hook(self, callback: Callable[..., Any], monitor_all: bool = False) -> None:
        """Let ``callback(name, operator, array)`` see every intermediate of hybridized calls."""
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

        Parameters
        ----------
        path : str or None
            Prefix of the files ``path-symbol.json``, ``path-%04d.params`` and ``path-%04d.onnx``; None:
            nothing is written.
        epoch : int
            Number in the file names.
        remove_amp_cast : bool
            Leave out the casts of automatic mixed precision.
        opset : int
            ONNX opset, 13 to 23.
        dynamic_batch : bool
            Keep axis 0 of the inputs that share its size free, as ``batch``.
        dynamic_axes : dict, optional
            Exactly which axes are free: ``{"data": {0: "batch", 2: "height"}}``; an error where one
            cannot be kept free.
        functions : bool
            Write child blocks as ONNX functions.
        onnx : bool or "only"
            False: only MXNet's pair of files.  "only": only the ONNX file, for what MXNet's symbol
            cannot say, such as state that a call changes (a pair of graph input and output, noted in
            the metadata as ``symgluon.state.NAME``).

        Returns
        -------
        tuple
            Names of the symbol and the parameter file (``onnx="only"``: of the ONNX file); for
            ``path=None`` the symbol and the parameters.

        Raises
        ------
        UnsupportedOpError
            If the symbol or ONNX cannot say an operator of the graph; nothing is written then.
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
        """Compute the outputs; overridden by every block."""
        return super().forward(x, *args)


def _child_names(root: Block) -> dict[int, str]:
    names: dict[int, str] = {}
    for block in root._blocks():
        for name, child in block._children.items():
            names.setdefault(id(child), name)
    return names
