"""Basic layers and containers (seed: ``gluon.nn.basic_layers``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.gluon.block import Block
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.naming import prefixed
from symgluon.gluon.nn.activations import Activation
from symgluon.gluon.nn.common import call, data, like, need_float, run
from symgluon.gluon.nn.norm_layers import (
    BatchNorm,
    BatchNormReLU,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    SyncBatchNorm,
)
from symgluon.ir.op import OPS
from symgluon.ir.types import normalize_axis
from symgluon.ops import legacy_nn, legacy_shape
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.state import state

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
        """Append blocks to the stack.

        Parameters
        ----------
        *blocks : Block
            Called in this order, after those that are there.
        """
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
            new = self._empty()
            new.add(*layers)
            return new
        return layers

    def _empty(self) -> Any:
        """A container of this kind for a slice of the children."""
        return type(self)()

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._children.values()))


class Sequential(_Stack):
    """Stack of blocks, called one after the other.

    Inputs
    ------
    x : array of any shape and dtype, or what else the first block takes
    *args : array of any shape and dtype
        Further arguments of the first block.

    Outputs
    -------
    array of any shape and dtype, or list of such
        What the last block returns.

    Notes
    -----
    A block that returns a list or tuple gives the next one several arguments.  ``net[i]`` is a
    child, ``net[i:j]`` a new stack of the same children, and ``len`` and iteration go over the
    children.  Children need not be hybrid: see `HybridSequential`.  Source: seed
    ``gluon.nn.Sequential``.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.gluon import nn
    >>> net = nn.Sequential()
    >>> net.add(nn.Dense(4, activation="relu"), nn.Dense(2))
    >>> net.initialize()
    >>> net(mx.np.ones((3, 5))).shape
    (3, 2)
    >>> len(net), net[1:]
    (2, Sequential(
      (0): Dense(4 -> 2, linear)
    ))
    """

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the blocks one after the other on `x`; further results become further arguments."""
        return self._run(x, args)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridize the children; where all of them are hybrid, a HybridSequential is faster.

        Parameters
        ----------
        active : bool
            Whether calls of the children run as compiled graphs.
        **kwargs : bool or int
            Flags of :meth:`HybridBlock.hybridize`.

        Warns
        -----
        UserWarning
            If all children are hybrid.
        """
        if self._children and all(isinstance(c, HybridBlock) for c in self._children.values()):
            warnings.warn(
                f"All children of this Sequential layer '{self!r}' are HybridBlocks. Consider "
                "using HybridSequential for the best performance.",
                stacklevel=2,
            )
        super().hybridize(active, **kwargs)


class HybridSequential(_Stack, HybridBlock):
    """Stack of hybrid blocks, called one after the other.

    Inputs
    ------
    x : array of any shape and dtype, or what else the first block takes
    *args : array of any shape and dtype
        Further arguments of the first block.

    Outputs
    -------
    array of any shape and dtype, or list of such
        What the last block returns.

    Notes
    -----
    As `Sequential`; after ``hybridize()`` the stack runs as one graph.  A child that is no
    HybridBlock is refused with a ValueError.  Source: seed ``gluon.nn.HybridSequential``.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.gluon import nn
    >>> net = nn.HybridSequential()
    >>> net.add(nn.Dense(4, activation="relu"), nn.Dense(2))
    >>> net.initialize()
    >>> net.hybridize()
    >>> net(mx.np.ones((3, 5))).shape
    (3, 2)
    >>> net
    HybridSequential(
      (0): Dense(5 -> 4, Activation(relu))
      (1): Dense(4 -> 2, linear)
    )
    """

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the blocks one after the other on `x`; further results become further arguments."""
        return self._run(x, args)


class Dense(HybridBlock):
    """``activation(x @ weight.T + bias)``.

    Parameters
    ----------
    units : int
        Size of the output.
    activation : str, optional
        Activation by name (see `Activation`).
    use_bias : bool
        Add a bias.
    flatten : bool
        Merge all axes but the first; otherwise the last axis is multiplied and the others stay.
    dtype : dtype
        Of weight and bias.
    weight_initializer, bias_initializer : Initializer or str, optional
        Of weight and bias; None: what ``initialize`` is given.
    in_units : int
        Size of the input; 0: found at the first call.

    Inputs
    ------
    x : array (N, ...), float
        With ``flatten=False`` (..., in_units).

    Outputs
    -------
    array (N, units), float
        With ``flatten=False`` (..., units).

    Raises
    ------
    ShapeError
        In a call, if the size of `x` is not that of the weight.

    Notes
    -----
    The parameters are ``weight`` (units, in_units) and ``bias`` (units,).  Source: seed
    ``gluon.nn.Dense``; ONNX Gemm, or MatMul and Add.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Dense(2, activation="relu")
    >>> layer.initialize(init="ones")
    >>> layer(mx.np.array([[1.0, 2.0, 3.0]]))
    array([[6., 6.]])
    >>> layer
    Dense(3 -> 2, Activation(relu))
    >>> mx.gluon.nn.Dense(4, flatten=False, in_units=3).weight.shape
    (4, 3)
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
        self.weight = self._parameter("weight", shape=(units, width), dtype=dtype,
                                init=weight_initializer, allow_deferred_init=True)  # fmt: skip
        self.bias = (
            self._parameter("bias", shape=(units,), dtype=dtype, init=bias_initializer,
                      allow_deferred_init=True)
            if use_bias
            else None
        )  # fmt: skip
        with self.name_scope():
            self.act = (
                Activation(activation, **prefixed(f"{activation}_"))
                if activation is not None
                else None
            )

    def infer_shape(self, x: Any, *args: Any) -> None:
        """Set the input size of the weight from `x`."""
        if self._flatten:
            width = 1
            for n in x.shape[1:]:
                width = width * n
        else:
            width = x.shape[-1]
        self.weight.shape = (self._units, width)

    def forward(self, x: Any) -> Any:
        """Multiply `x` by the weight, add the bias, activate."""
        out = run(self._op, x, data(self.weight, x), data(self.bias, x))
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        shape = self.weight.shape
        act = self.act if self.act is not None else "linear"
        return f"{type(self).__name__}({shape[1]} -> {shape[0]}, {act})"


class Dropout(HybridBlock):
    """Zero entries with probability `rate` in training mode, and scale the others up.

    Parameters
    ----------
    rate : float
        Probability of zero; the other entries are multiplied by ``1 / (1 - rate)``.
    axes : tuple of int
        Axes along which one entry of the mask counts for all.

    Inputs
    ------
    x : array of any shape, float

    Outputs
    -------
    array of any shape, float
        Shape and dtype of `x`.

    Raises
    ------
    TypeError
        In a call, for something that is no array.
    DTypeError
        In a call, for integers or bools: results would be cut to whole numbers.

    Notes
    -----
    Outside of training mode (``autograd.record()``, ``autograd.train_mode()``) the input is
    returned.  Masks come from ``mx.random``.  Source: seed ``gluon.nn.Dropout``; arXiv:1207.0580.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Dropout(0.5)
    >>> layer(mx.np.ones(3))
    array([1., 1., 1.])
    >>> with mx.autograd.train_mode():
    ...     out = layer(mx.np.ones(1000))
    >>> sorted(set(out.tolist())), bool(400 < (out == 0).sum() < 600)
    ([0.0, 2.0], True)
    """

    def __init__(self, rate: float, axes: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate = rate
        self._axes = (axes,) if isinstance(axes, int) else tuple(axes)

    def forward(self, x: Any) -> Any:
        """Apply the mask to `x`."""
        if not isinstance(x, Array):
            raise TypeError(f"Dropout takes an array, received {type(x).__name__}")
        need_float(self, x)
        for axis in self._axes:
            normalize_axis(axis, x.ndim)  # told in predict mode too, where no mask is drawn
        if self._rate > 0:
            return call(legacy_nn.dropout, x, p=self._rate, axes=self._axes)
        return call(F.identity, x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class Embedding(HybridBlock):
    """Rows of a weight by number.

    Parameters
    ----------
    input_dim : int
        Number of rows.
    output_dim : int
        Length of a row.
    dtype : dtype
        Of the weight, and so of the output.
    weight_initializer : Initializer or str, optional
        Of the weight; None: what ``initialize`` is given.
    sparse_grad : bool
        Declare the gradient ``row_sparse``; it is stored dense all the same.

    Inputs
    ------
    x : array of any shape, int or float
        Numbers of rows.  One below 0 or beyond the last counts as the first or the last.

    Outputs
    -------
    array (..., output_dim), float
        The shape of `x` and one more axis.

    Notes
    -----
    The parameter is ``weight`` (input_dim, output_dim).  Source: seed ``gluon.nn.Embedding``; ONNX
    Gather.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.Embedding(3, 2)
    >>> layer.initialize()
    >>> layer.weight.set_data(mx.np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    >>> layer(mx.np.array([2, 0]))
    array([[4., 5.],
           [0., 1.]])
    """

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
        self.weight = self._parameter("weight", shape=(input_dim, output_dim), init=weight_initializer,
                                dtype=dtype, allow_deferred_init=True,
                                grad_stype="row_sparse" if sparse_grad else "default")  # fmt: skip

    def forward(self, x: Any) -> Any:
        """Look the rows of numbers `x` up."""
        return run(self._op, x, data(self.weight, x))

    def __repr__(self) -> str:
        kind = self.weight.dtype
        return f"{type(self).__name__}({self._input_dim} -> {self._output_dim}, {kind})"


class Flatten(HybridBlock):
    """Merge all axes but the first.

    Inputs
    ------
    x : array (N, ...), any dtype

    Outputs
    -------
    array (N, product of the other sizes), dtype of `x`

    Notes
    -----
    Source: seed ``gluon.nn.Flatten``; ONNX Reshape.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.Flatten()(mx.np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def forward(self, x: Any) -> Any:
        """Reshape `x` to two axes."""
        return call(legacy_shape.flatten, x)

    def __repr__(self) -> str:
        return type(self).__name__


class Identity(HybridBlock):
    """Return the input.

    Inputs
    ------
    x : array of any shape and dtype

    Outputs
    -------
    array of any shape and dtype
        `x` itself.

    Notes
    -----
    Source: seed ``gluon.nn.Identity``; ONNX Identity.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.Identity()(mx.np.array([1.0, 2.0]))
    array([1., 2.])
    """

    def forward(self, x: Any) -> Any:
        """Return `x`."""
        return x


# ---- functions as blocks -----------------------------------------------------------------------
def _named(function: Any, where: str) -> tuple[Callable[..., Any], str]:
    """Return the function and its name; a string names one of ``mx.np``, ``mx.npx`` (1.x: ``nd``)."""
    if isinstance(function, str) and not state.np_array:
        from symgluon import ndarray

        found = getattr(ndarray, function, None)
        if found is None:
            raise AssertionError(f"Function name {function} is not found in ndarray.")
        return found, function
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
    """A function, or the name of one, as a block.

    Parameters
    ----------
    function : callable or str
        The function, or the name of one in ``mx.np`` or, where there is none, in ``mx.npx`` (in
        ``mx.nd`` for arrays of 1.x).

    Inputs
    ------
    *args : array of any shape and dtype
        Arguments of the function.

    Outputs
    -------
    array of any shape and dtype
        What the function returns.

    Raises
    ------
    AssertionError
        If no function has that name.
    ValueError
        If `function` is neither callable nor a string.

    Notes
    -----
    Source: seed ``gluon.nn.Lambda``.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.Lambda("tanh")(mx.np.array([0.0]))
    array([0.])
    >>> mx.gluon.nn.Lambda(lambda a, b: a - b)(mx.np.array([3.0]), mx.np.array([1.0]))
    array([2.])
    """

    def __init__(self, function: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._func_impl, self._func_name = _named(function, "lambda")

    def forward(self, *args: Any) -> Any:
        """Call the function on `args`."""
        return self._func_impl(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function, or the name of one, as a hybrid block.

    Parameters
    ----------
    function : callable or str
        The function, or the name of one in ``mx.np`` or, where there is none, in ``mx.npx`` (in
        ``mx.nd`` for arrays of 1.x).  In a block of MXNet 1.x a callable takes ``F`` first.

    Inputs
    ------
    x : array of any shape and dtype
        First argument of the function.
    *args : array of any shape and dtype
        Further arguments.

    Outputs
    -------
    array of any shape and dtype
        What the function returns.

    Raises
    ------
    AssertionError
        If no function has that name.
    ValueError
        If `function` is neither callable nor a string.

    Notes
    -----
    After ``hybridize()`` the function is traced: it cannot read the numbers in its arrays then.
    Source: seed ``gluon.nn.HybridLambda``.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.nn.HybridLambda("square")
    >>> layer.hybridize()
    >>> layer(mx.np.array([3.0]))
    array([9.])
    >>> layer
    HybridLambda(square)
    """

    def __init__(self, function: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._func, self._func_name = _named(function, "lambda")
        self._takes_f = self._scope is not None and not isinstance(function, str)

    def forward(self, x: Any, *args: Any) -> Any:
        """Call the function on `x` and `args` (1.x: on ``F``, `x` and `args`)."""
        if self._takes_f:
            from symgluon import ndarray

            return self._func(ndarray, x, *args)
        return self._func(x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


def _concatenate(block: Any, x: Any) -> Any:
    outputs = [child(x) for child in block._children.values()]
    kind = type(block).__name__
    if not outputs:
        raise AttributeValueError(f"{kind} has no children, so there is nothing to concatenate")
    for name, child, out in zip(block._children, block, outputs, strict=True):
        if not isinstance(out, Array):
            raise AttributeValueError(
                f"{kind} concatenates one array of each child, but child {name} "
                f"({type(child).__name__}) returned a {type(out).__name__}"
            )
    return like(outputs[0], F.concatenate(*outputs, axis=block.axis))


class Concatenate(Sequential):
    """Call every child on the input and concatenate the results.

    Parameters
    ----------
    axis : int
        Axis along which the results are joined, of any sign.

    Inputs
    ------
    x : array of any shape and dtype
        Input of every child.

    Outputs
    -------
    array of any shape and dtype
        Shape of the results of the children, their sizes along `axis` added.

    Notes
    -----
    Children are added as to `Sequential`.  Source: seed ``gluon.nn.Concatenate``; ONNX Concat.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.gluon import nn
    >>> net = nn.Concatenate(axis=1)
    >>> net.add(nn.Identity(), nn.Lambda("negative"))
    >>> net(mx.np.array([[1.0, 2.0]]))
    array([[ 1.,  2., -1., -2.]])
    """

    _hint = "concurrent"

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Call the children on `x` and concatenate."""
        return _concatenate(self, x)

    def _empty(self) -> Any:
        return type(self)(axis=self.axis)


class HybridConcatenate(HybridSequential):
    """Call every child on the input and concatenate the results.

    Parameters
    ----------
    axis : int
        Axis along which the results are joined, of any sign.

    Inputs
    ------
    x : array of any shape and dtype
        Input of every child.

    Outputs
    -------
    array of any shape and dtype
        Shape of the results of the children, their sizes along `axis` added.

    Notes
    -----
    Children are added as to `HybridSequential`.  Source: seed ``gluon.nn.HybridConcatenate``; ONNX
    Concat.

    Examples
    --------
    >>> import symgluon as mx
    >>> from symgluon.gluon import nn
    >>> net = nn.HybridConcatenate(axis=1)
    >>> net.add(nn.Identity(), nn.HybridLambda("negative"))
    >>> net(mx.np.array([[1.0, 2.0]]))
    array([[ 1.,  2., -1., -2.]])
    """

    _hint = "hybridconcurrent"

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """Call the children on `x` and concatenate."""
        return _concatenate(self, x)

    def _empty(self) -> Any:
        return type(self)(axis=self.axis)
