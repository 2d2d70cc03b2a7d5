"""Operators: one declaration an operator, everything else derives from it.

A bound operator is a frozen value: its class is the operator, its annotated fields are the
attributes (``Softmax(axis=0)``).  The field list alone gives the typed constructor, equality,
hashing, printing and the parser of MXNet's string attributes.  See ``docs/architecture.md``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar, dataclass_transform

from symgluon.errors import AttributeValueError, UnsupportedOpError
from symgluon.ir import attrs as _attrs
from symgluon.ir.attrs import Kind

RANDOM = "random"
#: the operator exchanges data with other devices: each of them must call it, in the same order
COLLECTIVE = "collective"

_MISSING: Any = object()


class Field(NamedTuple):
    """One attribute of an operator: its kind (normaliser and parser) and its default."""

    kind: Kind
    default: Any


class MxTarget(NamedTuple):
    """What an MXNet operator name means: an operator class or a composing function."""

    target: Any  # type[Op] | Callable
    conventions: tuple[str, ...]


OPS: dict[str, type[Op]] = {}
MX_NAMES: dict[str, MxTarget] = {}


class Sample(NamedTuple):
    """A call of an operator that the table-driven tests make: operand specs and attributes."""

    operands: tuple[Any, ...]
    attrs: dict[str, Any]


def S(*operands: Any, **attrs: Any) -> Sample:
    """Build a :class:`Sample`.

    Parameters
    ----------
    *operands : tuple, int, None, numpy.ndarray or callable
        A shape (float data), ``None`` (absent optional operand), an array (taken as it is) or a
        callable ``rng -> array``.
    **attrs : object
        Attributes.

    Returns
    -------
    Sample
        The sample.
    """
    return Sample(operands, attrs)


@dataclass_transform(frozen_default=True)
class Op:
    """Base class of all operators.

    Subclasses annotate attributes and define facets; each facet that is absent has a default
    (table in ``docs/architecture.md``, section 3).

    Parameters
    ----------
    *args : object
        Attributes in the order of `fields`.
    **kwargs : object
        Attributes by name.

    Raises
    ------
    AttributeValueError
        For unknown, missing or unfit attributes.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.ir.op import OPS
    >>> op = OPS["softmax"](axis=1)
    >>> op, op.attrs()["axis"]
    (softmax[axis=1], 1)
    >>> op.infer(mx.np.ones((2, 3)).type)
    float32[2,3]
    """

    name: ClassVar[str] = ""
    fields: ClassVar[dict[str, Field]] = {}
    effects: ClassVar[frozenset[str]] = frozenset()
    #: the kernel may return a view of an operand instead of a new array; a declared False counts
    #: for an own `kernel` only, since a `decompose` may end in a view
    aliases: ClassVar[bool] = False
    _declared_aliases: ClassVar[bool] = False
    #: (output, operand) pairs that may share one buffer
    inplace: ClassVar[tuple[tuple[int, int], ...]] = ()
    #: ``(out, *arrays)``: put the one result that `kernel` returns, to its last bit or two, into `out`
    #: (contiguous, of its shape and dtype; over an operand only as `inplace` says), with
    #: floating-point warnings off; False: nothing was written, not for these operands
    into: ClassVar[Callable[..., Any] | None] = None
    #: True: no output depends differentiably on any operand
    no_grad: ClassVar[bool] = False
    #: eager float32 calls go to a one-operator ONNX Runtime session from this many elements of
    #: the first operand on; None: never (``docs/performance.md``)
    eager_min: ClassVar[int | None] = None
    #: what `eager_min` counts instead, from the arrays (products count multiplications)
    eager_work: ClassVar[Callable[..., int] | None] = None
    #: operands after the first are weights, worth building into a session while they stay the same
    reads_weights: ClassVar[bool] = False
    #: dtypes of the operands -> dtypes they must be cast to before the operator sees them
    coerce: ClassVar[Callable[..., Any] | None] = None
    #: checks arrays that a session would compute nonsense from; called before one runs
    precheck: ClassVar[Callable[..., None] | None] = None
    samples: ClassVar[list[Sample]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "aliases" in cls.__dict__:
            cls._declared_aliases = cls.aliases
        cls.aliases = cls._declared_aliases or cls.kernel is Op.kernel
        own = inspect.get_annotations(cls)
        fields = dict(cls.fields)
        for key, annotation in own.items():
            text = (
                annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
            )
            if text.startswith("ClassVar") or key.startswith("_"):
                continue
            known = _attrs.kind(text)
            default = cls.__dict__.get(key, _MISSING)
            fields[key] = Field(
                known, default if default is _MISSING else known.normalise(default)
            )
        cls.fields = fields

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = type(self).fields
        values = self.__dict__
        if len(args) > len(fields):
            raise AttributeValueError(
                f"{self.name}: takes {len(fields)} attributes, received {len(args)}"
            )
        for key, value in zip(fields, args, strict=False):
            values[key] = fields[key].kind.normalise(value)
        for key, value in kwargs.items():
            field = fields.get(key)
            if field is None:
                known = ", ".join(fields) or "none"
                raise AttributeValueError(
                    f"{self.name}: unknown attribute {key!r}; known attributes: {known}"
                )
            try:
                values[key] = field.kind.normalise(value)
            except (TypeError, ValueError) as error:
                raise AttributeValueError(f"{self.name}: attribute {key}: {error}") from None
        if len(values) < len(fields):
            for key, field in fields.items():
                if key not in values:
                    if field.default is _MISSING:
                        raise AttributeValueError(f"{self.name}: attribute {key!r} is required")
                    values[key] = field.default

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"{self.name} is frozen; use replace({key}=...)")

    # ---- value semantics -------------------------------------------------------------------
    def key(self) -> tuple[Any, ...]:
        """Return a hashable value that is equal for equal operators (no guard is asked)."""
        cached = self.__dict__.get("_key")
        if cached is None:
            cached = (
                type(self),
                *(_attrs.canonical(self.__dict__[f]) for f in type(self).fields),
            )
            self.__dict__["_key"] = cached
        return cached

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Op) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def attrs(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return {f: self.__dict__[f] for f in type(self).fields}

    def replace(self, **changes: Any) -> Any:
        """Return the operator with some attributes changed."""
        return type(self)(**{**self.attrs(), **changes})

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{f}={_attrs.show(self.__dict__[f])}"
            for f, field in type(self).fields.items()
            if field.default is _MISSING
            or _attrs.canonical(field.default) != _attrs.canonical(self.__dict__[f])
        )
        return f"{self.name}[{shown}]" if shown else self.name

    def map_dims(self, function: Callable[[Any], Any]) -> Any:
        """Return the operator with every symbolic dimension in its attributes mapped by `function`."""
        changed = {}
        for f in type(self).fields:
            value = self.__dict__[f]
            new = _attrs.map_dims(value, function)
            if new is not value:
                changed[f] = new
        return self.replace(**changed) if changed else self

    # ---- facets ----------------------------------------------------------------------------
    def infer(self, *types: Any) -> Any:
        """Types of the operands, `types`, to the type of the result (a tuple for several results)."""
        return _derive.infer(self, types)

    def kernel(self, *arrays: Any) -> Any:
        """NumPy `arrays` to NumPy arrays: the judge of every backend."""
        return _derive.kernel(self, arrays)

    def grad(self, ct: Any, y: Any, *inputs: Any) -> Any:
        """Cotangent of the result to the cotangents of the operands, in operators.

        Parameters
        ----------
        ct, y : Array, or tuple of Array
            Cotangent of the result, and the result.
        *inputs : Array or None
            The operands.

        Returns
        -------
        Array or None, or tuple of those
            A cotangent for each operand; None: not differentiable.
        """
        return _derive.grad(self, ct, inputs)

    def onnx(self, g: Any, *names: Any) -> Any:
        """Emit ONNX nodes; ``NotImplemented`` means: by what the operator is composed of.

        Parameters
        ----------
        g : Builder
            Emits nodes: ``g.Relu(x)``; tells types and shapes of names.
        *names : str or None
            Operands in the model.

        Returns
        -------
        str, tuple of str, or NotImplemented
            The results in the model.
        """
        return NotImplemented

    @classmethod
    def has(cls, facet: str) -> bool:
        """Whether the operator defines `facet` itself."""
        return getattr(cls, facet, None) is not getattr(Op, facet, None)

    # ---- operands --------------------------------------------------------------------------
    @classmethod
    def operands(cls) -> tuple[inspect.Parameter, ...]:
        """Operands in order, from the signature of `infer` (else of `decompose`)."""
        cached = cls.__dict__.get("_operands")
        if cached is None:
            source = cls.infer if cls.has("infer") else getattr(cls, "decompose", cls.infer)
            cached = tuple(inspect.signature(source).parameters.values())[1:]
            cls._operands = cached  # type: ignore[attr-defined]
        return cached

    def __call__(self, *operands: Any) -> Any:
        """Apply the operator: eagerly, recorded, or as a node of the graph being traced."""
        return _dispatch(self, *operands)


_dispatch: Callable[..., Any]
_derive: Any  # infer, kernel and grad from `decompose` (``ops.derive``)


def set_dispatcher(function: Callable[..., Any], derive: Any) -> None:
    """Install the one door that every operator call goes through, and the derived facets.

    Parameters
    ----------
    function : callable
        Operator and operands to results.
    derive : module
        ``infer``, ``kernel`` and ``grad`` of operators that are compositions.
    """
    global _dispatch, _derive
    _dispatch, _derive = function, derive


C = TypeVar("C", bound=type[Op])


def snake_case(name: str) -> str:
    """Turn `name` from ``LayerNorm`` into ``layer_norm``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def register(cls: type[Op], name: str, mx: str) -> None:
    """Enter an operator under its own name and under its MXNet names.

    Parameters
    ----------
    cls : type
        Subclass of `Op`.
    name : str
        Name in the IR.
    mx : str
        MXNet's names, separated by blanks, each ``name:convention,convention``.

    Raises
    ------
    AttributeValueError
        If a name is taken.
    """
    if name in OPS:
        raise AttributeValueError(f"operator {name!r} is declared twice")
    cls.name = name
    OPS[name] = cls
    register_mx(mx, cls)


def register_mx(names: str, target: Any) -> None:
    """Let MXNet's names mean something.

    Parameters
    ----------
    names : str
        Separated by blanks, each ``name:convention,convention``.
    target : type or MxFunction
        Subclass of `Op`, or a function of operators.

    Raises
    ------
    AttributeValueError
        If a name is taken.
    """
    for row in names.split():
        mx_name, _, conventions = row.partition(":")
        if mx_name in MX_NAMES:
            raise AttributeValueError(f"MXNet name {mx_name!r} is declared twice")
        MX_NAMES[mx_name] = MxTarget(target, tuple(filter(None, conventions.split(","))))


def op(mx: str = "", *, name: str = "") -> Callable[[C], C]:
    """Declare an operator: ``@op(mx="LayerNorm _npx_layer_norm")`` above a class.

    Parameters
    ----------
    mx : str
        MXNet 1.x and 2.x names it is imported under, each with its conventions after a colon
        (``sum:rank1``), see :mod:`symgluon.ops.mx`.
    name : str
        Name in the IR; by default the class name in snake case.

    Returns
    -------
    callable
        Class decorator; the class is returned as it is.
    """

    def declare(cls: C) -> C:
        register(cls, name or snake_case(cls.__name__), mx)
        return cls

    return declare


def get_op(name: str) -> type[Op]:
    """Return the operator class called `name` in the IR.

    Raises
    ------
    UnsupportedOpError
        If there is none.
    """
    found = OPS.get(name)
    if found is None:
        raise UnsupportedOpError(f"no operator is called {name!r}; symgluon.ir.op.OPS lists all")
    return found


def from_strings(cls: type[Op], attrs: Mapping[str, str]) -> dict[str, Any]:
    """Parse MXNet's string attributes.

    Parameters
    ----------
    cls : type
        Subclass of `Op`.
    attrs : mapping of str to str
        The attributes.

    Returns
    -------
    dict of str to object
        Values by the fields of `cls`.

    Raises
    ------
    AttributeValueError
        For unknown or unreadable attributes; all of them are named.
    """
    return _attrs.parse_all(cls.name, {k: f.kind for k, f in cls.fields.items()}, attrs)
