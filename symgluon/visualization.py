"""`mx.viz`: symbols as tables of their layers and as pictures."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.symbol.node import Node
from symgluon.symbol.symbol import Symbol

__all__ = ["plot_network", "print_summary"]

_COLUMNS = ("Layer (type)", "Output Shape", "Param #", "Previous Layer")
_PARAMETERS = ("_weight", "_bias", "_beta", "_gamma", "_moving_var", "_moving_mean",
               "_running_var", "_running_mean")  # fmt: skip


class _SymbolError(AttributeValueError, TypeError):
    """Something that is no symbol: a TypeError in MXNet."""


class _Described:
    """Nodes of a symbol, with the shapes and dtypes of their first outputs where they are asked for."""

    def __init__(self, symbol: Any, shape: Any = None, dtype: Any = None) -> None:
        if not isinstance(symbol, Symbol):
            raise _SymbolError("symbol must be Symbol", received=type(symbol).__name__)
        self.nodes = symbol._nodes()
        self._internals = symbol.get_internals()
        self._shapes = self._inferred("shape", shape)
        self._types = self._inferred("type", dtype)

    def _inferred(self, what: str, given: Any) -> dict[str, Any]:
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise _SymbolError(
                f"the {what}s of variables", expected=f"a dictionary, such as {{'data': {what}}}",
                received=repr(given),
            )  # fmt: skip
        found = getattr(self._internals, f"infer_{what}")(**given)[1]
        if found is None:
            raise AttributeValueError(
                f"Input {what} is incomplete", hint=f"give those of {', '.join(self._free(given))}"
            )
        return dict(zip(self._internals.list_outputs(), found, strict=True))

    def _free(self, given: Mapping[str, Any]) -> list[str]:
        names = [n.name for n in self.nodes if n.is_variable and n.name not in given]
        return [n for n in names if not n.endswith(_PARAMETERS)] or names

    @staticmethod
    def _key(node: Node) -> str:
        return node.name if node.is_variable else f"{node.name}_output"

    def shape(self, node: Node) -> tuple[int, ...]:
        """Sizes of the (last) output but for the batch; empty if they were not asked for."""
        return tuple(self._of(self._shapes, node) or ())[1:]

    def dtype(self, node: Node) -> str:
        """Name of the dtype in brackets; empty if it was not asked for."""
        found = self._of(self._types, node)
        return "" if found is None else f"({getattr(found, '__name__', found)})"

    def _of(self, table: Mapping[str, Any], node: Node) -> Any:
        last = int(node.attrs.get("num_outputs", "1")) - 1
        return table.get(self._key(node), table.get(f"{node.name}_output{last}"))


def print_summary(
    symbol: Any,
    shape: Mapping[str, Sequence[int]] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print a table of the layers: shapes, parameters, and what they read.

    Parameters
    ----------
    symbol : Symbol
        The network.
    shape : dict of str to tuple of int, optional
        Shapes of inputs; without them, shapes and most numbers of parameters are left out.
    line_length : int
        Characters of a line.
    positions : sequence of float
        Where the four columns end: parts of the line, or characters.

    Raises
    ------
    TypeError
        If `symbol` is none, or `shape` no dictionary.
    ValueError
        If the shapes do not suffice.

    Notes
    -----
    Parameters are counted as MXNet counts them: of convolutions, dense layers, embeddings, and two a
    channel of batch normalisations.  Source: MXNet's ``mx.viz.print_summary``.

    Examples
    --------
    >>> import symgluon as mx
    >>> y = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    >>> mx.viz.print_summary(y, {"data": (1, 3)}, line_length=60)  # doctest: +NORMALIZE_WHITESPACE
    ____________________________________________________________
    Layer (type)              Output ShapeParam Previous Layer
    ============================================================
    data(null)                3           0
    ____________________________________________________________
    fc(FullyConnected)        2           8     data
    ============================================================
    Total params: 8
    ____________________________________________________________
    """
    described = _Described(symbol, shape)
    ends = [int(line_length * p) if positions[-1] <= 1 else int(p) for p in positions]
    shown = {id(described.nodes[0]), id(symbol._outputs[0][0])}
    layers = [n for n in described.nodes if not n.is_variable or n is described.nodes[0]]
    print("_" * line_length)
    print(_row(_COLUMNS, ends))
    print("=" * line_length)
    total = 0
    for node in layers:
        before = [n for n, _ in node.inputs if not n.is_variable or id(n) in shown]
        count = _parameters(described, node, before)
        total += count
        names = [n.name for n in before] or [""]
        first = (
            f"{node.name}({node.op})",
            "x".join(map(str, described.shape(node))),
            count,
            names[0],
        )
        for fields in (first, *(("", "", "", name) for name in names[1:])):
            print(_row(fields, ends))
        print(("=" if node is layers[-1] else "_") * line_length)
    print(f"Total params: {total}")
    print("_" * line_length)


def _row(fields: Sequence[Any], ends: Sequence[int]) -> str:
    line = ""
    for field, end in zip(fields, ends, strict=False):
        line = (line + str(field))[:end].ljust(end)
    return line


def _parameters(described: _Described, node: Node, before: Sequence[Node]) -> int:
    """Number of the parameters of a layer, as MXNet counts it."""
    attrs = node.attrs
    channels = sum(size[0] for n in before if (size := described.shape(n)))
    bias = attrs.get("no_bias") != "True"
    if node.op == "Convolution":
        filters = int(attrs["num_filter"])
        weights = channels * filters // int(attrs.get("num_group", "1"))
        for width in _numbers(attrs["kernel"]):
            weights *= int(width)
        return weights + bias * filters
    if node.op == "FullyConnected":
        return (channels + bias) * int(attrs["num_hidden"])
    if node.op == "BatchNorm":
        return 2 * (described.shape(node) or (0,))[0]
    if node.op == "Embedding":
        return int(attrs["input_dim"]) * int(attrs["output_dim"])
    return 0


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


# ---- pictures --------------------------------------------------------------------------------------
_INPUT, _PRODUCT, _ACTIVE, _NORM, _POOL, _FORM, _SOFTMAX, _OTHER = (
    "#8dd3c7", "#fb8072", "#ffffb3", "#bebada", "#80b1d3", "#fdb462", "#b3de69", "#fccde5",
)  # fmt: skip
_COLOURS = {
    "null": _INPUT, "Convolution": _PRODUCT, "FullyConnected": _PRODUCT, "Activation": _ACTIVE,
    "LeakyReLU": _ACTIVE, "BatchNorm": _NORM, "Pooling": _POOL, "Concat": _FORM, "Flatten": _FORM,
    "Reshape": _FORM, "Softmax": _SOFTMAX,
}  # fmt: skip
_LOOK = {
    "shape": "box",
    "fixedsize": "true",
    "width": "1.3",
    "height": "0.8034",
    "style": "filled",
}


def plot_network(
    symbol: Any,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, Sequence[int]] | None = None,
    dtype: Mapping[str, Any] | None = None,
    node_attrs: Mapping[str, str] = {},
    hide_weights: bool = True,
) -> Any:
    """Return a picture of a symbol for Graphviz; the package ``graphviz`` must be installed.

    Parameters
    ----------
    symbol : Symbol
        The network.
    title : str
        Name of the picture.
    save_format : str
        Format that it is saved in.
    shape : dict of str to tuple of int, optional
        Shapes of inputs; edges then have shapes.
    dtype : dict of str to dtype, optional
        Dtypes of inputs; edges then have dtypes.
    node_attrs : dict of str to str
        Attributes of nodes for Graphviz.
    hide_weights : bool
        Leave parameters out.

    Returns
    -------
    graphviz.Digraph
        The picture; ``.source`` is its text, ``.render()`` writes it.

    Raises
    ------
    ImportError
        If graphviz is not installed.
    TypeError
        If `symbol` is none.
    ValueError
        If the shapes or dtypes do not suffice.

    Warns
    -----
    RuntimeWarning
        If several nodes have one name: they are one in the picture.

    Notes
    -----
    Source: MXNet's ``mx.viz.plot_network``.
    """
    try:
        from graphviz import Digraph  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise ImportError(
            "Draw network requires graphviz library: pip install graphviz; without it, "
            "mx.viz.print_summary prints the layers"
        ) from None
    described = _Described(symbol, shape, dtype)
    _warn_of_names(described.nodes)
    dot = Digraph(name=title, format=save_format)
    hidden = {id(n) for n in described.nodes if n.is_variable and n.name.endswith(_PARAMETERS)}
    for node in described.nodes:
        if id(node) not in hidden:
            look = {**_LOOK, **node_attrs, "fillcolor": _COLOURS.get(node.op, _OTHER)}
            if node.is_variable:
                look["shape"] = "oval"
            dot.node(name=node.name, label=_label(node), **look)
    for node in described.nodes:
        inputs = node.inputs[:1] if node.op == "_contrib_BilinearResize2D" else node.inputs
        for source, _ in inputs:
            if not (hide_weights and id(source) in hidden):
                label = "x".join(map(str, described.shape(source))) + described.dtype(source)
                dot.edge(tail_name=node.name, head_name=source.name, label=label, dir="back",
                         arrowtail="open")  # fmt: skip
    return dot


def _warn_of_names(nodes: Sequence[Node]) -> None:
    names = [n.name for n in nodes]
    twice = (
        sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    )
    if twice:
        warnings.warn(
            "There are multiple variables with the same name in your graph, this may result in "
            f"cyclic graph. Repeated names: {','.join(twice)}",
            RuntimeWarning,
            stacklevel=3,
        )


def _label(node: Node) -> str:
    attrs = node.attrs
    kernel, stride = ("x".join(_numbers(attrs.get(k, ""))) for k in ("kernel", "stride"))
    if node.op == "Convolution":
        return f"Convolution\n{kernel}/{stride or 1}, {attrs['num_filter']}"
    if node.op == "FullyConnected":
        return f"FullyConnected\n{attrs['num_hidden']}"
    if node.op in ("Activation", "LeakyReLU"):
        return f"{node.op}\n{attrs.get('act_type', 'Leaky')}"
    if node.op == "Pooling":
        return f"Pooling\n{attrs['pool_type']}, {kernel or '[]'}/{stride or 1}"
    return attrs["op_type"] if node.op == "Custom" else node.name
