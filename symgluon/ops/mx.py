"""MXNet's operator names: what each means, and calling an operator by its name.

A name stands in :data:`~symgluon.ir.op.MX_NAMES` with its target: an operator class (one-to-one,
the attributes are its fields) or a function of operators (:func:`mx_function`), and with the
conventions of its dialect: MXNet 1.x gives comparisons the dtype of their operands, has no 0-d
results, and so on.  So `nd`, `sym`, `F` and the reader of symbol files share one table, and `np`
and `npx` never see 1.x rules (``docs/semantics.md``, dialects).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from symgluon.errors import AttributeValueError, DTypeError, UnsupportedOpError
from symgluon.ir import attrs as _attrs
from symgluon.ir.attrs import Kind
from symgluon.ir.op import MX_NAMES, MxTarget, Op
from symgluon.ops.apply import F, apply, plain_key
from symgluon.ops.array import Array

#: attributes of MXNet's own bookkeeping: they say where and how fast, never what
IGNORED = frozenset(
    {
        "ctx",
        "ctx_group",
        "cudnn_algo_bwd_data",
        "cudnn_algo_bwd_filter",
        "cudnn_algo_fwd",
        "cudnn_off",
        "cudnn_tensor_core",
        "cudnn_tune",
        "device",
        "force_mirroring",
        "forward_stype",
        "im2col_step",
        "lr_mult",
        "mirror_stage",
        "ndev",
        "num_args",
        "sparse_grad",
        "wd_mult",
        "workspace",
    }
)

#: names of mx_functions that an operator's `mx=` claims too; a test keeps it empty
CLASHES: list[str] = []


def ignored(key: str) -> bool:
    """Whether the attribute `key` only concerns MXNet's own machinery."""
    return (
        key in IGNORED
        or (key.startswith("__") and key.endswith("__"))
        or key.endswith(("_lr_mult", "_wd_mult"))
    )


class MxFunction(NamedTuple):
    """A function of operators behind an MXNet name, with the kinds of its attributes."""

    function: Callable[..., Any]
    kinds: dict[str, Kind]
    defaults: dict[str, Any]
    required: tuple[str, ...]
    operands: tuple[inspect.Parameter, ...]


Function = TypeVar("Function", bound=Callable[..., Any])


def describe(function: Callable[..., Any]) -> MxFunction:
    """Read operands (positional) and attributes (keyword-only, annotated) of `function`."""
    kinds: dict[str, Kind] = {}
    defaults: dict[str, Any] = {}
    required = []
    operands = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            operands.append(parameter)
            continue
        kind = _attrs.kind(str(parameter.annotation))
        kinds[parameter.name] = kind
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            defaults[parameter.name] = kind.normalise(parameter.default)
    return MxFunction(function, kinds, defaults, tuple(required), tuple(operands))


def mx_function(names: str) -> Callable[[Function], Function]:
    """Let MXNet's `names` mean the function below: ``"Reshape reshape:rank1"``.

    Operands are its positional parameters (a default of None: optional, ``*data``: any number),
    attributes its keyword-only ones, annotated with the kinds of :mod:`symgluon.ir.attrs`.
    """

    def declare(function: Function) -> Function:
        target = describe(function)
        for row in names.split():
            name, _, conventions = row.partition(":")
            if name in MX_NAMES:
                CLASHES.append(name)
            MX_NAMES[name] = MxTarget(target, tuple(filter(None, conventions.split(","))))
        return function

    return declare


# ---- conventions -------------------------------------------------------------------------------
def _strict(name: str, inputs: Sequence[Any]) -> Sequence[Any]:
    kinds = {x.dtype.name for x in inputs if x is not None}
    if len(kinds) > 1:
        raise DTypeError(
            f"{name}: operands of different dtypes ({', '.join(sorted(kinds))})",
            hint="cast one of them with astype; MXNet 1.x does not promote",
        )
    return inputs


def _first(name: str, inputs: Sequence[Any]) -> Sequence[Any]:
    return inputs[:1]


def _rank1(results: list[Array], inputs: Sequence[Any]) -> list[Array]:
    return [r if r.ndim else F.reshape(r, shape=(1,)) for r in results]


def cast_to(x: Any, dtype: Any) -> Any:
    """`x` in `dtype`, without a node where it has it."""
    return x if x.dtype == dtype else F.cast(x, dtype=dtype)


def _same(results: list[Array], inputs: Sequence[Any]) -> list[Array]:
    return [cast_to(r, inputs[0].dtype) for r in results]


def _f32(results: list[Array], inputs: Sequence[Any]) -> list[Array]:
    return [cast_to(r, "float32") for r in results]


Before = Callable[[str, Sequence[Any]], Sequence[Any]]
After = Callable[[list[Array], Sequence[Any]], list[Array]]
#: conventions on the operands, and on the results
BEFORE: dict[str, Before] = {"strict": _strict, "first": _first}
AFTER: dict[str, After] = {"rank1": _rank1, "same": _same, "f32": _f32}


# ---- calling -----------------------------------------------------------------------------------
class Bound(NamedTuple):
    """An MXNet operator with its attributes parsed, to be called on operands."""

    name: str
    target: Any  # Op | MxFunction
    attrs: dict[str, Any]
    before: tuple[Before, ...]
    after: tuple[After, ...]
    least: int  # operands that must be there
    most: int  # operands there may be (a large number: any)
    slots: int  # operands that an `Op` takes, absent ones included

    def __call__(self, *inputs: Any) -> list[Array]:
        """Apply the operator to its operands; returns all results."""
        operands: Sequence[Any] = inputs
        for rule in self.before:
            operands = rule(self.name, operands)
        target = self.target
        count = len(operands)
        if not self.least <= count <= self.most:
            raise _wrong_count(self.name, operands_of(target), self.least, count)
        if isinstance(target, Op):
            if count < self.slots:
                operands = (*operands, *(None,) * (self.slots - count))
            found = apply(target, *operands)
        else:
            found = target.function(*operands, **self.attrs)
        results = list(found) if isinstance(found, tuple | list) else [found]
        for finish in self.after:
            results = finish(results, operands)
        return results


def operands_of(target: Any) -> tuple[inspect.Parameter, ...]:
    """Operands of an operator or of a function behind a name."""
    if isinstance(target, MxFunction):
        return target.operands
    found: tuple[inspect.Parameter, ...] = target.operands()
    return found


def _variadic(params: Sequence[inspect.Parameter]) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in params)


_ANY = 1 << 30


def _counts(target: Any) -> tuple[int, int, int]:
    """Fewest and most operands, and how many an operator that takes a fixed number takes."""
    params = operands_of(target)
    plain = [p for p in params if p.kind is not p.VAR_POSITIONAL]
    least = sum(p.default is p.empty for p in plain)
    if _variadic(params):
        return least, _ANY, 0
    return least, len(plain), len(plain)


def _wrong_count(
    name: str, params: Sequence[inspect.Parameter], least: int, count: int
) -> AttributeValueError:
    plain = sum(p.kind is not p.VAR_POSITIONAL for p in params)
    names = ", ".join(p.name for p in params)
    return AttributeValueError(
        f"{name}: wrong number of operands",
        expected=f"{least if least == plain else f'{least} to {plain}'} ({names})",
        received=count,
    )


@functools.cache
def table() -> dict[str, MxTarget]:
    """Return MX_NAMES once all modules that declare names are imported (``ops/legacy*.py``)."""
    import symgluon.ops

    for module in pkgutil.iter_modules(symgluon.ops.__path__):
        if module.name.startswith("legacy"):
            importlib.import_module(f"symgluon.ops.{module.name}")
    return MX_NAMES


def lookup(name: str) -> MxTarget:
    """Return what `name` means.

    Raises
    ------
    UnsupportedOpError
        If symgluon has no such operator.
    """
    found = MX_NAMES.get(name) or table().get(name)
    if found is None:
        raise UnsupportedOpError(
            f"MXNet operator {name!r} is not supported",
            hint="symgluon.ir.op.MX_NAMES lists the operators that are",
        )
    return found


#: attributes that MXNet takes without reading them: the result has the dtype of the operand, and
#: `CosineEmbeddingLoss` of 1.x writes an axis
_UNREAD = {"zeros_like": ("dtype",), "ones_like": ("dtype",), "broadcast_maximum": ("axis",)}


def bind(name: str, attrs: Mapping[str, Any]) -> Bound:
    """Parse the attributes (text as in symbol files, or Python values) of the operator `name`.

    Raises
    ------
    UnsupportedOpError, AttributeValueError
        If there is no such operator; for attributes that are unknown, unreadable or missing (all
        of them in one error).
    """
    target, conventions = lookup(name)
    given = {k: v for k, v in attrs.items() if not ignored(k)}
    before = tuple([BEFORE[c] for c in conventions if c in BEFORE])
    after = tuple([AFTER[c] for c in conventions if c in AFTER])
    if isinstance(target, MxFunction):
        values = _attrs.parse_all(name, target.kinds, given)
        missing = [k for k in target.required if k not in values]
        if missing:
            raise AttributeValueError(f"{name}: attribute {', '.join(missing)} is required")
        given = {**target.defaults, **values}
        return Bound(name, target, given, before, after, *_counts(target))
    if name in _UNREAD:
        given = {k: v for k, v in given.items() if k not in _UNREAD[name]}
    kinds = {k: f.kind for k, f in target.fields.items()}
    bound = target(**_attrs.parse_all(name, kinds, given))
    return Bound(name, bound, {}, before, after, *_counts(bound))


def mx_call(name: str, inputs: Sequence[Any], attrs: Mapping[str, Any] = {}) -> list[Array]:
    """Call MXNet's operator `name` on handles: eagerly, recorded, or into a trace.

    Parameters
    ----------
    inputs : sequence of Array or None
        Operands in MXNet's order, auxiliary states included; None is an absent optional one.
    attrs : mapping
        Attributes as text or Python values; MXNet's bookkeeping among them is ignored.

    Returns
    -------
    list of Array
        All results.
    """
    return bind_cached(name, attrs)(*inputs)


_bound: dict[Any, Bound] = {}
_BOUND_LIMIT = 4096


def bind_cached(name: str, attrs: Mapping[str, Any]) -> Bound:
    """Like :func:`bind`, remembering operators by their attributes (not symbolic ones)."""
    if not attrs:
        found = _bound.get(name)
        if found is None:
            found = _bound[name] = bind(name, attrs)
        return found
    key = plain_key((name,), attrs) or _key_of(name, attrs)
    found = None if key is None else _bound.get(key)
    if found is None:
        found = bind(name, attrs)
        if key is not None:
            if len(_bound) >= _BOUND_LIMIT:
                _bound.clear()
            _bound[key] = found
    return found


def _key_of(name: str, attrs: Mapping[str, Any]) -> Any:
    """Key of attributes that are not all plain; None for symbolic ones, and nested lists."""
    parts: list[Any] = [name]
    for attr, value in attrs.items():
        frozen = tuple(value) if type(value) is list else value
        if _attrs.has_dims(frozen):
            return None
        parts += (attr, type(frozen), frozen)
    key = tuple(parts)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def known_attrs(name: str) -> tuple[str, ...]:
    """Names of the attributes that the operator `name` takes."""
    target = lookup(name).target
    return tuple(target.kinds if isinstance(target, MxFunction) else target.fields)
