"""``gluon.contrib.nn`` of MXNet 1.x."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.nn import (
    Concatenate,
    Embedding,
    HybridConcatenate,
    Identity,
    PixelShuffle1D,
    PixelShuffle2D,
    PixelShuffle3D,
    SyncBatchNorm,
)

__all__ = [
    "Concurrent",
    "HybridConcurrent",
    "Identity",
    "PixelShuffle1D",
    "PixelShuffle2D",
    "PixelShuffle3D",
    "SparseEmbedding",
    "SyncBatchNorm",
]

#: 1.x's names of `Concatenate` and `HybridConcatenate`
Concurrent = Concatenate
HybridConcurrent = HybridConcatenate


class SparseEmbedding(Embedding):
    """`Embedding` whose gradient 1.x keeps by rows; here gradients are dense.

    Parameters
    ----------
    input_dim : int
        Number of different tokens.
    output_dim : int
        Size of the vectors.
    dtype : str or dtype
        Of the vectors.
    weight_initializer : str or Initializer, optional
        Of the vectors.

    Inputs
    ------
    data : array of any shape
        Tokens.

    Outputs
    -------
    out : array
        Shape of `data` and one axis of `output_dim` more, in `dtype`.

    Notes
    -----
    Source: ``gluon.contrib.nn.SparseEmbedding`` of MXNet 1.x.

    Examples
    --------
    >>> import symgluon as mx
    >>> layer = mx.gluon.contrib.nn.SparseEmbedding(4, 2)
    >>> layer.initialize(mx.init.One())
    >>> layer(mx.np.array([1, 3])).shape
    (2, 2)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_dim, output_dim, dtype, weight_initializer, True, **kwargs)
