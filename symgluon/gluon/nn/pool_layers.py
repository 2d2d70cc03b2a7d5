"""Pooling layers (seed: ``gluon.nn``)."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.nn.common import call, check_layout, run, tuple_of
from symgluon.ir.op import OPS
from symgluon.ops import legacy_nn

__all__ = [
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
]


class _Pooling(HybridBlock):
    """What the poolings share."""

    _hint = "pool"
    _op: Any = None

    def __init__(
        self,
        rank: int,
        pool_type: str,
        pool_size: Any,
        strides: Any,
        padding: Any,
        layout: str,
        ceil_mode: bool,
        count_include_pad: bool | None = None,
        global_pool: bool = False,
        **kwargs: Any,
    ) -> None:
        check_layout(layout, rank, type(self).__name__)
        super().__init__(**kwargs)
        size = tuple_of(pool_size, rank, "pool_size")
        self._kwargs: dict[str, Any] = {
            "kernel": size,
            "stride": size if strides is None else tuple_of(strides, rank, "strides"),
            "pad": tuple_of(padding, rank, "padding"),
            "global_pool": global_pool,
            "pool_type": pool_type,
            "layout": layout,
            "pooling_convention": "full" if ceil_mode else "valid",
        }
        if count_include_pad is not None:
            self._kwargs["count_include_pad"] = count_include_pad

    def forward(self, x: Any) -> Any:
        """Pool `x`."""
        kw = self._kwargs
        if kw["layout"].endswith("C"):
            return call(legacy_nn.pooling, x, **kw)
        if self._op is None:
            self._op = self._bound()
        return run(self._op, x)

    def _bound(self) -> Any:
        """Return the operator of a layer with the channels first."""
        kw = self._kwargs
        if kw["global_pool"]:
            return OPS["global_pooling"](mode=kw["pool_type"])
        return OPS["pooling"](
            kernel_shape=kw["kernel"],
            stride=kw["stride"],
            pad=kw["pad"],
            mode=kw["pool_type"],
            ceil=kw["pooling_convention"] == "full",
            count_include_pad=kw.get("count_include_pad", True),
        )

    def __repr__(self) -> str:
        kw = self._kwargs
        ceil = kw["pooling_convention"] == "full"
        return (
            f"{type(self).__name__}(size={kw['kernel']}, stride={kw['stride']}, "
            f"padding={kw['pad']}, ceil_mode={ceil}, global_pool={kw['global_pool']}, "
            f"pool_type={kw['pool_type']}, layout={kw['layout']})"
        )


class MaxPool1D(_Pooling):
    """Largest value of each window over 1 spatial axis.

    Parameters
    ----------
    pool_size : int or tuple of one int
        Size of the window.
    strides : int or tuple of one int, optional
        Its step; `pool_size` if left out.
    padding : int or tuple of one int
        What is added on either side: never the largest.
    layout : str
        ``NCW`` or ``NWC``: the order of the axes of `x` and of the output.
    ceil_mode : bool
        Round the number of windows up, not down.

    Inputs
    ------
    x : array (N, C, W), float or int
        In the order of `layout`.

    Outputs
    -------
    array (N, C, W'), dtype of `x`
        Along each spatial axis of size n: ``(n + 2 * padding - pool_size) // strides + 1``, with
        `ceil_mode` rounded up.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    Source: MXNet's ``gluon.nn.MaxPool1D``; ONNX MaxPool.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.MaxPool1D()(mx.np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    array([[[2., 4.]]])
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = 0,
        layout: str = "NCW",
        ceil_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1, "max", pool_size, strides, padding, layout, ceil_mode, None, False, **kwargs
        )


class MaxPool2D(_Pooling):
    """Largest value of each window over 2 spatial axes.

    Parameters
    ----------
    pool_size : int or tuple of int
        Size of the window.
    strides : int or tuple of int, optional
        Its step; `pool_size` if left out.
    padding : int or tuple of int
        What is added on either side: never the largest.
    layout : str
        ``NCHW`` or ``NHWC``: the order of the axes of `x` and of the output.
    ceil_mode : bool
        Round the number of windows up, not down.

    Inputs
    ------
    x : array (N, C, H, W), float or int
        In the order of `layout`.

    Outputs
    -------
    array (N, C, H', W'), dtype of `x`
        Along each spatial axis of size n: ``(n + 2 * padding - pool_size) // strides + 1``, with
        `ceil_mode` rounded up.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    Source: MXNet's ``gluon.nn.MaxPool2D``; ONNX MaxPool.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.MaxPool2D()(mx.np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[5., 7.]]]])
    >>> mx.gluon.nn.MaxPool2D(3, strides=2, ceil_mode=True)(mx.np.ones((1, 1, 6, 6))).shape
    (1, 1, 3, 3)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = 0,
        layout: str = "NCHW",
        ceil_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2, "max", pool_size, strides, padding, layout, ceil_mode, None, False, **kwargs
        )


class MaxPool3D(_Pooling):
    """Largest value of each window over 3 spatial axes.

    Parameters
    ----------
    pool_size : int or tuple of int
        Size of the window.
    strides : int or tuple of int, optional
        Its step; `pool_size` if left out.
    padding : int or tuple of int
        What is added on either side: never the largest.
    ceil_mode : bool
        Round the number of windows up, not down.
    layout : str
        ``NCDHW`` or ``NDHWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, D, H, W), float or int
        In the order of `layout`.

    Outputs
    -------
    array (N, C, D', H', W'), dtype of `x`
        Along each spatial axis of size n: ``(n + 2 * padding - pool_size) // strides + 1``, with
        `ceil_mode` rounded up.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    Source: MXNet's ``gluon.nn.MaxPool3D``; ONNX MaxPool.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.MaxPool3D()(mx.np.ones((1, 2, 4, 4, 6))).shape
    (1, 2, 2, 2, 3)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str = "NCDHW",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3, "max", pool_size, strides, padding, layout, ceil_mode, None, False, **kwargs
        )


class AvgPool1D(_Pooling):
    """Mean of each window over 1 spatial axis.

    Parameters
    ----------
    pool_size : int or tuple of one int
        Size of the window.
    strides : int or tuple of one int, optional
        Its step; `pool_size` if left out.
    padding : int or tuple of one int
        What is added on either side: zeros.
    layout : str
        ``NCW`` or ``NWC``: the order of the axes of `x` and of the output.
    ceil_mode : bool
        Round the number of windows up, not down.
    count_include_pad : bool
        Whether the padding counts in the number of values.

    Inputs
    ------
    x : array (N, C, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, C, W'), dtype of `x`
        Along each spatial axis of size n: ``(n + 2 * padding - pool_size) // strides + 1``, with
        `ceil_mode` rounded up.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    Source: MXNet's ``gluon.nn.AvgPool1D``; ONNX AveragePool.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.AvgPool1D()(mx.np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    array([[[1.5, 3.5]]])
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = 0,
        layout: str = "NCW",
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1,
            "avg",
            pool_size,
            strides,
            padding,
            layout,
            ceil_mode,
            count_include_pad,
            False,
            **kwargs,
        )


class AvgPool2D(_Pooling):
    """Mean of each window over 2 spatial axes.

    Parameters
    ----------
    pool_size : int or tuple of int
        Size of the window.
    strides : int or tuple of int, optional
        Its step; `pool_size` if left out.
    padding : int or tuple of int
        What is added on either side: zeros.
    ceil_mode : bool
        Round the number of windows up, not down.
    layout : str
        ``NCHW`` or ``NHWC``: the order of the axes of `x` and of the output.
    count_include_pad : bool
        Whether the padding counts in the number of values.

    Inputs
    ------
    x : array (N, C, H, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, C, H', W'), dtype of `x`
        Along each spatial axis of size n: ``(n + 2 * padding - pool_size) // strides + 1``, with
        `ceil_mode` rounded up.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    Source: MXNet's ``gluon.nn.AvgPool2D``; ONNX AveragePool.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.AvgPool2D()(mx.np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[2.5, 4.5]]]])
    >>> mx.gluon.nn.AvgPool2D(3, strides=2, ceil_mode=True)(mx.np.ones((1, 1, 6, 6))).shape
    (1, 1, 3, 3)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str = "NCHW",
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2,
            "avg",
            pool_size,
            strides,
            padding,
            layout,
            ceil_mode,
            count_include_pad,
            False,
            **kwargs,
        )


class AvgPool3D(_Pooling):
    """Mean of each window over 3 spatial axes.

    Parameters
    ----------
    pool_size : int or tuple of int
        Size of the window.
    strides : int or tuple of int, optional
        Its step; `pool_size` if left out.
    padding : int or tuple of int
        What is added on either side: zeros.
    ceil_mode : bool
        Round the number of windows up, not down.
    layout : str
        ``NCDHW`` or ``NDHWC``: the order of the axes of `x` and of the output.
    count_include_pad : bool
        Whether the padding counts in the number of values.

    Inputs
    ------
    x : array (N, C, D, H, W), float
        In the order of `layout`.

    Outputs
    -------
    array (N, C, D', H', W'), dtype of `x`
        Along each spatial axis of size n: ``(n + 2 * padding - pool_size) // strides + 1``, with
        `ceil_mode` rounded up.

    Raises
    ------
    AssertionError
        For another layout, or a window of another rank.

    Notes
    -----
    Source: MXNet's ``gluon.nn.AvgPool3D``; ONNX AveragePool.

    Examples
    --------
    >>> import symgluon as mx
    >>> mx.gluon.nn.AvgPool3D()(mx.np.ones((1, 2, 4, 4, 6))).shape
    (1, 2, 2, 2, 3)
    """

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str = "NCDHW",
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3,
            "avg",
            pool_size,
            strides,
            padding,
            layout,
            ceil_mode,
            count_include_pad,
            False,
            **kwargs,
        )


class GlobalMaxPool1D(_Pooling):
    """Largest value of each channel over its spatial axis, which stays with size 1.

    Parameters
    ----------
    layout : str
        ``NCW`` or ``NWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, W), float

    Outputs
    -------
    array (N, C, 1), dtype of `x`

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GlobalMaxPool1D``; ONNX GlobalMaxPool.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.arange(4.0).reshape(1, 2, 2)
    >>> mx.gluon.nn.GlobalMaxPool1D()(x).reshape(2)
    array([1., 3.])
    """

    def __init__(self, layout: str = "NCW", **kwargs: Any) -> None:
        super().__init__(1, "max", 1, None, 0, layout, True, None, True, **kwargs)


class GlobalMaxPool2D(_Pooling):
    """Largest value of each channel over its 2 spatial axes, which stay with size 1.

    Parameters
    ----------
    layout : str
        ``NCHW`` or ``NHWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, C, 1, 1), dtype of `x`

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GlobalMaxPool2D``; ONNX GlobalMaxPool.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.arange(8.0).reshape(1, 2, 2, 2)
    >>> mx.gluon.nn.GlobalMaxPool2D()(x).reshape(2)
    array([3., 7.])
    """

    def __init__(self, layout: str = "NCHW", **kwargs: Any) -> None:
        super().__init__(2, "max", 1, None, 0, layout, True, None, True, **kwargs)


class GlobalMaxPool3D(_Pooling):
    """Largest value of each channel over its 3 spatial axes, which stay with size 1.

    Parameters
    ----------
    layout : str
        ``NCDHW`` or ``NDHWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, D, H, W), float

    Outputs
    -------
    array (N, C, 1, 1, 1), dtype of `x`

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GlobalMaxPool3D``; ONNX GlobalMaxPool.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.arange(16.0).reshape(1, 2, 2, 2, 2)
    >>> mx.gluon.nn.GlobalMaxPool3D()(x).reshape(2)
    array([ 7., 15.])
    """

    def __init__(self, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__(3, "max", 1, None, 0, layout, True, None, True, **kwargs)


class GlobalAvgPool1D(_Pooling):
    """Mean of each channel over its spatial axis, which stays with size 1.

    Parameters
    ----------
    layout : str
        ``NCW`` or ``NWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, W), float

    Outputs
    -------
    array (N, C, 1), dtype of `x`

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GlobalAvgPool1D``; ONNX GlobalAveragePool.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.arange(4.0).reshape(1, 2, 2)
    >>> mx.gluon.nn.GlobalAvgPool1D()(x).reshape(2)
    array([0.5, 2.5])
    """

    def __init__(self, layout: str = "NCW", **kwargs: Any) -> None:
        super().__init__(1, "avg", 1, None, 0, layout, True, None, True, **kwargs)


class GlobalAvgPool2D(_Pooling):
    """Mean of each channel over its 2 spatial axes, which stay with size 1.

    Parameters
    ----------
    layout : str
        ``NCHW`` or ``NHWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, H, W), float

    Outputs
    -------
    array (N, C, 1, 1), dtype of `x`

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GlobalAvgPool2D``; ONNX GlobalAveragePool.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.arange(8.0).reshape(1, 2, 2, 2)
    >>> mx.gluon.nn.GlobalAvgPool2D()(x).reshape(2)
    array([1.5, 5.5])
    """

    def __init__(self, layout: str = "NCHW", **kwargs: Any) -> None:
        super().__init__(2, "avg", 1, None, 0, layout, True, None, True, **kwargs)


class GlobalAvgPool3D(_Pooling):
    """Mean of each channel over its 3 spatial axes, which stay with size 1.

    Parameters
    ----------
    layout : str
        ``NCDHW`` or ``NDHWC``: the order of the axes of `x` and of the output.

    Inputs
    ------
    x : array (N, C, D, H, W), float

    Outputs
    -------
    array (N, C, 1, 1, 1), dtype of `x`

    Raises
    ------
    AssertionError
        For another layout.

    Notes
    -----
    Source: MXNet's ``gluon.nn.GlobalAvgPool3D``; ONNX GlobalAveragePool.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.arange(16.0).reshape(1, 2, 2, 2, 2)
    >>> mx.gluon.nn.GlobalAvgPool3D()(x).reshape(2)
    array([ 3.5, 11.5])
    """

    def __init__(self, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__(3, "avg", 1, None, 0, layout, True, None, True, **kwargs)
