"""`ParameterDict`: the parameters of a block by full name, as MXNet 1.x keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import SymgluonError
from symgluon.gluon.parameter import Constant, Parameter
from symgluon.initializer import Initializer

__all__ = ["ParameterDict"]


class _SharingError(SymgluonError, AssertionError, ValueError):
    """Two parameters of one name that do not agree: an AssertionError in MXNet."""


class _FileError(SymgluonError, AssertionError, OSError):
    """A file that does not hold what the parameters need: an AssertionError in MXNet."""


class ParameterDict(dict[str, Parameter]):
    """Parameters by full name, in the order in which they were made.

    Parameters
    ----------
    prefix : str
        Beginning of the names that :meth:`get` makes.
    shared : ParameterDict, optional
        Where `get` looks for a parameter before it makes one.

    Notes
    -----
    Source: ``gluon.ParameterDict`` of MXNet 1.x.  It is a dictionary, but for `get`, which makes what
    it does not find.

    Examples
    --------
    >>> import symgluon as mx
    >>> params = mx.gluon.ParameterDict("net_")
    >>> weight = params.get("weight", shape=(2, 3), init="ones")
    >>> params.initialize()
    >>> params
    net_ (
      Parameter net_weight (shape=(2, 3), dtype=float32)
    )
    >>> params["net_weight"].data().shape
    (2, 3)
    """

    def __init__(self, prefix: str = "", shared: ParameterDict | None = None) -> None:
        super().__init__()
        self._prefix = prefix
        self._shared = shared

    def __reduce__(self) -> Any:
        return type(self), (self._prefix, self._shared), None, None, iter(self.items())

    def __repr__(self) -> str:
        name = f"{self._prefix} " if self._prefix else ""
        lines = "\n".join(f"  {parameter!r}" for parameter in self.values())
        return f"{name}(\n{lines}\n)"

    @property
    def prefix(self) -> str:
        """Beginning of the names."""
        return self._prefix

    @property
    def _params(self) -> dict[str, Parameter]:
        """The dictionary itself (MXNet's name for what it wraps)."""
        return self

    # ---- making ----------------------------------------------------------------------------
    def _find(self, name: str) -> Parameter | None:
        """The parameter of a full name, here or where it is shared from."""
        found = dict.get(self, name)
        if found is None and self._shared is not None:
            found = self._shared._find(name)
            if found is not None:
                self[name] = found
        return found

    def get(self, name: str, **kwargs: Any) -> Parameter:  # type: ignore[override]
        """Return the parameter of a name without prefix; it is made if there is none.

        Parameters
        ----------
        name : str
            Name without the prefix.
        **kwargs : object
            Arguments of `Parameter`.  One that exists must agree with them; what it leaves open
            (unknown sizes, no initializer) is filled in.

        Returns
        -------
        Parameter
            The same at each call.

        Raises
        ------
        AssertionError
            If the parameter exists and is another one than asked for.

        Examples
        --------
        >>> import symgluon as mx
        >>> params = mx.gluon.ParameterDict("net_")
        >>> weight = params.get("weight", shape=(2, 0), allow_deferred_init=True)
        >>> params.get("weight", shape=(2, 3)) is weight, weight.shape
        (True, (2, 3))
        """
        full = self._prefix + name
        found = self._find(full)
        if found is None:
            found = self[full] = Parameter(full, **kwargs)
            found._fixed_name = True
            return found
        for key, value in kwargs.items():
            _agree(found, full, key, value)
        return found

    def get_constant(self, name: str, value: Any = None) -> Constant:
        """Return the constant of a name without prefix; it is made of `value` if there is none.

        Parameters
        ----------
        name : str
            Name without the prefix.
        value : array
            Its values; one that exists must have the same.

        Returns
        -------
        Constant
            The same at each call.

        Raises
        ------
        KeyError
            If there is none and no value is given.
        AssertionError
            If it exists with other values, or is a parameter that is trained.
        """
        full = self._prefix + name
        found = self._find(full)
        if found is None:
            if value is None:
                raise KeyError(
                    f"there is no constant {full!r}; give get_constant a value to make it"
                )
            found = self[full] = Constant(value, full)
            found._fixed_name = True
            return found
        if not isinstance(found, Constant):
            raise _SharingError(f"{full!r} is a Parameter, not a Constant")
        if value is not None and not np.array_equal(_numbers(value), _numbers(found.value)):
            raise _SharingError(f"the constant {full!r} exists already with other values")
        return found

    def update(self, other: Any = (), select: str | None = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Take the parameters of another dictionary in.

        Parameters
        ----------
        other : dict of str to Parameter
            Where from.
        select : str, optional
            Regular expression that names must match from their start.

        Raises
        ------
        ValueError
            If one of these names is another parameter here.
        """
        pattern = re.compile(select) if select is not None else None
        for name, parameter in {**dict(other), **kwargs}.items():
            if pattern is not None and not pattern.match(name):
                continue
            if dict.get(self, name, parameter) is not parameter:
                raise _SharingError(
                    f"two different parameters are called {name!r}: give one of their blocks another "
                    "prefix"
                )
            self[name] = parameter

    # ---- all at once -----------------------------------------------------------------------
    def initialize(
        self,
        init: Any = None,
        ctx: Any = None,
        verbose: bool = False,
        force_reinit: bool = False,
        device: Any = None,
    ) -> None:
        """Initialise all parameters.

        Parameters
        ----------
        init : Initializer or str, optional
            For those without an initializer of their own; ``Uniform()`` if left out.
        ctx : Device or list of Device, optional
            Where to.
        verbose : bool
            Print what each is initialised with.
        force_reinit : bool
            Initialise anew what is initialised already.
        device : Device or list of Device, optional
            New name of `ctx`.
        """
        from symgluon import initializer

        default = initializer.Uniform() if init is None else initializer.create(init)
        if verbose and hasattr(default, "set_verbosity"):
            default.set_verbosity(verbose=verbose)
        for name, parameter in self.items():
            parameter.initialize(
                None, ctx if device is None else device, default, force_reinit=force_reinit,
                structural_name=name,
            )  # fmt: skip

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.values():
            parameter.zero_grad()

    def reset_ctx(self, ctx: Any) -> None:
        """Move all parameters to `ctx`, or to each of a list of devices."""
        for parameter in self.values():
            parameter.reset_device(ctx)

    reset_device = reset_ctx

    def list_ctx(self) -> list[Any]:
        """Devices that any of the parameters is on."""
        found: dict[Any, None] = {}
        for parameter in self.values():
            found.update(dict.fromkeys(parameter.list_device()))
        return list(found)

    list_device = list_ctx

    def setattr(self, name: str, value: Any) -> None:
        """Set an attribute of all parameters.

        Parameters
        ----------
        name : str
            Such as ``grad_req`` or ``lr_mult``.
        value : object
            Its new value.
        """
        for parameter in self.values():
            setattr(parameter, name, value)

    # ---- files -----------------------------------------------------------------------------
    def save(self, filename: str, strip_prefix: str = "") -> None:
        """Save the parameters under their full names.

        Parameters
        ----------
        filename : str
            File to write; it appears whole or not at all.
        strip_prefix : str
            Left out in front of each name.

        Raises
        ------
        ValueError
            If a name does not begin so.
        """
        from symgluon.formats.params import save_params

        wrong = [name for name in self if not name.startswith(strip_prefix)]
        if wrong:
            raise ValueError(
                f"strip_prefix={strip_prefix!r} is no beginning of the name of parameter "
                f"{wrong[0]!r}"
            )
        save_params(
            filename,
            {n.removeprefix(strip_prefix): p._mean_over_devices() for n, p in self.items()},
        )

    def load(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Load parameters that :meth:`save` or MXNet wrote.

        Parameters
        ----------
        filename : str
            File to read; ``arg:`` and ``aux:`` in front of names are left out.
        ctx : Device or list of Device, optional
            Where to put parameters that are not initialised yet.
        allow_missing, ignore_extra : bool
            Accept parameters that the file lacks, and names that this dictionary lacks.
        restore_prefix : str
            Put in front of each name of the file.
        cast_dtype : bool
            Cast instead of refusing another dtype.
        dtype_source : str
            To which dtype: ``"current"`` (the parameter's) or ``"saved"`` (the file's).

        Raises
        ------
        AssertionError
            For missing or extra names; nothing is loaded then.
        """
        arrays = _named_arrays(filename, restore_prefix)
        load_dict(
            self, arrays, f"file {filename}", ctx, allow_missing, ignore_extra,
            (cast_dtype, dtype_source),
        )  # fmt: skip

    def load_dict(
        self,
        param_dict: Mapping[str, Any],
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Load parameters from a dictionary, as :meth:`load` does from a file.

        Parameters
        ----------
        param_dict : dict of str to array
            By full name.
        ctx : Device or list of Device, optional
            Where to put parameters that are not initialised yet.
        allow_missing, ignore_extra : bool
            Accept parameters that it lacks, and names that are not here.
        restore_prefix : str
            Put in front of each name.
        cast_dtype : bool
            Cast instead of refusing another dtype.
        dtype_source : str
            To which dtype: ``"current"`` (the parameter's) or ``"saved"`` (the dictionary's).

        Raises
        ------
        AssertionError
            For missing or extra names; nothing is loaded then.
        """
        load_dict(
            self, _plain(param_dict, restore_prefix), "the dictionary", ctx, allow_missing,
            ignore_extra, (cast_dtype, dtype_source),
        )  # fmt: skip


def load_dict(
    params: ParameterDict,
    arrays: Mapping[str, Any],
    where: str,
    ctx: Any,
    allow_missing: bool,
    ignore_extra: bool,
    cast: tuple[bool, str],
) -> None:
    """Take values by full name; nothing is taken if names lack or are too many.

    Raises
    ------
    AssertionError
        For missing or extra names.
    """
    missing = [name for name in params if name not in arrays]
    if missing and not allow_missing:
        raise _FileError(f"{where} lacks the parameters {', '.join(missing)}")
    extra = [name for name in arrays if name not in params]
    if extra and not ignore_extra:
        raise _FileError(
            f"{where} holds parameters that are not here: {', '.join(extra)}",
            hint="pass ignore_extra=True, or restore_prefix= if they lack a prefix",
        )
    for name, parameter in params.items():
        if name in arrays:
            parameter._load_init(arrays[name], ctx, *cast)


def _named_arrays(filename: str, prefix: str) -> dict[str, np.ndarray]:
    from symgluon.formats.params import load_params

    loaded = load_params(filename)
    if isinstance(loaded, list):
        if loaded:
            raise _FileError(f"file {filename} holds {len(loaded)} arrays without names")
        return {}
    return _plain(loaded, prefix)


def _plain(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + n.removeprefix("arg:").removeprefix("aux:"): a for n, a in arrays.items()}


def _numbers(value: Any) -> np.ndarray:
    return value.asnumpy() if hasattr(value, "asnumpy") else np.asarray(value)  # type: ignore[no-any-return]


def _agree(found: Parameter, full: str, key: str, value: Any) -> None:
    """Fill in what an existing parameter leaves open; what it says must be what is asked for."""
    if key == "shape":
        _agree_on_shape(found, full, value)
        return
    present = getattr(found, key, getattr(found, f"_{key}", None))
    if present is None:
        setattr(found, key, value)
        return
    if value is None or present is value:
        return
    if key == "dtype":
        same = present == dtypes.resolve(value)
    elif isinstance(value, Initializer) and isinstance(present, Initializer):
        same = type(value) is type(present) and value.dumps() == present.dumps()
    else:
        same = present == value
    if not same:
        raise _SharingError(
            f"parameter {full!r} exists already with {key} {present!r}; {value!r} is asked for"
        )


def _agree_on_shape(found: Parameter, full: str, value: Any) -> None:
    present, asked = found._shape, Parameter._normal(value)
    if present is None or asked is None:
        found._shape = asked if present is None else present
        return
    pairs = list(zip(present, asked, strict=False))
    if len(present) != len(asked) or any(a > 0 and b > 0 and a != b for a, b in pairs):
        raise _SharingError(
            f"parameter {full!r} exists already with shape {present}; {tuple(asked)} is asked for"
        )
    found._shape = tuple([a if a > 0 else b for a, b in pairs])


def collect(block: Any, select: str | None) -> ParameterDict:
    """Return the parameters of a block of the dialect 1 and of all below it, by full name.

    Parameters
    ----------
    block : Block
        The block.
    select : str, optional
        Regular expression that names must match from their start.

    Returns
    -------
    ParameterDict
        Parents first, in the order in which they were made.
    """
    found = ParameterDict(block._scope.params.prefix)
    _collect(found, block, select)
    return found


def _collect(found: ParameterDict, block: Any, select: str | None) -> None:
    scope = block._scope
    if scope is not None:
        found.update(scope.params, select)
        for child in block._children.values():
            _collect(found, child, select)
        return
    plain: dict[str, Parameter] = {}  # made in the dialect 2: its structure names it
    block._collect(plain, "")
    found.update({found.prefix + n.replace(".", "_"): p for n, p in plain.items()}, select)
