"""Sliding-window attention: each place attends to `w` places before it (and after it).

Head h looks at places ``i + dilation[h] * (j - w)``, j = 0 ... ``2 w`` if symmetric, else ``w``.
Source: arXiv:2004.05150, section 3.1; places outside the sequence score 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon.ir.op import Op, S, op
from symgluon.ir.types import TensorType
from symgluon.ops.apply import F
from symgluon.ops.checks import check_dtypes, check_rank, check_shape
from symgluon.ops.sequence import own_types

_ZERO = np.asarray(0, np.int64)


class _Window(Op):
    w: int
    symmetric: bool
    coerce = staticmethod(own_types)

    @property
    def width(self) -> int:
        """Places that one place looks at."""
        return 2 * self.w + 1 if self.symmetric else self.w + 1

    def places(self, dilation: Any, length: Any) -> Any:
        """Where each place looks, (L, H, width)."""
        heads = dilation.shape[0]
        steps = np.arange(self.width, dtype=np.int64) - self.w
        far = F.reshape(F.cast(dilation, dtype="int64"), shape=(1, heads, 1)) * steps
        start = F.arange(start=0, stop=length, step=1, dtype="int64")
        return F.reshape(start, shape=(length, 1, 1)) + far

    def gathered(self, x: Any, dilation: Any) -> Any:
        """What each place looks at in x (B, L, H, D), 0 outside: (L, H, width, B, D)."""
        _, length, heads, _ = x.shape
        places = self.places(dilation, length)
        inside = F.logical_and(F.greater_equal(places, _ZERO), F.less(places, _length(length)))
        places = F.where(inside, places, _ZERO)
        head = F.reshape(F.arange(start=0, stop=heads, step=1, dtype="int64"), shape=(1, heads, 1))
        head = F.broadcast_to(head, shape=(length, heads, self.width))
        rows = F.transpose(x, axes=(1, 2, 0, 3))
        found = F.gather_nd(rows, F.stack(places, head, axis=0))
        real = F.reshape(inside, shape=(length, heads, self.width, 1, 1))
        return found * F.cast(real, dtype=x.dtype)

    def check(self, x: TensorType, dilation: TensorType, what: str) -> None:
        """Require x (B, L, H, D) and dilation (H,)."""
        check_rank(self.name, what, x.shape, 4, 4)
        check_shape(self.name, "dilation", dilation.shape, (x.known_shape[2],))


def _length(length: Any) -> Any:
    return np.asarray(length, np.int64) if isinstance(length, int) else F.dim_value(dim=length)


DILATION = np.array([1, 2], np.int32)


@op(mx="_contrib_sldwin_atten_score _npx_sldwin_atten_score")
class SldwinAttenScore(_Window):
    """Scores (B, L, H, width) of query and key (B, L, H, D)."""

    def infer(self, query: TensorType, key: TensorType, dilation: TensorType) -> TensorType:
        check_dtypes(self.name, query, key)
        self.check(query, dilation, "query")
        check_shape(self.name, "key", key.shape, query.known_shape)
        return query.with_shape((*query.known_shape[:3], self.width))

    def decompose(self, query: Any, key: Any, dilation: Any) -> Any:
        rows = F.transpose(query, axes=(1, 2, 0, 3))
        length, heads, batch, depth = rows.shape
        rows = F.reshape(rows, shape=(length, heads, 1, batch, depth))
        score = F.sum(rows * self.gathered(key, dilation), axis=-1)
        return F.transpose(score, axes=(3, 0, 1, 2))

    samples = [
        S((2, 5, 2, 3), (2, 5, 2, 3), DILATION, w=2, symmetric=True),
        S((1, 4, 2, 2), (1, 4, 2, 2), DILATION, w=1, symmetric=False),
        S((1, 1, 2, 1), (1, 1, 2, 1), DILATION, w=3, symmetric=True),
    ]


@op(mx="_contrib_sldwin_atten_context _npx_sldwin_atten_context")
class SldwinAttenContext(_Window):
    """Values (B, L, H, D) weighted by score (B, L, H, width)."""

    def infer(self, score: TensorType, value: TensorType, dilation: TensorType) -> TensorType:
        check_dtypes(self.name, score, value)
        self.check(value, dilation, "value")
        check_shape(self.name, "score", score.shape, (*value.known_shape[:3], self.width))
        return value

    def decompose(self, score: Any, value: Any, dilation: Any) -> Any:
        weight = F.transpose(score, axes=(1, 2, 3, 0))
        weight = F.reshape(weight, shape=(*weight.shape, 1))
        context = F.sum(weight * self.gathered(value, dilation), axis=2)
        return F.transpose(context, axes=(2, 0, 1, 3))

    samples = [
        S((2, 5, 2, 5), (2, 5, 2, 3), DILATION, w=2, symmetric=True),
        S((1, 4, 2, 2), (1, 4, 2, 2), DILATION, w=1, symmetric=False),
        S((1, 1, 2, 7), (1, 1, 2, 1), DILATION, w=3, symmetric=True),
    ]


@op(mx="_contrib_sldwin_atten_mask_like _npx_sldwin_atten_mask_like")
class SldwinAttenMaskLike(_Window):
    """1 where a score (B, L, H, width) is of two places before the end of its sequence, else 0."""

    no_grad = True

    def infer(
        self, score: TensorType, dilation: TensorType, valid_length: TensorType
    ) -> TensorType:
        self.check(score, dilation, "score")
        check_shape(self.name, "score", score.shape, (*score.known_shape[:3], self.width))
        check_shape(self.name, "valid_length", valid_length.shape, score.known_shape[:1])
        return score

    def decompose(self, score: Any, dilation: Any, valid_length: Any) -> Any:
        batch, length, _, _ = score.shape
        places = self.places(dilation, length)
        ends = F.reshape(F.cast(valid_length, dtype="int64"), shape=(batch, 1, 1, 1))
        own = F.arange(start=0, stop=length, step=1, dtype="int64")
        own = F.reshape(own, shape=(length, 1, 1))
        seen = F.logical_and(F.greater_equal(places, _ZERO), F.less(places, ends))
        return F.cast(F.logical_and(seen, F.less(own, ends)), dtype=score.dtype)

    samples = [
        S((2, 5, 2, 5), DILATION, np.array([5, 3], np.int32), w=2, symmetric=True),
        S((1, 4, 2, 2), DILATION, np.array([0], np.int32), w=1, symmetric=False),
    ]
