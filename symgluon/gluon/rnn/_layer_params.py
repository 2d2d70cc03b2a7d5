"""Weights of a fused recurrent layer of MXNet 1.x: one parameter each, not one vector for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgluon.gluon.nn.common import data, like
from symgluon.ops.apply import F
from symgluon.ops.kernels.rnn import RnnConfig
from symgluon.ops.kernels.rnn_cells import GATES

_DEFAULTS: tuple[Any, ...] = (None, None, "zeros", "zeros", None)


def heads(config: RnnConfig) -> list[str]:
    """Beginnings of the names of `config` in the order of the vector: ``l0_``, ``r0_``, ``l1_``, ..."""
    return [f"{'lr'[direction]}{layer}_" for _, layer, direction in config.slots()]


def make(layer: Any, config: RnnConfig, input_size: int, dtype: Any, inits: Sequence[Any]) -> None:
    """Give a layer the parameters ``l0_i2h_weight``, ``l0_h2h_weight``, ``l0_i2h_bias``, ...

    Parameters
    ----------
    layer : Block
        The layer.
    config : RnnConfig
        Its kind and sizes.
    input_size : int
        Size of the input; 0: found at the first call.
    dtype : dtype
        Of the parameters.
    inits : sequence of Initializer or str
        Of the weights of input and state, of the biases of both, of the projection.
    """
    every = [*inits, *_DEFAULTS[len(inits) :]]
    i2h, h2h, i2h_bias, h2h_bias, h2r = every
    rows = GATES[config.mode] * config.state_size
    for head, (_, number, _) in zip(heads(config), config.slots(), strict=True):
        width = config.input_size(number, input_size or -1)
        shapes = {
            "i2h_weight": ((rows, width), i2h),
            "h2h_weight": ((rows, config.hidden), h2h),
            "i2h_bias": ((rows,), i2h_bias),
            "h2h_bias": ((rows,), h2h_bias),
        }
        if config.projection_size is not None:
            shapes["h2r_weight"] = ((config.projection_size, config.state_size), h2r)
        for name, (shape, init) in shapes.items():
            parameter = layer._parameter(
                head + name, shape=shape, init=init, allow_deferred_init=True, dtype=dtype
            )
            setattr(layer, head + name, parameter)


def set_width(layer: Any, config: RnnConfig, width: int) -> None:
    """Set the size of the input.

    Parameters
    ----------
    layer : Block
        The layer.
    config : RnnConfig
        Its kind and sizes.
    width : int
        Size of the input.
    """
    for head in heads(config)[: config.directions]:
        weight = getattr(layer, f"{head}i2h_weight")
        weight.shape = (weight.shape[0], width)


def flat_names(config: RnnConfig) -> list[str]:
    """Names of the parameters in the order of the operator's vector.

    Parameters
    ----------
    config : RnnConfig
        Kind and sizes.

    Returns
    -------
    list of str
        Matrices, then biases.
    """
    kinds = ["i2h_weight", "h2h_weight"]
    if config.projection_size is not None:
        kinds.append("h2r_weight")
    names = [head + kind for head in heads(config) for kind in kinds]
    return names + [head + kind for head in heads(config) for kind in ("i2h_bias", "h2h_bias")]


def flat(layer: Any, config: RnnConfig, x: Any) -> Any:
    """Join the parameters into the vector that the operator reads.

    Parameters
    ----------
    layer : Block
        The layer.
    config : RnnConfig
        Its kind and sizes.
    x : array
        Data of the call, which says the device.

    Returns
    -------
    array
        The vector.
    """
    parts = [F.reshape(data(getattr(layer, name), x), shape=(-1,)) for name in flat_names(config)]
    return like(x, F.concatenate(*parts, axis=0))
