"""Draws of random numbers.

Draws of standard distributions have no operands; scaling and shifting them is ordinary arithmetic.
Draws whose parameters are arrays take them as operands.  In a trace a draw is a node with the
effect `RANDOM`, which a pass turns into an input drawn by the caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ir.attrs import DType, Shape
from symgluon.ir.op import RANDOM, Op, S, op
from symgluon.ir.types import TensorType, broadcast_shapes
from symgluon.ops.families import float_operands
from symgluon.ops.generator import generator

_ONNX_FLOATS = {"float32": 1, "float16": 10, "float64": 11}


class _Draw(Op):
    """A draw without operands."""

    shape: Shape = ()
    dtype: DType = dtypes.float32
    effects = frozenset({RANDOM})
    no_grad = True

    def infer(self) -> TensorType:
        return TensorType(self.shape, self.dtype)

    def kernel(self) -> Any:
        shape = tuple(int(n) for n in self.shape)
        kind = np.float64 if self.dtype == np.float64 else np.float32
        return np.asarray(self.draw(generator(), shape, kind), self.dtype)

    def draw(self, rng: Any, shape: tuple[int, ...], kind: Any) -> Any:
        """Draw an array of `kind`, float32 or float64."""
        raise AttributeValueError(f"{self.name}: no such distribution")

    def _onnx_like(self, g: Any, name: str, **attrs: Any) -> Any:
        """Emit a draw by ONNX's own generator."""
        if self.dtype.name not in _ONNX_FLOATS:
            return NotImplemented
        code = _ONNX_FLOATS[self.dtype.name]
        if all(isinstance(n, int) for n in self.shape):
            return g.op(name, (), shape=list(self.shape), dtype=code, **attrs)
        like = g.ConstantOfShape(g.shape_vector(self.shape))
        return g.op(f"{name}Like", (like,), dtype=code, **attrs)

    samples = [S(shape=(2, 3)), S(shape=()), S(shape=(0, 2)), S(shape=(4,), dtype="float64")]


@op()
class RandomUniform(_Draw):
    """Uniform over [0, 1)."""

    def draw(self, rng: Any, shape: tuple[int, ...], kind: Any) -> Any:
        return rng.random(shape, dtype=kind)

    def onnx(self, g: Any) -> Any:
        return self._onnx_like(g, "RandomUniform", low=0.0, high=1.0)


@op()
class RandomNormal(_Draw):
    """Normal with mean 0 and deviation 1."""

    def draw(self, rng: Any, shape: tuple[int, ...], kind: Any) -> Any:
        return rng.standard_normal(shape, dtype=kind)

    def onnx(self, g: Any) -> Any:
        return self._onnx_like(g, "RandomNormal", mean=0.0, scale=1.0)


@op()
class RandomExponential(_Draw):
    """Exponential with mean 1."""

    def draw(self, rng: Any, shape: tuple[int, ...], kind: Any) -> Any:
        return rng.standard_exponential(shape, dtype=kind)


@op()
class RandomRandint(Op):
    """Integers from `low` up to but without `high`, all equally likely."""

    low: int
    high: int
    shape: Shape = ()
    dtype: DType = dtypes.int32
    effects = frozenset({RANDOM})
    no_grad = True

    def infer(self) -> TensorType:
        return TensorType(self.shape, self.dtype)

    def kernel(self) -> Any:
        if self.high <= self.low:
            raise AttributeValueError(f"randint: high {self.high} is not above low {self.low}")
        shape = tuple(int(n) for n in self.shape)
        drawn = generator().integers(int(self.low), int(self.high), shape, dtype=np.int64)
        return np.asarray(drawn).astype(self.dtype)

    samples = [S(low=0, high=10, shape=(2, 3)), S(low=-5, high=-2, shape=(), dtype="int64")]


@op()
class RandomPermutation(Op):
    """The places 0 ... n - 1 in random order, int64."""

    n: Any
    effects = frozenset({RANDOM})
    no_grad = True

    def infer(self) -> TensorType:
        return TensorType((self.n,), np.dtype(np.int64))

    def kernel(self) -> Any:
        return generator().permutation(int(self.n))

    samples = [S(n=5), S(n=0)]


# ---- parameters as operands ------------------------------------------------------------------
class _Drawn(Op):
    """One draw (or `shape` of them, in new last axes) for each element of the operands."""

    shape: Shape = ()
    dtype: DType = dtypes.float32
    effects = frozenset({RANDOM})
    no_grad = True
    coerce = staticmethod(float_operands)

    def _type(self, *operands: TensorType) -> TensorType:
        lead = broadcast_shapes(*[o.shape for o in operands])
        return TensorType((*lead, *self.shape), self.dtype)

    def _arrays(self, *operands: Any) -> tuple[Any, ...]:
        """Operands spread over the draws, in float64."""
        wide = [np.asarray(o, np.float64) for o in np.broadcast_arrays(*operands)]
        shape = tuple(int(n) for n in self.shape)
        return tuple(
            [
                np.broadcast_to(o.reshape(o.shape + (1,) * len(shape)), o.shape + shape)
                for o in wide
            ]
        )


@op()
class RandomGamma(_Drawn):
    """Gamma with shape `alpha` and scale 1."""

    def infer(self, alpha: TensorType) -> TensorType:
        return self._type(alpha)

    def kernel(self, alpha: Any) -> Any:
        (a,) = self._arrays(alpha)
        return np.asarray(generator().standard_gamma(a)).astype(self.dtype)

    samples = [S(lambda rng: rng.uniform(1, 3, (2,))), S(np.array(2.0), shape=(3,))]


@op()
class RandomPoisson(_Drawn):
    """Poisson with mean `lam`."""

    def infer(self, lam: TensorType) -> TensorType:
        return self._type(lam)

    def kernel(self, lam: Any) -> Any:
        (a,) = self._arrays(lam)
        return np.asarray(generator().poisson(a)).astype(self.dtype)

    samples = [S(lambda rng: rng.uniform(1, 3, (2,))), S(np.array(2.0), shape=(3,))]


@op()
class RandomBinomial(_Drawn):
    """Number of successes among `n` trials of probability `p`."""

    def infer(self, n: TensorType, p: TensorType) -> TensorType:
        return self._type(n, p)

    def kernel(self, n: Any, p: Any) -> Any:
        trials, chance = self._arrays(n, p)
        drawn = generator().binomial(trials.astype(np.int64), chance)
        return np.asarray(drawn).astype(self.dtype)

    samples = [
        S(np.array([3.0, 5.0]), np.array([0.5, 0.25])),
        S(np.array(4.0), np.array(0.5), shape=(3,)),
    ]


@op()
class RandomCategorical(Op):
    """Places drawn with the probabilities in the last axis of `prob`, `shape` of them a row."""

    shape: Shape = ()
    dtype: DType = dtypes.int32
    effects = frozenset({RANDOM})
    no_grad = True

    def infer(self, prob: TensorType) -> TensorType:
        if prob.rank < 1:
            raise ShapeError("random_categorical: the probabilities are a vector or rows of them")
        return TensorType((*prob.known_shape[:-1], *self.shape), self.dtype)

    def kernel(self, prob: Any) -> Any:
        shape = tuple(int(n) for n in self.shape)
        lead = prob.shape[:-1]
        total = np.cumsum(prob.astype(np.float64), axis=-1)
        # scaled by the total, so that rows that sum to 0.9999999 never run over their end
        draws = generator().random(lead + shape)
        scale = total[..., -1].reshape(lead + (1,) * len(shape))
        steps = total.reshape(lead + (1,) * len(shape) + (prob.shape[-1],))
        places = (steps <= (draws * scale)[..., None]).sum(axis=-1)
        return np.minimum(places, prob.shape[-1] - 1).astype(self.dtype)

    samples = [S(np.array([0.2, 0.8])), S(np.array([[0.5, 0.5], [1.0, 0.0]]), shape=(3,))]


@op()
class RandomMultinomial(Op):
    """How often each place is drawn in `n` draws with the probabilities `pvals` (last axis)."""

    n: int
    shape: Shape = ()
    dtype: DType = dtypes.int64
    effects = frozenset({RANDOM})
    no_grad = True

    def infer(self, pvals: TensorType) -> TensorType:
        return TensorType(
            (*pvals.known_shape[:-1], *self.shape, pvals.known_shape[-1]), self.dtype
        )

    def kernel(self, pvals: Any) -> Any:
        shape = tuple(int(k) for k in self.shape)
        wide = pvals.astype(np.float64)
        total = wide.sum(axis=-1, keepdims=True)
        if (wide < 0).any() or (total > 1 + 1e-5).any():
            raise AttributeValueError("multinomial: probabilities are at least 0 and sum to 1")
        wide = wide / np.where(total > 1, total, 1)
        lead = wide.shape[:-1]
        spread = np.broadcast_to(
            wide.reshape(*lead, *(1,) * len(shape), wide.shape[-1]),
            (*lead, *shape, wide.shape[-1]),
        )
        if not spread.size:  # no places, or no draws: NumPy refuses the first
            return np.zeros(spread.shape, self.dtype)
        return np.asarray(generator().multinomial(self.n, spread)).astype(self.dtype)

    samples = [S(np.array([0.25, 0.75]), n=4), S(np.array([0.5, 0.5]), n=3, shape=(2,))]
