"""Activation layers (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, data
from symgluon.gluon.parameter import Parameter
from symgluon.ops import legacy_nn
from symgluon.ops.apply import F

__all__ = ["ELU", "GELU", "SELU", "Activation", "LeakyReLU", "PReLU", "SiLU", "Swish"]


class Activation(HybridBlock):
    """Activation by name: relu, sigmoid, tanh, softrelu, softsign, log_sigmoid, mish."""

    def __init__(self, activation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._act_type = activation

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return call(legacy_nn.activation, x, act_type=self._act_type)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._act_type})"


class LeakyReLU(HybridBlock):
    """``x`` where positive, else ``alpha * x``.

    Raises
    ------
    AssertionError
        If `alpha` is negative.
    """

    def __init__(self, alpha: float, **kwargs: Any) -> None:
        if alpha < 0:
            raise AssertionError("Slope coefficient for LeakyReLU must be no less than 0.")
        super().__init__(**kwargs)
        self._alpha = alpha

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return call(F.leaky_relu, x, slope=self._alpha)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._alpha})"


class PReLU(HybridBlock):
    """Leaky rectifier with learned slopes, one a channel (arXiv:1502.01852)."""

    def __init__(self, alpha_initializer: Any = None, in_channels: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        from symgluon import initializer

        init = initializer.Constant(0.25) if alpha_initializer is None else alpha_initializer
        self.alpha = Parameter("alpha", shape=(in_channels,), init=init)

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return call(F.prelu, x, data(self.alpha, x))


class ELU(HybridBlock):
    """``x`` where positive, else ``alpha * (exp(x) - 1)`` (arXiv:1511.07289)."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._alpha = alpha

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return call(F.elu, x, alpha=self._alpha)


class SELU(HybridBlock):
    """Scaled exponential linear unit (arXiv:1706.02515)."""

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return call(F.selu, x)


class GELU(HybridBlock):
    """``x * Phi(x)``, exactly (``erf``) or by the ``tanh`` approximation (arXiv:1606.08415).

    Raises
    ------
    ValueError
        For another `approximation`.
    """

    def __init__(self, approximation: str = "erf") -> None:
        if approximation not in ("erf", "tanh"):
            raise ValueError(
                f"Unsupported mode! Only 'erf' and 'tanh' are supported. Received {approximation!r}"
            )
        super().__init__()
        self._approximation = approximation

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return call(F.gelu, x, approximation=self._approximation == "tanh")


class Swish(HybridBlock):
    """``x * sigmoid(beta * x)`` (arXiv:1710.05941)."""

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._beta = beta

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return x * call(F.sigmoid, x * self._beta)


class SiLU(HybridBlock):
    """``x * sigmoid(x)`` (arXiv:1702.03118)."""

    def forward(self, x: Any) -> Any:
        """Apply the activation elementwise."""
        return x * call(F.sigmoid, x)
