"""Basic layers and containers (seed: ``gluon.nn.basic_layers``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.common import call, data, run
from symgluon.gluon.nn.norm_layers import (
    BatchNorm,
    BatchNormReLU,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    SyncBatchNorm,
)
from symgluon.gluon.parameter import Parameter
from symgluon.ir.op import OPS
from symgluon.ops import legacy_nn, legacy_shape
from symgluon.ops.apply import F

__all__ = [
    "BatchNorm",
    "BatchNormReLU",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "HybridConcatenate",
    "HybridLambda",
    "HybridSequential",
    "Identity",
    "InstanceNorm",
    "Lambda",
    "LayerNorm",
    "Sequential",
    "SyncBatchNorm",
]


class _Stack(Block):
    """What sequential containers share."""

    def add(self, *blocks: Any) -> None:
        """Append blocks."""
        for block in blocks:
            self.register_child(block)

    def _run(self, x: Any, args: tuple[Any, ...]) -> Any:
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, tuple | list):
                args = tuple(x[1:])
                x = x[0]
        return [x, *args] if args else x

    def __getitem__(self, key: Any) -> Any:
        """Child at an index, or a container of the children in a slice."""
        layers = list(self._children.values())[key]
        if isinstance(layers, list):
            new = type(self)()
            new.add(*layers)
            return new
        return layers

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._children.values()))


class Sequential(_Stack):
    """Stack of blocks, called one after the other.

    >>> net = Sequential()
    >>> net.add(Dense(10, activation="relu"), Dense(20))
    """

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the blocks one after the other; further results become further arguments."""
        return self._run(x, args)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridize the children; where all are hybrid a HybridSequential is faster."""
        if self._children and all(isinstance(c, HybridBlock) for c in self._children.values()):
            warnings.warn(
                f"All children of this Sequential layer '{self!r}' are HybridBlocks. Consider "
                "using HybridSequential for the best performance.",
                stacklevel=2,
            )
        super().hybridize(active, **kwargs)


class HybridSequential(_Stack, HybridBlock):
    """Stack of hybrid blocks, called one after the other."""

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the blocks one after the other; further results become further arguments."""
        return self._run(x, args)


class Dense(HybridBlock):
    """``activation(x @ weight.T + bias)``.

    Parameters
    ----------
    units : int
        Size of the output.
    activation : str, optional
        Activation by name.
    use_bias : bool
        Add a bias.
    flatten : bool
        Merge all axes but the first; otherwise the last axis is multiplied.
    in_units : int, optional
        Size of the input; found at the first call if left out.

    Shapes: x (N, in_units...) to (N, units); with ``flatten=False`` (..., in_units) to (..., units).
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        flatten: bool = True,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_units: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._flatten = flatten
        self._units = units
        self._in_units = in_units
        self._op = OPS["dense"](num_hidden=units, flatten=flatten)
        width = in_units if in_units else -1
        self.weight = Parameter("weight", shape=(units, width), dtype=dtype,
                                init=weight_initializer, allow_deferred_init=True)  # fmt: skip
        self.bias = (
            Parameter("bias", shape=(units,), dtype=dtype, init=bias_initializer,
                      allow_deferred_init=True)
            if use_bias
            else None
        )  # fmt: skip
        self.act = Activation(activation) if activation is not None else None

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the input size from the data."""
        if self._flatten:
            width = 1
            for n in x.shape[1:]:
                width = width * n
        else:
            width = x.shape[-1]
        self.weight.shape = (self.weight.shape[0], width)

    def forward(self, x: Any) -> Any:
        """Multiply, add, activate."""
        out = run(self._op, x, data(self.weight, x), data(self.bias, x))
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        shape = self.weight.shape
        act = self.act if self.act is not None else "linear"
        return f"{type(self).__name__}({shape[1]} -> {shape[0]}, {act})"


class Dropout(HybridBlock):
    """Zero entries with probability `rate` in training mode (arXiv:1207.0580).

    Parameters
    ----------
    axes : tuple of int
        Axes along which one mask entry counts for all.
    """

    def __init__(self, rate: float, axes: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate = rate
        self._axes = tuple(axes)

    def forward(self, x: Any) -> Any:
        """Apply the mask."""
        if self._rate > 0:
            return call(legacy_nn.dropout, x, p=self._rate, axes=self._axes)
        return call(F.identity, x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class Embedding(HybridBlock):
    """Rows of a weight (input_dim, output_dim) by index; out of range is clipped."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        sparse_grad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._input_dim = input_dim
        self._output_dim = output_dim
        self._op = OPS["embedding"](input_dim=input_dim, output_dim=output_dim)
        self.weight = Parameter("weight", shape=(input_dim, output_dim), init=weight_initializer,
                                dtype=dtype, allow_deferred_init=True,
                                grad_stype="row_sparse" if sparse_grad else "default")  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Look the rows up."""
        return run(self._op, x, data(self.weight, x))

    def __repr__(self) -> str:
        kind = self.weight.dtype
        return f"{type(self).__name__}({self._input_dim} -> {self._output_dim}, {kind})"


class Flatten(HybridBlock):
    """Merge all axes but the first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def forward(self, x: Any) -> Any:
        """Reshape to two axes."""
        return call(legacy_shape.flatten, x)

    def __repr__(self) -> str:
        return type(self).__name__


class Identity(HybridBlock):
    """Return the input."""

    def forward(self, x: Any) -> Any:
        """Return `x`."""
        return x


# ---- functions as blocks -----------------------------------------------------------------------
def _named(function: Any, where: str) -> tuple[Callable[..., Any], str]:
    """Return the function and its name; a string names one of ``mx.np`` or ``mx.npx``."""
    if isinstance(function, str):
        from symgluon import numpy, numpy_extension

        for module in (numpy, numpy_extension):
            found = getattr(module, function, None)
            if found is not None:
                return found, function
        raise AssertionError(f"Function name {function} is not found in np/npx.")
    if callable(function):
        return function, getattr(function, "__name__", type(function).__name__)
    raise ValueError(
        f"Unrecognized function in {where}: {function} of type {type(function).__name__}"
    )


class Lambda(Block):
    """A function, or the name of one in ``mx.np`` or ``mx.npx``, as a block."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._func_impl, self._func_name = _named(function, "lambda")

    def forward(self, *args: Any) -> Any:
        """Call the function."""
        return self._func_impl(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function, or the name of one in ``mx.np`` or ``mx.npx``, as a hybrid block."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._func, self._func_name = _named(function, "lambda")

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the function."""
        return self._func(x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


def _concatenate(outputs: list[Any], x: Any, axis: int) -> Any:
    from symgluon import numpy

    return numpy.concatenate(outputs, axis=axis)


class Concatenate(Sequential):
    """Call every child on the input and concatenate the results along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Call the children and concatenate."""
        return _concatenate([child(x) for child in self._children.values()], x, self.axis)


class HybridConcatenate(HybridSequential):
    """Call every child on the input and concatenate the results along `axis`."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Call the children and concatenate."""
        return _concatenate([child(x) for child in self._children.values()], x, self.axis)
