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
    ) -> None:
        check_layout(layout, rank, type(self).__name__)
        super().__init__()
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
        """Pool."""
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
    pool_size, strides, padding : int or tuple of int
        Size of the window, its step (`pool_size` if left out), and what is added on either side.
    layout : str
        ``NCW`` or ``NWC``.
    ceil_mode : bool
        Round the number of windows up, not down.
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = 0,
        layout: str = "NCW",
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(1, "max", pool_size, strides, padding, layout, ceil_mode)


class MaxPool2D(_Pooling):
    """Largest value of each window over 2 spatial axes.

    Parameters
    ----------
    pool_size, strides, padding : int or tuple of int
        Size of the window, its step (`pool_size` if left out), and what is added on either side.
    layout : str
        ``NCHW`` or ``NHWC``.
    ceil_mode : bool
        Round the number of windows up, not down.
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = 0,
        layout: str = "NCHW",
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(2, "max", pool_size, strides, padding, layout, ceil_mode)


class MaxPool3D(_Pooling):
    """Largest value of each window over 3 spatial axes.

    Parameters
    ----------
    pool_size, strides, padding : int or tuple of int
        Size of the window, its step (`pool_size` if left out), and what is added on either side.
    layout : str
        ``NCDHW`` or ``NDHWC``.
    ceil_mode : bool
        Round the number of windows up, not down.
    """

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str = "NCDHW",
    ) -> None:
        super().__init__(3, "max", pool_size, strides, padding, layout, ceil_mode)


class AvgPool1D(_Pooling):
    """Mean of each window over 1 spatial axis.

    Parameters
    ----------
    pool_size, strides, padding : int or tuple of int
        Size of the window, its step (`pool_size` if left out), and what is added on either side.
    layout : str
        ``NCW`` or ``NWC``.
    ceil_mode : bool
        Round the number of windows up, not down.
    count_include_pad : bool
        Whether the padding counts in the number of elements.
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = 0,
        layout: str = "NCW",
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            1, "avg", pool_size, strides, padding, layout, ceil_mode, count_include_pad
        )


class AvgPool2D(_Pooling):
    """Mean of each window over 2 spatial axes.

    Parameters
    ----------
    pool_size, strides, padding : int or tuple of int
        Size of the window, its step (`pool_size` if left out), and what is added on either side.
    layout : str
        ``NCHW`` or ``NHWC``.
    ceil_mode : bool
        Round the number of windows up, not down.
    count_include_pad : bool
        Whether the padding counts in the number of elements.
    """

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str = "NCHW",
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            2, "avg", pool_size, strides, padding, layout, ceil_mode, count_include_pad
        )


class AvgPool3D(_Pooling):
    """Mean of each window over 3 spatial axes.

    Parameters
    ----------
    pool_size, strides, padding : int or tuple of int
        Size of the window, its step (`pool_size` if left out), and what is added on either side.
    layout : str
        ``NCDHW`` or ``NDHWC``.
    ceil_mode : bool
        Round the number of windows up, not down.
    count_include_pad : bool
        Whether the padding counts in the number of elements.
    """

    def __init__(
        self,
        pool_size: Any = (2, 2, 2),
        strides: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        layout: str = "NCDHW",
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            3, "avg", pool_size, strides, padding, layout, ceil_mode, count_include_pad
        )


class GlobalMaxPool1D(_Pooling):
    """Largest value of each channel over its 1 spatial axis, which stays with size 1."""

    def __init__(self, layout: str = "NCW") -> None:
        super().__init__(1, "max", 1, None, 0, layout, True, global_pool=True)


class GlobalMaxPool2D(_Pooling):
    """Largest value of each channel over all 2 spatial axes, which stay with size 1."""

    def __init__(self, layout: str = "NCHW") -> None:
        super().__init__(2, "max", 1, None, 0, layout, True, global_pool=True)


class GlobalMaxPool3D(_Pooling):
    """Largest value of each channel over all 3 spatial axes, which stay with size 1."""

    def __init__(self, layout: str = "NCDHW") -> None:
        super().__init__(3, "max", 1, None, 0, layout, True, global_pool=True)


class GlobalAvgPool1D(_Pooling):
    """Mean of each channel over its 1 spatial axis, which stays with size 1."""

    def __init__(self, layout: str = "NCW") -> None:
        super().__init__(1, "avg", 1, None, 0, layout, True, global_pool=True)


class GlobalAvgPool2D(_Pooling):
    """Mean of each channel over all 2 spatial axes, which stay with size 1."""

    def __init__(self, layout: str = "NCHW") -> None:
        super().__init__(2, "avg", 1, None, 0, layout, True, global_pool=True)


class GlobalAvgPool3D(_Pooling):
    """Mean of each channel over all 3 spatial axes, which stay with size 1."""

    def __init__(self, layout: str = "NCDHW") -> None:
        super().__init__(3, "avg", 1, None, 0, layout, True, global_pool=True)
