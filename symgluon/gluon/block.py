"""`Block`: the base class of all layers and models."""

from __future__ import annotations

import inspect
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from symgluon.errors import SymgluonError
from symgluon.gluon import serialization
from symgluon.gluon.hooks import HookHandle, Hooks
from symgluon.gluon.naming import OneOnly, Scope, make_scope, scope_of
from symgluon.gluon.parameter import DeferredInitializationError, Parameter
from symgluon.ops.state import state

__all__ = ["Block", "DeferredInitializationError", "HookHandle"]


class _NotBuiltError(SymgluonError, AttributeError):
    """A block is used before its base class is: an AttributeError in MXNet."""


def _blocks_in(value: Any) -> Iterator[Block]:
    """Blocks inside nested lists, tuples and dicts."""
    if isinstance(value, Block):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _blocks_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _blocks_in(item)


class Block:
    """Base class of layers and models.

    A subclass makes its parameters and child blocks in ``__init__``, after ``super().__init__()``,
    and computes in ``forward``.  Parameters and blocks that are assigned as attributes are
    registered, and parameters are named by structure (``features.0.weight``).  A block that is made
    after ``symgluon.compat.install('1')`` has the names of MXNet 1.x as well (``dense0_weight``).

    Parameters
    ----------
    prefix : str, optional
        MXNet 1.x only: beginning of the names of its parameters; ``dense0_`` and so on if left out.
    params : ParameterDict, optional
        MXNet 1.x only: parameters of another block, which this one shares.

    Raises
    ------
    TypeError
        When an attribute that is a parameter or a block is assigned something of another kind; for
        `prefix` or `params` outside of the dialect of 1.x.
    RuntimeError
        When one is assigned before ``super().__init__()``.

    Notes
    -----
    Source: seed ``gluon.Block``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Net(mx.gluon.Block):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = mx.gluon.nn.Dense(2, in_units=3)
    ...         self.scale = mx.gluon.Parameter("scale", shape=(1,), init="ones")
    ...
    ...     def forward(self, x):
    ...         return self.dense(x) * self.scale.data()
    >>> net = Net()
    >>> net.initialize(init="ones")
    >>> net(mx.np.ones((1, 3)))
    array([[3., 3.]])
    >>> list(net.collect_params())
    ['scale', 'dense.weight', 'dense.bias']
    >>> net
    Net(
      (dense): Dense(3 -> 2, linear)
    )
    """

    _children: OrderedDict[str, Any]
    _reg_params: dict[str, Any]
    _forward_hooks: Hooks
    _forward_pre_hooks: Hooks
    _version: int
    #: names of MXNet 1.x; None for a block of MXNet 2.0
    _scope: Scope | None = None

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        set_ = object.__setattr__
        scope = make_scope(self, prefix, params)
        if scope is not None:
            set_(self, "_scope", scope)
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
                raise _NotBuiltError(
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
        """Register a child block, as assigning it to an attribute does.

        Parameters
        ----------
        block : Block
            The child.
        name : str, optional
            Its name in the names of parameters; its number if left out.

        Raises
        ------
        AttributeError
            If ``super().__init__()`` was not called yet.
        TypeError
            If `block` is no block.
        """
        if "_children" not in self.__dict__:
            raise _NotBuiltError(
                f"call super().__init__() of {type(self).__name__} before assigning child blocks"
            )
        if not isinstance(block, Block):
            shown = "the class " + block.__name__ if isinstance(block, type) else repr(block)
            raise TypeError(
                f"{type(self).__name__} takes blocks as children, received {shown} "
                f"({type(block).__name__})"
            )
        self._children[str(len(self._children)) if name is None else str(name)] = block
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
        """Call a function with every block below this one, and then with this one.

        Parameters
        ----------
        fn : callable
            Takes a block; what it returns is ignored.

        Returns
        -------
        Block
            This block.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(2), mx.gluon.nn.Dropout(0.5))
        >>> _ = net.apply(lambda block: print(type(block).__name__))
        Dense
        Dropout
        HybridSequential
        """
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    # ---- names of MXNet 1.x ----------------------------------------------------------------
    prefix = OneOnly("prefix", "Beginning of the names of its parameters (MXNet 1.x).")
    _prefix = prefix
    _params = OneOnly("params", "Parameters that it made (MXNet 1.x).")
    name = OneOnly("name", "Its prefix without the ``_`` at the end (MXNet 1.x).")

    #: beginning of its name where that is not the class in small letters
    _hint = ""

    def _alias(self) -> str:
        """Beginning of the names that blocks of this class are given."""
        return self._hint or type(self).__name__.lower()

    def name_scope(self) -> AbstractContextManager[Any]:
        """Blocks that are made within take this block's prefix, in the dialect of MXNet 1.x.

        Returns
        -------
        context manager
            In the dialect of MXNet 2.0 it does nothing: there the structure names parameters.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.HybridSequential()
        >>> with net.name_scope():
        ...     net.add(mx.gluon.nn.Dense(2))
        >>> list(net.collect_params())
        ['0.weight', '0.bias']
        """
        return scope_of(self)

    def _parameter(self, name: str, **kwargs: Any) -> Parameter:
        """A new parameter of a layer, or the one it shares with another block (MXNet 1.x)."""
        if self._scope is not None:
            return self._scope.params.get(name, **kwargs)
        parameter = Parameter(name, **kwargs)
        parameter._numpy = True  # layers of MXNet 2.0 are declared with `use_np`
        return parameter

    # ---- parameters ------------------------------------------------------------------------
    @property
    def params(self) -> Any:
        """Parameters of this block alone; those of its children are not in it.

        By attribute in a dictionary; a block of MXNet 1.x has a `ParameterDict`, which makes them.
        """
        return self._reg_params if self._scope is None else self._scope.params

    def collect_params(self, select: str | None = None) -> dict[str, Parameter]:
        """Parameters of this block and of all below it, by structural name.

        Parameters
        ----------
        select : str, optional
            Regular expression that names must match from their start:
            ``"conv1.weight|conv1.bias|fc.*"``.

        Returns
        -------
        dict of str to Parameter
            In the order of the attributes, parents first.  A shared parameter stands under each
            name.  A block of MXNet 1.x has a `ParameterDict` of full names instead.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(2, in_units=3), mx.gluon.nn.BatchNorm())
        >>> list(net.collect_params())
        ['0.weight', '0.bias', '1.gamma', '1.beta', '1.running_mean', '1.running_var']
        >>> net.collect_params(".*weight")
        {'0.weight': Parameter (shape=(2, 3), dtype=float32)}
        """
        self._warn_of_hidden_blocks()
        if self._scope is not None:
            from symgluon.gluon.parameter_dict import collect

            return collect(self, select)
        found = self._structural_params()
        if select is None:
            return found
        pattern = re.compile(select)
        return {name: p for name, p in found.items() if pattern.match(name)}

    def _structural_params(self) -> dict[str, Parameter]:
        """Parameters by structural name, in either dialect."""
        found: dict[str, Parameter] = {}
        self._collect(found, "")
        return found

    #: name of MXNet 1.x for it
    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        self._collect(found, prefix + "." if prefix else "")
        return found

    def _warn_of_hidden_blocks(self) -> None:
        """Say which blocks lie in lists and dicts, where nobody registers them."""
        children = {id(child) for child in self._children.values()}
        for name, value in self.__dict__.items():
            if name.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            if any(id(block) not in children for block in _blocks_in(value)):
                warnings.warn(
                    f'"{name}" of {type(self).__name__} is a container with Blocks. Blocks inside '
                    "a list, tuple or dict are not registered: their parameters are neither "
                    "initialised nor trained. Register them with register_child() or add them to a "
                    "Sequential",
                    stacklevel=3,
                )

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
        """Initialise all parameters; those of unknown shape when the first call tells it.

        Parameters
        ----------
        init : Initializer or str, optional
            For parameters without an initializer of their own; ``Uniform()`` if left out.
        device : Device or list of Device, optional
            Where the parameters live, a copy on each; the current device if left out.
        verbose : bool
            Given to `init` by `Initializer.set_verbosity`.
        force_reinit : bool
            Initialise anew what is initialised already; otherwise that is left alone, with a
            warning.
        ctx : Device or list of Device, optional
            Old name of `device`.

        Warns
        -----
        UserWarning
            For each parameter that is initialised already.
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
        """Cast the parameters of this block and of all below it to `dtype`."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self._reg_params.values():
            parameter.cast(dtype)
        self._changed()

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to zero."""
        for parameter in self.collect_params().values():
            parameter.zero_grad()

    def reset_device(self, device: Any) -> None:
        """Move all parameters to `device`, or to each of a list of devices."""
        for parameter in self.collect_params().values():
            parameter.reset_device(device)

    def reset_ctx(self, ctx: Any) -> None:
        """Deprecated name of :meth:`reset_device`.

        Parameters
        ----------
        ctx : Device or list of Device
            Where the parameters go.

        Warns
        -----
        DeprecationWarning
            Always.
        """
        warnings.warn(
            "Block.reset_ctx is deprecated; use Block.reset_device", DeprecationWarning, 2
        )
        self.reset_device(ctx)

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of all parameters.

        Parameters
        ----------
        name : str
            Attribute of `Parameter`, such as ``grad_req`` or ``lr_mult``.
        value : object
            Its new value.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2)
        >>> net.setattr("grad_req", "null")
        >>> net.weight.grad_req
        'null'
        """
        for parameter in self.collect_params().values():
            setattr(parameter, name, value)

    def share_parameters(self, shared: dict[str, Parameter]) -> Block:
        """Use parameters of another block in place of this block's own.

        Parameters
        ----------
        shared : dict of str to Parameter
            By structural name, as ``other.collect_params()`` returns them.

        Returns
        -------
        Block
            This block.

        Raises
        ------
        ValueError
            If `shared` is no dictionary.
        TypeError
            If something in it is no parameter; nothing is shared then.

        Warns
        -----
        UserWarning
            For names that this block does not have.

        Examples
        --------
        >>> import symgluon as mx
        >>> one, other = mx.gluon.nn.Dense(2, in_units=3), mx.gluon.nn.Dense(2, in_units=3)
        >>> other.share_parameters(one.collect_params()).weight is one.weight
        True
        """
        if shared is None:
            return self
        if not isinstance(shared, dict):
            raise ValueError(
                f"share_parameters expects a dictionary as collect_params() returns, "
                f"received {type(shared).__name__}"
            )
        for name, given in shared.items():
            if not isinstance(given, Parameter):
                raise TypeError(
                    f"share_parameters: {name!r} is a {type(given).__name__}, not a Parameter; "
                    "load_dict() takes arrays"
                )
        unused = set(shared)
        for block, prefix in self._with_prefix(""):
            for name in list(block._reg_params):
                parameter = dict.get(shared, prefix + name)
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
        """Save the parameters under their structural names, in MXNet 2.0's format.

        Parameters
        ----------
        filename : str
            File to write; it appears whole or not at all.
        deduplicate : bool
            Write a parameter that has several names under its first name only.

        Raises
        ------
        RuntimeError
            If a parameter is not initialised.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2, in_units=3)
        >>> net.initialize(init="ones")
        >>> net.save_parameters("dense.params")
        >>> other = mx.gluon.nn.Dense(2)
        >>> other.load_parameters("dense.params")
        >>> other(mx.np.ones((1, 3)))
        array([[3., 3.]])
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
        filename : str
            File to read; ``arg:`` and ``aux:`` in front of names are left out.
        device : Device or list of Device, optional
            Where to put parameters that are not initialised yet.
        allow_missing, ignore_extra : bool
            Accept parameters that the file lacks, and names that the block lacks.
        cast_dtype : bool
            Cast instead of refusing another dtype.
        dtype_source : str
            To which dtype: ``"current"`` (the parameter's) or ``"saved"`` (the file's).
        ctx : Device or list of Device, optional
            Old name of `device`.

        Raises
        ------
        AssertionError
            For missing or extra names; all of them are listed, and nothing is loaded.
        ShapeError, DTypeError
            If an array does not fit.
        FormatError
            If the file is damaged.
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
        """Load parameters from a dictionary.

        Parameters
        ----------
        param_dict : dict of str to array
            By structural name: arrays of MXNet or NumPy, or parameters.
        device : Device or list of Device, optional
            Where to put parameters that are not initialised yet.
        allow_missing, ignore_extra : bool
            Accept parameters that the dictionary lacks, and names that the block lacks.
        cast_dtype : bool
            Cast instead of refusing another dtype.
        dtype_source : str
            To which dtype: ``"current"`` (the parameter's) or ``"saved"`` (the dictionary's).

        Raises
        ------
        AssertionError
            For missing or extra names; all of them are listed, and nothing is loaded.
        ShapeError, DTypeError
            If an array does not fit.
        """
        serialization.load_dict(
            self, param_dict, device, allow_missing, ignore_extra, cast_dtype, dtype_source
        )

    def save_params(self, filename: str) -> None:
        """Save the parameters without the prefix of the block (MXNet 1.x, deprecated there).

        Parameters
        ----------
        filename : str
            File to write; it appears whole or not at all.
        """
        if self._scope is None:
            self.save_parameters(filename)
        else:
            self.collect_params().save(filename, strip_prefix=self._scope.prefix)  # type: ignore[attr-defined]

    def load_params(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
    ) -> None:
        """Load parameters, as :meth:`load_parameters` does (MXNet 1.x, deprecated there).

        Parameters
        ----------
        filename : str
            File to read.
        ctx : Device or list of Device, optional
            Where to put parameters that are not initialised yet.
        allow_missing, ignore_extra : bool
            Accept parameters that the file lacks, and names that the block lacks.
        """
        self.load_parameters(filename, ctx, allow_missing, ignore_extra)

    def save(self, prefix: str) -> None:
        """Save the tree of blocks and its parameters.

        Parameters
        ----------
        prefix : str
            Beginning of the names of the files ``prefix-model.json`` and ``prefix-model.params``.
        """
        serialization.save_model(self, prefix)

    def load(self, prefix: str) -> None:
        """Load what :meth:`save` wrote into a block of the same structure.

        Parameters
        ----------
        prefix : str
            That given to :meth:`save`.

        Raises
        ------
        FormatError
            If a file is damaged, or describes another structure.
        """
        serialization.load_model(self, prefix)

    # ---- hooks -----------------------------------------------------------------------------
    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Have a function called before each forward.

        Parameters
        ----------
        hook : callable
            ``hook(block, inputs)``, `inputs` being a tuple; what it returns is ignored.

        Returns
        -------
        HookHandle
            Detaches the hook; also as a context manager.
        """
        handle = HookHandle()
        handle.attach(self._forward_pre_hooks, hook)
        self._changed()
        return handle

    def register_forward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Have a function called after each forward.

        Parameters
        ----------
        hook : callable
            ``hook(block, inputs, outputs)``; what it returns is ignored.

        Returns
        -------
        HookHandle
            Detaches the hook; also as a context manager.

        Notes
        -----
        Inside a hybridized block the hooks of its children run only while it is traced, with
        arrays that hold no numbers, and a warning says so.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.Dense(2)
        >>> net.initialize()
        >>> with net.register_forward_hook(lambda block, inputs, out: print(inputs[0].shape, out.shape)):
        ...     _ = net(mx.np.ones((4, 3)))
        (4, 3) (4, 2)
        """
        handle = HookHandle()
        handle.attach(self._forward_hooks, hook)
        self._changed()
        return handle

    def register_op_hook(self, callback: Callable[..., Any], monitor_all: bool = False) -> None:
        """Let a function see the intermediate results of hybridized blocks at each call.

        Parameters
        ----------
        callback : callable
            ``callback(name, operator, array)`` with names such as ``0_dense_output``.
        monitor_all : bool
            Report the operands of each operator too.

        Raises
        ------
        TypeError
            If `callback` is no function.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(2, activation="relu"))
        >>> net.initialize()
        >>> net.hybridize()
        >>> net.register_op_hook(lambda name, operator, array: print(name, operator, array.shape))
        >>> _ = net(mx.np.ones((1, 3)))
        0_dense_output dense (1, 2)
        0.act_relu_output relu (1, 2)
        """
        if not callable(callback):
            raise TypeError(
                f"register_op_hook takes a function of (name, operator, array), received {callback!r}"
            )
        for block in self._blocks():
            block._add_op_hook(callback, monitor_all)

    def _add_op_hook(self, callback: Callable[..., Any], monitor_all: bool) -> None:
        """Nothing is monitored in a plain block."""

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridize the hybrid blocks below this one.

        Parameters
        ----------
        active : bool
            Whether their calls run as compiled graphs.
        **kwargs : bool or int
            Flags of :meth:`HybridBlock.hybridize`.
        """
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    # ---- calling ---------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks and :meth:`forward`.

        Without any argument, where `forward` needs one, it returns the block: code for MXNet 2.0
        calls what lies in ``_children``, which are weak references there.
        """
        if not (args or kwargs) and self._needs_input():
            return self
        if self._forward_pre_hooks or self._forward_hooks:
            self._warn_of_hooks()
        if self._forward_pre_hooks:
            inputs = self._by_position(args, kwargs) if kwargs else args
            for hook in list(self._forward_pre_hooks.values()):
                hook(self, inputs)
        try:
            out = self._call(*args, **kwargs)
        except SymgluonError as error:
            _say_where(error, self)
            raise
        if self._forward_hooks:
            inputs = self._by_position(args, kwargs) if kwargs else args
            for hook in list(self._forward_hooks.values()):
                hook(self, inputs, out)
        return out

    def _needs_input(self) -> bool:
        """Whether `forward` cannot be called without arguments (nor if nobody defined it)."""
        if type(self).forward is Block.forward:
            return True
        required = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return any(
            p.kind in required and p.default is p.empty
            for p in inspect.signature(self.forward).parameters.values()
        )

    def _by_position(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call in the order of `forward`, those given by name too."""
        return inspect.signature(self.forward).bind(*args, **kwargs).args

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
        """Compute the outputs; every subclass defines it.

        Parameters
        ----------
        *args : array
            Inputs, nested in lists, tuples or dictionaries as the subclass likes.

        Returns
        -------
        array, or lists, tuples and dictionaries of arrays
            What the subclass computes.

        Raises
        ------
        NotImplementedError
            If the subclass does not define it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not define forward(self, ...), which every Block must"
        )

    def summary(self, *inputs: Any) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters.

        Parameters
        ----------
        *inputs : array
            The block is called on them.

        Raises
        ------
        ValueError
            If the block, or one below it, is hybridized.

        Examples
        --------
        >>> import symgluon as mx
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(4, activation="relu"), mx.gluon.nn.Dense(2))
        >>> net.initialize()
        >>> net.summary(mx.np.ones((8, 3)))
        --------------------------------------------------------------------------------
                Layer (type)                                Output Shape         Param #
        ================================================================================
                       Input                                      (8, 3)               0
                Activation-1                                      (8, 4)               0
                     Dense-2                                      (8, 4)              16
                     Dense-3                                      (8, 2)              10
        ================================================================================
        Parameters in forward computation graph, duplicate included
           Total params: 26
           Trainable params: 26
           Non-trainable params: 0
        Shared params in forward computation graph: 0
        Unique parameters in model: 26
        --------------------------------------------------------------------------------
        """
        from symgluon.gluon.summary import print_summary

        print_summary(self, inputs)

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __copy__(self) -> Any:
        """A block with the same children and parameters, and lists of its own of them."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__getstate__())
        set_ = object.__setattr__
        set_(new, "_children", OrderedDict(self._children))
        set_(new, "_reg_params", dict(self._reg_params))
        set_(new, "_forward_hooks", Hooks(self._forward_hooks))
        set_(new, "_forward_pre_hooks", Hooks(self._forward_pre_hooks))
        return new


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


def __getattr__(name: str) -> Any:
    # MXNet has these two in this module as well
    if name == "HybridBlock":
        from symgluon.gluon.hybrid import HybridBlock

        return HybridBlock
    if name == "SymbolBlock":
        from symgluon.gluon.symbol_block import SymbolBlock

        return SymbolBlock
    if name == "_flatten":
        from symgluon.gluon.structure import flatten_with_codes

        return flatten_with_codes
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
