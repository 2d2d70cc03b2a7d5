"""Activation layers (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, data
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F

__all__ = ["ELU", "GELU", "SELU", "Activation", "LeakyReLU", "PReLU", "SiLU", "Swish"]


class Activation(HybridBlock):
    """Activation by name.

    Parameters
    ----------
    activation : str
        ``relu``, ``sigmoid``, ``tanh``, ``softrelu`` (``log(1 + exp(x))``), ``softsign``,
        ``log_sigmoid`` or ``mish``.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Raises
    ------
    AttributeValueError
        At the first call, for another name; the known ones are listed.

    Notes
    -----
    Source: seed ``gluon.nn.Activation``; ONNX Relu, Sigmoid, Tanh, Softplus, and compositions.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.Activation("relu")(mx.np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def __init__(self, activation: str, **kwargs: Any) -> None:
        object.__setattr__(self, "_hint", activation)
        super().__init__(**kwargs)
        self._act_type = activation

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return call(legacy_nn.activation, x, act_type=self._act_type)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._act_type})"


class LeakyReLU(HybridBlock):
    """``x`` where positive, else ``alpha * x``.

    Parameters
    ----------
    alpha : float
        Slope of the negative part, at least 0.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Raises
    ------
    AssertionError
        If `alpha` is negative.

    Notes
    -----
    Source: seed ``gluon.nn.LeakyReLU``; ONNX LeakyRelu.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.LeakyReLU(0.5)(mx.np.array([-1.0, 2.0]))
    array([-0.5,  2. ])
    """

    def __init__(self, alpha: float, **kwargs: Any) -> None:
        if alpha < 0:
            raise AssertionError("Slope coefficient for LeakyReLU must be no less than 0.")
        super().__init__(**kwargs)
        self._alpha = alpha

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return call(F.leaky_relu, x, slope=self._alpha)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._alpha})"


class PReLU(HybridBlock):
    """Leaky rectifier with learned slopes: ``x`` where positive, else ``alpha * x``.

    Parameters
    ----------
    alpha_initializer : Initializer or str, optional
        Of the slopes; 0.25 if left out.
    in_channels : int
        Number of slopes: 1, or one for each place of axis 1.

    Inputs
    ------
    x : array (N, C, ...), float

    Outputs
    -------
    array (N, C, ...), float
        Shape and dtype of `x`.

    Notes
    -----
    The parameter ``alpha`` has shape (in_channels,).  Source: MXNet's ``gluon.nn.PReLU``;
    arXiv:1502.01852; ONNX Mul, Where.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.PReLU()
    >>> layer.initialize()
    >>> layer(mx.np.array([[-1.0, 2.0]]))
    array([[-0.25,  2.  ]])
    """

    def __init__(self, alpha_initializer: Any = None, in_channels: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        from symgluon import initializer

        init = initializer.Constant(0.25) if alpha_initializer is None else alpha_initializer
        self.alpha = self._parameter("alpha", shape=(in_channels,), init=init)

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return call(F.prelu, x, data(self.alpha, x))


class ELU(HybridBlock):
    """``x`` where positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float
        Minus the limit for large negative `x`.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Notes
    -----
    Source: MXNet's ``gluon.nn.ELU``; arXiv:1511.07289; ONNX Elu.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.ELU()(mx.np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._alpha = alpha

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return call(F.elu, x, alpha=self._alpha)


class SELU(HybridBlock):
    """``scale * elu(x, alpha)`` with the two constants that keep mean 0 and variance 1.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Notes
    -----
    ``alpha`` is 1.6732632 and ``scale`` 1.0507010.  Source: MXNet's ``gluon.nn.SELU``;
    arXiv:1706.02515; ONNX Selu.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.SELU()(mx.np.array([-1.0, 0.0, 1.0])).asnumpy().round(3)
    array([-1.111,  0.   ,  1.051], dtype=float32)
    """

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return call(F.selu, x)


class GELU(HybridBlock):
    """``x * Phi(x)``, Phi being the distribution function of the normal distribution.

    Parameters
    ----------
    approximation : str
        ``erf`` computes Phi itself, ``tanh`` an approximation by the hyperbolic tangent.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Raises
    ------
    ValueError
        For another `approximation`.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GELU``; arXiv:1606.08415; ONNX Gelu (from opset 20).

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.GELU()(mx.np.array([-1.0, 1.0])).asnumpy().round(3)
    array([-0.159,  0.841], dtype=float32)
    >>> mx.gluon.nn.GELU("tanh")(mx.np.array([-1.0, 1.0])).asnumpy().round(3)
    array([-0.159,  0.841], dtype=float32)
    """

    def __init__(self, approximation: str = "erf", **kwargs: Any) -> None:
        if approximation not in ("erf", "tanh"):
            raise ValueError(
                f"Unsupported mode! Only 'erf' and 'tanh' are supported. Received {approximation!r}"
            )
        super().__init__(**kwargs)
        self._approximation = approximation

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return call(F.gelu, x, approximation=self._approximation == "tanh")


class Swish(HybridBlock):
    """``x * sigmoid(beta * x)``.

    Parameters
    ----------
    beta : float
        Steepness; large values approach relu.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Notes
    -----
    Source: MXNet's ``gluon.nn.Swish``; arXiv:1710.05941.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.Swish(beta=2)(mx.np.array([-1.0, 1.0])).asnumpy().round(3)
    array([-0.119,  0.881], dtype=float32)
    """

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._beta = beta

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return x * call(F.sigmoid, x * self._beta)


class SiLU(HybridBlock):
    """``x * sigmoid(x)``.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Notes
    -----
    Source: MXNet's ``gluon.nn.SiLU``; arXiv:1702.03118.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.SiLU()(mx.np.array([-1.0, 1.0])).asnumpy().round(3)
    array([-0.269,  0.731], dtype=float32)
    """

    def forward(self, x: Any) -> Any:
        """Apply the activation to every entry of `x`."""
        return x * call(F.sigmoid, x)
