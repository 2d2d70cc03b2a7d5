"""Functions of `mx.sym` that are more than an operator by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon.dtypes import resolve, to_mx_code
from symgluon.errors import AttributeValueError
from symgluon.formats.symbol_records import parse_symbol
from symgluon.formats.symbol_upgrade import HIDDEN_KEYS
from symgluon.symbol import arithmetic
from symgluon.symbol.compose import make, user_attrs
from symgluon.symbol.node import Node, from_records, is_hidden
from symgluon.symbol.symbol import Symbol

_ARITHMETIC = ("maximum", "minimum", "hypot", "power", "modulo")
for _name in _ARITHMETIC:
    globals()[_name] = arithmetic.function(_name)
pow = globals()["power"]
mod = globals()["modulo"]

__all__ = [
    "Custom", "Group", "Symbol", "Variable", "arange", "eye", "fromjson", "full", "linspace",
    "load", "load_json", "mod", "ones", "pow", "split_v2", "var", "zeros", *_ARITHMETIC,
]  # fmt: skip

_STORAGE = {"default": "0", "row_sparse": "1", "csr": "2"}


def var(
    name: str,
    attr: Mapping[str, str] | None = None,
    shape: int | Sequence[int] | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    **kwargs: str,
) -> Any:
    """Return a variable: an input or parameter.

    Parameters
    ----------
    name : str
        Its name.
    attr : dict of str to str, optional
        Further attributes.
    shape : int or tuple of int, optional
        Its shape; 0 is an unknown size.
    lr_mult, wd_mult : float, optional
        Factors of its learning rate and weight decay.
    dtype : dtype, optional
        Its dtype.
    init : Initializer or str, optional
        What it is filled with.
    stype : str, optional
        ``default``, ``row_sparse`` or ``csr``; written to files, the arrays here are dense.
    **kwargs : str
        Further attributes; their names start and end with two underscores.

    Returns
    -------
    Symbol
        The variable.

    Raises
    ------
    TypeError
        If the name is no string.
    ValueError
        For an attribute that is not supported.

    Notes
    -----
    Source: MXNet's ``mx.sym.var``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.sym.var("x", shape=(2, 3), lr_mult=2).list_attr()
    {'__shape__': '(2, 3)', '__lr_mult__': '2', 'lr_mult': '2'}
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a variable is a string, received {type(name).__name__}")
    attrs = user_attrs(attr, name)
    stated = {
        "shape": None if shape is None else str(_dims(shape)),
        "lr_mult": lr_mult,
        "wd_mult": wd_mult,
        "dtype": None if dtype is None else to_mx_code(resolve(dtype)),
        "init": None if init is None else init if isinstance(init, str) else init.dumps(),
    }
    if stype is not None:
        if stype not in _STORAGE:
            raise AttributeValueError("stype", expected=", ".join(_STORAGE), received=stype)
        stated["storage_type"] = _STORAGE[stype]
    attrs.update({f"__{k}__": str(v) for k, v in stated.items() if v is not None})
    for key, value in kwargs.items():
        if not is_hidden(key):
            raise AttributeValueError(
                f"{name}: attribute {key}={value!r} of a variable is not supported",
                hint="names of additional attributes start and end with two underscores: "
                f"__{key}__",
            )
        attrs[key] = str(value)
    return Symbol([(Node("null", name, attrs), 0)])


Variable = var


def Group(symbols: Sequence[Symbol], create_fn: type[Symbol] | None = None) -> Any:
    """Return one symbol with the outputs of several.

    Parameters
    ----------
    symbols : sequence of Symbol
        At least one.
    create_fn : type, optional
        Class of the result.

    Returns
    -------
    Symbol
        The group.

    Raises
    ------
    TypeError
        If there are none, or other things among them.

    Notes
    -----
    Source: MXNet's ``mx.sym.Group``.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.sym.var("x")
    >>> mx.sym.Group([mx.sym.relu(x, name="a"), mx.sym.exp(x, name="b")]).list_outputs()
    ['a_output', 'b_output']
    """
    found = list(symbols)
    if not found or not all(isinstance(s, Symbol) for s in found):
        kinds = ", ".join(type(s).__name__ for s in found) or "nothing"
        raise TypeError(f"Expected a list of symbols as input; received {kinds}")
    return (create_fn or Symbol)([e for s in found for e in s._outputs])


def load(fname: str | os.PathLike[str]) -> Any:
    """Read a symbol from a file of any MXNet version.

    Parameters
    ----------
    fname : str or path
        The ``-symbol.json`` file.

    Returns
    -------
    Symbol
        With all outputs of the file.

    Raises
    ------
    FormatError
        If it is damaged.

    Notes
    -----
    Source: MXNet's ``mx.sym.load``.
    """
    return Symbol(from_records(parse_symbol(os.fspath(fname))))


def load_json(json_str: str) -> Any:
    """Read a symbol from the text of a file.

    Parameters
    ----------
    json_str : str
        The text.

    Returns
    -------
    Symbol
        With all outputs of the file.

    Raises
    ------
    TypeError
        If it is no string.
    FormatError
        If it is damaged.

    Notes
    -----
    Source: MXNet's ``mx.sym.load_json``.

    Examples
    --------
    >>> import symgluon as mx
    >>> y = mx.sym.exp(mx.sym.var("x"), name="y")
    >>> mx.sym.load_json(y.tojson()).list_outputs()
    ['y_output']
    """
    if not isinstance(json_str, str):
        raise TypeError(f"load_json takes the text of a file, not {type(json_str).__name__}")
    return Symbol(from_records(parse_symbol(json_str.encode())))


fromjson = load_json  # MXNet 2.0's name of it


# ---- creation ------------------------------------------------------------------------------------
def _create(op: str, attrs: Mapping[str, Any], kwargs: dict[str, Any]) -> Any:
    name, attr = kwargs.pop("name", None), kwargs.pop("attr", None)
    own = {k: v for k, v in kwargs.items() if k not in ("ctx", *HIDDEN_KEYS)}
    if own.pop("stype", "default") not in ("default", None):
        raise AttributeValueError(f"sym{op}: sparse arrays", expected="stype='default'")
    return make(op, [], {**attrs, **own}, own_name=name, attr=attr)


def _dims(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)


def zeros(shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """Return zeros.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result.
    dtype : dtype, optional
        Of the result; float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.sym.zeros``.
    """
    return _create("_zeros", {"shape": _dims(shape), "dtype": dtype or "float32"}, kwargs)


def ones(shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """Return ones.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result.
    dtype : dtype, optional
        Of the result; float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.sym.ones``.
    """
    return _create("_ones", {"shape": _dims(shape), "dtype": dtype or "float32"}, kwargs)


def full(shape: Any, val: float, dtype: Any = None, **kwargs: Any) -> Any:
    """Return an array full of a number.

    Parameters
    ----------
    shape : int or tuple of int
        Of the result.
    val : number
        What it is full of.
    dtype : dtype, optional
        Of the result; float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        Of that shape and dtype.

    Notes
    -----
    Source: MXNet's ``mx.sym.full``.
    """
    attrs = {"shape": _dims(shape), "dtype": dtype or "float32", "value": float(val)}
    return _create("_full", attrs, kwargs)


def arange(
    start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1,
    infer_range: bool = False, name: str | None = None, dtype: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return evenly spaced values of ``[start, stop)``, each `repeat` times.

    Parameters
    ----------
    start, stop : number
        Ends; with `start` alone, it is the end and 0 the start.
    step : number
        Distance of neighbours.
    repeat : int
        How often each value comes.
    infer_range : bool
        Written to files.
    name : str, optional
        Name of the symbol.
    dtype : dtype, optional
        Of the result; float32 if left out.
    **kwargs : object
        ``attr``.

    Returns
    -------
    Symbol
        The values.

    Notes
    -----
    Source: MXNet's ``mx.sym.arange``.
    """
    attrs = {"start": start, "stop": stop, "step": step, "repeat": repeat,
             "infer_range": infer_range, "dtype": dtype or "float32"}  # fmt: skip
    return _create("_arange", attrs, {**kwargs, "name": name})


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None,
    dtype: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Return `num` evenly spaced values from `start` to `stop`.

    Parameters
    ----------
    start, stop : number
        First and last value.
    num : int
        Number of values.
    endpoint : bool
        Whether `stop` is the last value.
    name : str, optional
        Name of the symbol.
    dtype : dtype, optional
        Of the result; float32 if left out.
    **kwargs : object
        ``attr``.

    Returns
    -------
    Symbol
        The values.

    Notes
    -----
    Source: MXNet's ``mx.sym.linspace``.
    """
    attrs = {"start": start, "stop": stop, "num": num, "endpoint": endpoint,
             "dtype": dtype or "float32"}  # fmt: skip
    return _create("_linspace", attrs, {**kwargs, "name": name})


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, **kwargs: Any) -> Any:
    """Return ones on a diagonal of an (N, M) array of zeros.

    Parameters
    ----------
    N, M : int
        Numbers of rows and columns; 0 columns: as many as rows.
    k : int
        Number of the diagonal; above the main one if positive.
    dtype : dtype, optional
        Of the result; float32 if left out.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        The matrix.

    Notes
    -----
    Source: MXNet's ``mx.sym.eye``.
    """
    return _create("_eye", {"N": N, "M": M, "k": k, "dtype": dtype or "float32"}, kwargs)


def split_v2(
    ary: Any, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False, **kwargs: Any
) -> Any:
    """Split into equal parts, or at indices.

    Parameters
    ----------
    ary : Symbol
        What is split.
    indices_or_sections : int or sequence of int
        Number of parts, or the places where it is cut.
    axis : int
        Axis, of any sign.
    squeeze_axis : bool
        Remove the axis, of size 1, from the parts.
    **kwargs : object
        ``name``, ``attr``.

    Returns
    -------
    Symbol
        With one output a part.

    Notes
    -----
    Source: MXNet's ``mx.sym.split_v2``.
    """
    whole = isinstance(indices_or_sections, int)
    attrs = {
        "indices": [] if whole else [0, *indices_or_sections],
        "axis": axis,
        "squeeze_axis": squeeze_axis,
        "sections": indices_or_sections if whole else 0,
    }
    return make("_split_v2", [ary], attrs, own_name=kwargs.get("name"), attr=kwargs.get("attr"))


def Custom(
    *args: Any,
    op_type: str | None = None,
    name: str | None = None,
    attr: Any = None,
    **kwargs: Any,
) -> Any:
    """Call an operator that was registered with ``mx.operator.register``.

    Parameters
    ----------
    *args : Symbol
        Its arguments and auxiliary states; those that lack become variables.
    op_type : str
        The name it is registered under.
    name : str, optional
        Name of the symbol.
    attr : dict of str to str, optional
        Hidden attributes.
    **kwargs : Symbol, or object
        Arguments by name, and what the class of its properties takes.

    Returns
    -------
    Symbol
        Of its outputs.

    Raises
    ------
    AttributeValueError
        If there is no such operator, or it does not take the attributes.

    Notes
    -----
    Source: MXNet's ``mx.sym.Custom``.
    """
    named = {k: v for k, v in kwargs.items() if isinstance(v, Symbol)}
    attrs = {k: v for k, v in kwargs.items() if k not in named}
    if op_type is not None:
        attrs["op_type"] = op_type
    return make("Custom", list(args), attrs, named=named, own_name=name, attr=attr,
                hint="custom", check=False)  # fmt: skip
