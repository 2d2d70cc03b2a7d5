"""`Block`: the base class of all layers and models."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from symgluon.errors import SymgluonError
from symgluon.gluon import serialization
from symgluon.gluon.hooks import HookHandle, Hooks
from symgluon.gluon.parameter import DeferredInitializationError, Parameter
from symgluon.ops.state import state

__all__ = ["Block", "DeferredInitializationError", "HookHandle"]


class Block:
    """Base class of layers and models (seed: ``gluon.Block``).

    Child blocks and parameters that are assigned as attributes are registered; parameters are
    named by structure (``features.0.weight``).
    """

    _children: OrderedDict[str, Any]
    _reg_params: dict[str, Any]
    _forward_hooks: Hooks
    _forward_pre_hooks: Hooks
    _version: int

    def __init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "_children", OrderedDict())
        set_(self, "_reg_params", {})
        set_(self, "_forward_hooks", Hooks())
        set_(self, "_forward_pre_hooks", Hooks())
        set_(self, "_version", 0)

    # ---- structure -------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        """Register parameters and child blocks.

        Raises
        ------
        TypeError
            If a parameter or block would be replaced by something of another kind.
        """
        old = self.__dict__.get(name)
        for kind in (Parameter, Block):
            if isinstance(old, kind) and not isinstance(value, kind):
                raise TypeError(
                    f"attribute {name!r} of {type(self).__name__} is a {type(old).__name__}; it "
                    f"cannot become a {type(value).__name__}"
                )
        if isinstance(value, Block):
            self.register_child(value, name)
        elif isinstance(value, Parameter):
            registered = self.__dict__.get("_reg_params")
            if registered is None:
                raise RuntimeError(
                    f"call super().__init__() of {type(self).__name__} before assigning parameters"
                )
            registered[name] = value
            value._name_in_block(name)
            self._changed()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._children.pop(name, None)
        self._reg_params.pop(name, None)
        object.__delattr__(self, name)
        self._changed()

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Register `block` as a child; `name` defaults to its number."""
        if "_children" not in self.__dict__:
            raise RuntimeError(
                f"call super().__init__() of {type(self).__name__} before assigning child blocks"
            )
        self._children[str(len(self._children)) if name is None else name] = block
        self._changed()

    def _changed(self) -> None:
        """Compiled entries of this block and of its ancestors are out of date."""
        object.__setattr__(self, "_version", self.__dict__.get("_version", 0) + 1)
        _Epoch.value += 1

    def _blocks(self) -> Iterator[Block]:
        """Yield the block and all below it, parents first, each once."""
        seen: set[int] = set()
        stack: list[Block] = [self]
        while stack:
            block = stack.pop()
            if id(block) in seen:
                continue
            seen.add(id(block))
            yield block
            stack.extend(reversed(list(block._children.values())))

    def __repr__(self) -> str:
        lines = "\n".join(
            f"  ({key}): {_indent(repr(block))}" for key, block in self._children.items()
        )
        return f"{type(self).__name__}(\n{lines}\n)"

    def apply(self, fn: Callable[[Block], Any]) -> Block:
        """Call `fn` with every child recursively, then with this block; returns the block."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    # ---- parameters ------------------------------------------------------------------------
    @property
    def params(self) -> dict[str, Parameter]:
        """Parameters of this block alone (its children's are not in it)."""
        return self._reg_params

    def collect_params(self, select: str | None = None) -> dict[str, Parameter]:
        """Parameters of this block and of all below it by structural name.

        Parameters
        ----------
        select : str, optional
            Regular expression that the names must match from their start:
            ``"conv1.weight|conv1.bias|fc.*"``.
        """
        found: dict[str, Parameter] = {}
        self._collect(found, "")
        if select is None:
            return found
        pattern = re.compile(select)
        return {name: p for name, p in found.items() if pattern.match(name)}

    def _collect(self, found: dict[str, Parameter], prefix: str) -> None:
        for name, parameter in self._reg_params.items():
            found[prefix + name] = parameter
        for name, child in self._children.items():
            child._collect(found, f"{prefix}{name}.")

    def initialize(
        self,
        init: Any = None,
        device: Any = None,
        verbose: bool = False,
        force_reinit: bool = False,
        ctx: Any = None,
    ) -> None:
        """Initialise all parameters; those of unknown shape when their shape is known.

        Parameters
        ----------
        init : Initializer or str, optional
            Default for parameters without one of their own; ``Uniform()`` if None.
        device : Device or list of Device, optional
            Where the parameters live.
        force_reinit : bool
            Initialise anew what is initialised already.
        """
        from symgluon import initializer

        default = initializer.Uniform() if init is None else initializer.create(init)
        if verbose and hasattr(default, "set_verbosity"):
            default.set_verbosity(verbose=verbose)
        once: dict[int, tuple[str, Parameter]] = {}  # a shared parameter is met more than once
        for name, parameter in self.collect_params().items():
            once.setdefault(id(parameter), (name, parameter))
        for name, parameter in once.values():
            parameter.initialize(
                None, device if ctx is None else ctx, default, force_reinit=force_reinit,
                structural_name=name,
            )  # fmt: skip

    def cast(self, dtype: Any) -> None:
        """Cast the parameters to `dtype`, and let forward work in it."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self._reg_params.values():
            parameter.cast(dtype)
        self._changed()

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.collect_params().values():
            parameter.zero_grad()

    def reset_device(self, device: Any) -> None:
        """Move all parameters to `device` (one or a list)."""
        for parameter in self.collect_params().values():
            parameter.reset_device(device)

    def reset_ctx(self, ctx: Any) -> None:
        """Deprecated name of :meth:`reset_device`."""
        warnings.warn(
            "Block.reset_ctx is deprecated; use Block.reset_device", DeprecationWarning, 2
        )
        self.reset_device(ctx)

    def setattr(self, name: str, value: Any) -> None:
        """Set attribute `name` of all parameters: ``net.setattr("grad_req", "null")``."""
        for parameter in self.collect_params().values():
            setattr(parameter, name, value)

    def share_parameters(self, shared: dict[str, Parameter]) -> Block:
        """Use the parameters in `shared` (structural names) in place of this block's own.

        Raises
        ------
        ValueError
            If `shared` is no dictionary of parameters.
        """
        if shared is None:
            return self
        if not isinstance(shared, dict):
            raise ValueError(
                f"share_parameters expects a dictionary as collect_params() returns, "
                f"received {type(shared).__name__}"
            )
        unused = set(shared)
        for block, prefix in self._with_prefix(""):
            for name in list(block._reg_params):
                parameter = shared.get(prefix + name)
                if parameter is not None:
                    unused.discard(prefix + name)
                    object.__setattr__(block, name, parameter)
                    block._reg_params[name] = parameter
                    block._changed()
        if unused:
            warnings.warn(
                "share_parameters: not found in this block: " + ", ".join(sorted(unused)),
                stacklevel=2,
            )
        return self

    def _with_prefix(self, prefix: str) -> Iterator[tuple[Block, str]]:
        yield self, prefix
        for name, child in self._children.items():
            yield from child._with_prefix(f"{prefix}{name}.")

    # ---- files -----------------------------------------------------------------------------
    def save_parameters(self, filename: str, deduplicate: bool = False) -> None:
        """Save the parameters under their structural names.

        Parameters
        ----------
        deduplicate : bool
            Write a parameter that has several names under its first name only.
        """
        serialization.save_parameters(self, filename, deduplicate)

    def load_parameters(
        self,
        filename: str,
        device: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
        ctx: Any = None,
    ) -> None:
        """Load parameters from a file of MXNet 1.x or 2.x, or of :meth:`save_parameters`.

        Parameters
        ----------
        device : Device or list of Device, optional
            Where to put parameters that are not initialised yet.
        allow_missing, ignore_extra : bool
            Accept parameters that the file lacks, and names that the block lacks.
        cast_dtype : bool
            Cast instead of refusing another dtype; `dtype_source` says to which: ``"current"``
            (the parameter's) or ``"saved"`` (the file's).
        """
        serialization.load_parameters(
            self, filename, device if ctx is None else ctx, allow_missing, ignore_extra,
            cast_dtype, dtype_source,
        )  # fmt: skip

    def load_dict(
        self,
        param_dict: dict[str, Any],
        device: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Load parameters from a dictionary of arrays; arguments as :meth:`load_parameters`."""
        serialization.load_dict(
            self, param_dict, device, allow_missing, ignore_extra, cast_dtype, dtype_source
        )

    def save(self, prefix: str) -> None:
        """Save the tree of blocks to ``prefix-model.json`` and ``prefix-model.params``."""
        serialization.save_model(self, prefix)

    def load(self, prefix: str) -> None:
        """Load what :meth:`save` wrote into a block of the same structure."""
        serialization.load_model(self, prefix)

    # ---- hooks -----------------------------------------------------------------------------
    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call ``hook(block, inputs)`` before each forward; returns a handle that detaches."""
        handle = HookHandle()
        handle.attach(self._forward_pre_hooks, hook)
        self._changed()
        return handle

    def register_forward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call ``hook(block, inputs, outputs)`` after each forward; its result is ignored."""
        handle = HookHandle()
        handle.attach(self._forward_hooks, hook)
        self._changed()
        return handle

    def register_op_hook(self, callback: Callable[..., Any], monitor_all: bool = False) -> None:
        """Let `callback(name, operator, array)` see intermediate results of hybridized blocks.

        Parameters
        ----------
        monitor_all : bool
            Report the operands of each operator too.
        """
        for child in self._children.values():
            child.register_op_hook(callback, monitor_all)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridize the hybrid blocks below this one (see :meth:`HybridBlock.hybridize`)."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    # ---- calling ---------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks and :meth:`forward`."""
        if self._forward_pre_hooks or self._forward_hooks:
            self._warn_of_hooks()
        if self._forward_pre_hooks:
            for hook in list(self._forward_pre_hooks.values()):
                hook(self, args)
        try:
            out = self._call(*args, **kwargs)
        except SymgluonError as error:
            _say_where(error, self)
            raise
        if self._forward_hooks:
            for hook in list(self._forward_hooks.values()):
                hook(self, args, out)
        return out

    def _warn_of_hooks(self) -> None:
        if state.region is not None:
            warnings.warn(
                f"the forward hooks of {type(self).__name__} run only now, while the hybridized "
                "block around it is traced, with arrays that hold no numbers; call hybridize(False) "
                "to have them run at every call",
                stacklevel=3,
            )

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any) -> Any:
        """Compute the outputs; overridden by every block."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define forward(self, ...), which every Block must"
        )

    def summary(self, *inputs: Any) -> None:
        """Print a table of the layers, their output shapes and parameters.

        Raises
        ------
        ValueError
            If the block is hybridized (call it before).
        """
        from symgluon.gluon.summary import print_summary

        print_summary(self, inputs)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)


class _Epoch:
    """Counts structural changes of any block: compiled entries check it before they are used."""

    value = 0


def _indent(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *["  " + line for line in rest]])


def _say_where(error: SymgluonError, block: Block) -> None:
    """Extend the block path an error carries by one level (nothing is kept on the hot path)."""
    trail = error.__dict__.setdefault("_trail", [])
    if error.where and not trail:
        return
    if trail:
        inner, path, kind = trail[-1]
        for name, child in block._children.items():
            if child is inner:
                path = f"{name}.{path}" if path else name
                break
        trail.append((block, path, kind))
    else:
        trail.append((block, "", type(block).__name__))
    _, path, kind = trail[-1]
    error.where = f"block {path} ({kind})" if path else f"block {kind}"
    if state.region is not None and not error.line:
        from symgluon.ir.dims import user_line

        error.line = user_line() or None
