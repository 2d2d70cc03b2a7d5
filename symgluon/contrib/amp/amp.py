"""``mx.contrib.amp`` of MXNet 1.x: automatic mixed precision, which there is not on CPUs.

The names can be imported, as packages do at their top; a call is an error that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.errors import SymgluonError

__all__ = [
    "convert_hybrid_block",
    "convert_model",
    "convert_symbol",
    "init",
    "init_trainer",
    "scale_loss",
    "unscale",
]


#: whether `init` was called: never
_amp_initialized = False


class _NoMixedPrecisionError(SymgluonError, NotImplementedError):
    """Automatic mixed precision was asked for."""


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise _NoMixedPrecisionError(
            f"contrib.amp.{name}: automatic mixed precision is not supported",
            hint="train in float32, or cast a net for prediction with net.cast('float16')",
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Refuse: there is no automatic mixed precision (``{name}`` of MXNet 1.x)."
    return refuse


convert_hybrid_block = _refused("convert_hybrid_block")
convert_model = _refused("convert_model")
convert_symbol = _refused("convert_symbol")
init = _refused("init")
init_trainer = _refused("init_trainer")
scale_loss = _refused("scale_loss")
unscale = _refused("unscale")
