"""Recurrent cells whose products are convolutions (MXNet's ``gluon.rnn``; arXiv:1506.04214)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.nn.common import call, check_layout, data, tuple_of
from symgluon.gluon.parameter import Parameter
from symgluon.gluon.rnn.gated_cells import activate
from symgluon.gluon.rnn.recurrent import HybridRecurrentCell
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F
from symgluon.ops.array import Array

__all__ = [f"Conv{r}D{k}Cell" for r in (1, 2, 3) for k in ("RNN", "LSTM", "GRU")]

_DOC = """{kind} with {rank}-D convolutions for products.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one input without the batch, in the order of `conv_layout`.
    hidden_channels : int
        Channels of the hidden state.
    i2h_kernel, h2h_kernel : int or {sizes}
        Windows of the convolutions of input and hidden state; that of the hidden state is odd, so
        that it keeps its size.
    i2h_pad : int or {sizes}
        Zeros added on either side of the input.
    i2h_dilate, h2h_dilate : int or {sizes}
        Distances between the places that the windows read.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights of input and hidden state; None: what ``initialize`` is given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str
        Of the biases of input and hidden state.
    conv_layout : str
        ``NC{axes}`` or ``N{axes}C``: the order of the axes of input and states.
    activation : str or Block
        Of the new values.

    Inputs
    ------
    inputs : array (N, C, {inner}), float
        One step.
    states : list of {states} (N, hidden_channels, {outer}), float
        {held}.

    Outputs
    -------
    array (N, hidden_channels, {outer}), float
        The hidden state; sizes as the convolution of the input gives them.
    list of {states} (N, hidden_channels, {outer}), float
        New states.

    Raises
    ------
    AssertionError
        For an even window of the hidden state, or another layout.

    Notes
    -----
    {order}Source: MXNet's
    ``gluon.rnn.{name}``; arXiv:1506.04214.

    Examples
    --------
    >>> import symgluon as mx
    >>> cell = mx.gluon.rnn.{name}((3, {example}), hidden_channels=2, i2h_kernel=3, h2h_kernel=3)
    >>> cell.initialize()
    >>> out, states = cell(mx.np.ones((1, 3, {example})), cell.begin_state(batch_size=1))
    >>> out.shape, len(states)
    ((1, 2, {result}), {count})
    """


class _ConvCell(HybridRecurrentCell):
    """What the cells share: a convolution of the input and one of the hidden state.

    A cell is a kind (gates and states) with a rank (axes and defaults); its documentation is made
    from the two.
    """

    _gates = 1
    _states = 1
    _kind: str
    _order = ""  # note on the channels of the products
    _rank: int
    _axes: str
    _example: tuple[int, ...]  # sizes of the data of the documented example

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__ and cls.__name__ in __all__:
            cls.__doc__ = _document(cls)

    def __init__(
        self,
        input_shape: tuple[int, ...],
        hidden_channels: int,
        i2h_kernel: Any,
        h2h_kernel: Any,
        i2h_pad: Any,
        i2h_dilate: Any,
        h2h_dilate: Any,
        inits: tuple[Any, Any, Any, Any],
        conv_layout: str,
        activation: Any,
        **kwargs: Any,
    ) -> None:
        rank = self._rank
        check_layout(conv_layout, rank, type(self).__name__)
        super().__init__(**kwargs)
        self._hidden_channels, self._input_shape = hidden_channels, tuple(input_shape)
        self._conv_layout, self._activation = conv_layout, activation
        hidden_kernel = tuple_of(h2h_kernel, rank, "h2h_kernel")
        if any(k % 2 == 0 for k in hidden_kernel):
            raise AssertionError(f"Only support odd number, get h2h_kernel= {h2h_kernel}")
        dilate = tuple_of(h2h_dilate, rank, "h2h_dilate")
        self._i2h = self._attrs(
            tuple_of(i2h_kernel, rank, "i2h_kernel"),
            tuple_of(i2h_pad, rank, "i2h_pad"),
            tuple_of(i2h_dilate, rank, "i2h_dilate"),
        )
        pad = tuple(d * (k - 1) // 2 for k, d in zip(hidden_kernel, dilate, strict=True))
        self._h2h = self._attrs(hidden_kernel, pad, dilate)
        self._make_parameters(inits)

    def _attrs(
        self, kernel: tuple[int, ...], pad: tuple[int, ...], dilate: tuple[int, ...]
    ) -> dict[str, Any]:
        return {
            "kernel": kernel, "pad": pad, "dilate": dilate, "stride": (1,) * len(kernel),
            "num_filter": self._gates * self._hidden_channels, "layout": self._conv_layout,
        }  # fmt: skip

    def _make_parameters(self, inits: tuple[Any, Any, Any, Any]) -> None:
        rows = self._gates * self._hidden_channels
        last = self._conv_layout.endswith("C")

        def weight(name: str, channels: int, kernel: tuple[int, ...], init: Any) -> Parameter:
            shape = (rows, *kernel, channels) if last else (rows, channels, *kernel)
            return self._parameter(name, shape=shape, init=init, allow_deferred_init=True)

        channels = max(self._input_shape[-1 if last else 0], 0) or -1
        self.i2h_weight = weight("i2h_weight", channels, self._i2h["kernel"], inits[0])
        self.h2h_weight = weight(
            "h2h_weight", self._hidden_channels, self._h2h["kernel"], inits[1]
        )
        self.i2h_bias = self._parameter("i2h_bias", shape=(rows,), init=inits[2],
                                  allow_deferred_init=True)  # fmt: skip
        self.h2h_bias = self._parameter("h2h_bias", shape=(rows,), init=inits[3],
                                  allow_deferred_init=True)  # fmt: skip

    def infer_shape(self, i: Any, x: Any = None, is_bidirect: bool = False) -> None:
        """Set the input channels from the data.

        Parameters
        ----------
        i : int or array
            Number of the layer in a stack (or the data itself, as a call of the block gives it).
        x : array
            Input of the stack.
        is_bidirect : bool
            Whether the layer below has two directions.
        """
        if isinstance(i, Array):
            i, x = 0, i
        rank, last = self._rank, self._conv_layout.endswith("C")
        channels = x.shape[-1 if last else -1 - rank]
        if i:
            channels = self._hidden_channels * (2 if is_bidirect else 1)
        rows, *rest = self.i2h_weight.shape
        rest[-1 if last else 0] = channels
        self.i2h_weight.shape = (rows, *rest)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Shapes and layouts of the states for `batch_size` samples."""
        last = self._conv_layout.endswith("C")
        sizes = self._input_shape[:-1] if last else self._input_shape[1:]
        i2h = self._i2h
        spatial = tuple(
            n + 2 * p - d * (k - 1)
            for n, k, p, d in zip(sizes, i2h["kernel"], i2h["pad"], i2h["dilate"], strict=True)
        )
        hidden = self._hidden_channels
        inner = (*spatial, hidden) if last else (hidden, *spatial)
        info = {"shape": (batch_size, *inner), "__layout__": self._conv_layout}
        return [dict(info) for _ in range(self._states)]

    def _products(self, x: Any, hidden: Any) -> tuple[Any, Any]:
        return (
            call(legacy_nn.convolution, x, data(self.i2h_weight, x), data(self.i2h_bias, x),
                 **self._i2h),
            call(legacy_nn.convolution, hidden, data(self.h2h_weight, x), data(self.h2h_bias, x),
                 **self._h2h),
        )  # fmt: skip

    def _split(self, x: Any) -> list[Any]:
        """Gates of a product, cut along the channels."""
        size = self._hidden_channels
        axis = x.ndim - 1 if self._conv_layout.endswith("C") else 1
        head = (slice(None),) * axis
        return [
            call(F.index, x, index=(*head, slice(i * size, (i + 1) * size)))
            for i in range(self._gates)
        ]

    def __repr__(self) -> str:
        channels = self._input_shape[-1 if self._conv_layout.endswith("C") else 0]
        rows = self._gates * self._hidden_channels
        return (
            f"{type(self).__name__}({channels} -> {rows}, {self._activation}, {self._conv_layout})"
        )


def _document(cls: type[_ConvCell]) -> str:
    """Documentation of a cell, from its kind and rank."""
    axes, two = cls._axes, cls._states == 2
    return _DOC.format(
        name=cls.__name__, kind=cls._kind, order=cls._order, rank=cls._rank, axes=axes,
        sizes="tuple of one int" if cls._rank == 1 else "tuple of int",
        inner=", ".join(axes), outer=", ".join(f"{axis}'" for axis in axes),
        states="two arrays" if two else "one array", count=cls._states,
        held="Hidden and cell state" if two else "Hidden state",
        example=", ".join(map(str, cls._example)),
        result=", ".join(str(n - 2) for n in cls._example),
    )  # fmt: skip


class _ConvRNNCell(_ConvCell):
    """``activation(conv(x) + conv(h))``."""

    _kind = "Elman cell"
    _hint = "conv_rnn"

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (output, [output])."""
        a, b = self._products(inputs, states[0])
        out = activate(a + b, self._activation)
        return out, [out]


class _ConvLSTMCell(_ConvCell):
    """Long short-term memory; gates input, forget, new, output."""

    _kind = "Long short-term memory"
    _hint = "conv_lstm"
    _order = "Channels of the products: input gate, forget gate, new values, output gate.  "
    _gates = 4
    _states = 2

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (hidden, [hidden, cell])."""
        a, b = self._products(inputs, states[0])
        i, f, g, o = self._split(a + b)
        new = activate(g, self._activation)
        cell = activate(f, "sigmoid") * states[1] + activate(i, "sigmoid") * new
        hidden = activate(o, "sigmoid") * activate(cell, self._activation)
        return hidden, [hidden, cell]


class _ConvGRUCell(_ConvCell):
    """Gated recurrent unit; the reset gate multiplies the hidden product after its bias."""

    _hint = "conv_gru"
    _kind = "Gated recurrent unit"
    _order = "Channels of the products: reset gate, update gate, new values.  "
    _gates = 3

    def forward(self, inputs: Any, states: Any) -> Any:
        """One step: (hidden, [hidden])."""
        a, b = self._products(inputs, states[0])
        ar, az, an = self._split(a)
        br, bz, bn = self._split(b)
        reset = activate(ar + br, "sigmoid")
        update = activate(az + bz, "sigmoid")
        new = activate(an + reset * bn, self._activation)
        out = (1.0 - update) * new + update * states[0]
        return out, [out]


# ---- ranks ------------------------------------------------------------------------------------
class _1D(_ConvCell):
    """1-D convolutions."""

    _rank, _axes, _example = 1, "W", (8,)

    def __init__(
        self,
        input_shape: tuple[int, ...],
        hidden_channels: int,
        i2h_kernel: Any,
        h2h_kernel: Any,
        i2h_pad: Any = (0,),
        i2h_dilate: Any = (1,),
        h2h_dilate: Any = (1,),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        conv_layout: str = "NCW",
        activation: Any = "tanh",
        **kwargs: Any,
    ) -> None:
        inits = (i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                 h2h_bias_initializer)  # fmt: skip
        super().__init__(
            input_shape, hidden_channels, i2h_kernel, h2h_kernel, i2h_pad, i2h_dilate,
            h2h_dilate, inits, conv_layout, activation, **kwargs
        )  # fmt: skip


class _2D(_ConvCell):
    """2-D convolutions."""

    _rank, _axes, _example = 2, "HW", (8, 8)

    def __init__(
        self,
        input_shape: tuple[int, ...],
        hidden_channels: int,
        i2h_kernel: Any,
        h2h_kernel: Any,
        i2h_pad: Any = (0, 0),
        i2h_dilate: Any = (1, 1),
        h2h_dilate: Any = (1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        conv_layout: str = "NCHW",
        activation: Any = "tanh",
        **kwargs: Any,
    ) -> None:
        inits = (i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                 h2h_bias_initializer)  # fmt: skip
        super().__init__(
            input_shape, hidden_channels, i2h_kernel, h2h_kernel, i2h_pad, i2h_dilate,
            h2h_dilate, inits, conv_layout, activation, **kwargs
        )  # fmt: skip


class _3D(_ConvCell):
    """3-D convolutions."""

    _rank, _axes, _example = 3, "DHW", (4, 4, 4)

    def __init__(
        self,
        input_shape: tuple[int, ...],
        hidden_channels: int,
        i2h_kernel: Any,
        h2h_kernel: Any,
        i2h_pad: Any = (0, 0, 0),
        i2h_dilate: Any = (1, 1, 1),
        h2h_dilate: Any = (1, 1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        conv_layout: str = "NCDHW",
        activation: Any = "tanh",
        **kwargs: Any,
    ) -> None:
        inits = (i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                 h2h_bias_initializer)  # fmt: skip
        super().__init__(
            input_shape, hidden_channels, i2h_kernel, h2h_kernel, i2h_pad, i2h_dilate,
            h2h_dilate, inits, conv_layout, activation, **kwargs
        )  # fmt: skip


# ---- the cells --------------------------------------------------------------------------------
class Conv1DRNNCell(_1D, _ConvRNNCell):
    pass


class Conv1DLSTMCell(_1D, _ConvLSTMCell):
    pass


class Conv1DGRUCell(_1D, _ConvGRUCell):
    pass


class Conv2DRNNCell(_2D, _ConvRNNCell):
    pass


class Conv2DLSTMCell(_2D, _ConvLSTMCell):
    pass


class Conv2DGRUCell(_2D, _ConvGRUCell):
    pass


class Conv3DRNNCell(_3D, _ConvRNNCell):
    pass


class Conv3DLSTMCell(_3D, _ConvLSTMCell):
    pass


class Conv3DGRUCell(_3D, _ConvGRUCell):
    pass
