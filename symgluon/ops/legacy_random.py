"""MXNet's operators that draw random numbers: ``_random_*``, ``_sample_*``, ``_npi_*``."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.ir.attrs import DType, Shape
from symgluon.ir.types import broadcast_shapes
from symgluon.ops import distributions as d
from symgluon.ops.apply import F
from symgluon.ops.array import Array
from symgluon.ops.mx import mx_function

Distribution = d.Distribution


def _size(shape: Any) -> tuple[Any, ...]:
    """Shape of a 1.x draw: one number is an array of one element."""
    return tuple(shape) if shape else (1,)


# ---- parameters as attributes: _random_* --------------------------------------------------------
def _kind(text: str | None, default: Any = None) -> Any:
    """Dtype of a draw; MXNet writes None for its default."""
    if text in (None, "None", ""):
        return dtypes.float32 if default is None else default
    return dtypes.resolve(text)


def _two(name: str, distribution: Distribution, first: str, second: str, values: Any) -> None:
    """Declare ``_random_NAME`` with two parameters, ``_random_NAME_like`` and ``_sample_NAME``."""

    def attributes(kwargs: dict[str, Any]) -> tuple[Any, Any]:
        return kwargs[first], kwargs[second]

    def draw(*, shape: Shape = (), dtype: str | None = None, **kwargs: Any) -> Any:
        return distribution(_size(shape), _kind(dtype), *attributes(kwargs))

    def like(data: Any, **kwargs: Any) -> Any:
        return distribution(data.shape, data.dtype, *attributes(kwargs))

    def sample(a: Any, b: Any, *, shape: Shape = (), dtype: str | None = None) -> Any:
        return _sample(distribution, (a, b), shape, dtype)

    _describe(name, draw, like, sample)
    extra = {first: values[0], second: values[1]}
    alias = f"random_{name}" + (f" {name}" if name in ("uniform", "normal") else "")
    _declare(draw, extra, f"_random_{name} {alias}")
    _declare(like, extra, f"_random_{name}_like")
    mx_function(f"_sample_{name} sample_{name}")(sample)


def _one(name: str, distribution: Distribution, parameter: str, value: float) -> None:
    """Declare the forms of a distribution of one parameter."""

    def draw(*, shape: Shape = (), dtype: str | None = None, **kwargs: Any) -> Any:
        return distribution(_size(shape), _kind(dtype), kwargs[parameter])

    def like(data: Any, **kwargs: Any) -> Any:
        return distribution(data.shape, data.dtype, kwargs[parameter])

    def sample(a: Any, *, shape: Shape = (), dtype: str | None = None) -> Any:
        return _sample(distribution, (a,), shape, dtype)

    _describe(name, draw, like, sample)
    extra = {parameter: value}
    _declare(draw, extra, f"_random_{name} random_{name}")
    _declare(like, extra, f"_random_{name}_like")
    mx_function(f"_sample_{name} sample_{name}")(sample)


def _describe(name: str, draw: Any, like: Any, sample: Any) -> None:
    what = name.replace("_", " ")
    draw.__doc__ = f"Draw from the {what} distribution."
    like.__doc__ = f"Draw from the {what} distribution, in the shape and dtype of `data`."
    sample.__doc__ = f"Draw from a {what} distribution for each element of the parameters."


def _declare(function: Any, floats: dict[str, float], names: str) -> None:
    """Register a function whose `floats` are attributes too, with these defaults."""
    import inspect

    own = inspect.signature(function)
    plain = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v, annotation="float")
        for k, v in floats.items()
    ]
    function.__signature__ = own.replace(parameters=[*plain, *added])
    mx_function(names)(function)


def _sample(distribution: Distribution, parameters: Any, shape: Any, dtype: Any) -> Any:
    """`shape` draws for each element of the parameters."""
    lead = broadcast_shapes(*[p.shape for p in parameters])
    ready = [
        F.reshape(F.broadcast_to(p, shape=lead), shape=(*lead, *(1,) * len(shape)))
        for p in parameters
    ]
    kind = parameters[0].dtype if parameters[0].dtype.kind == "f" else None
    return distribution((*lead, *shape), _kind(dtype, kind), *ready)


def _by_rate(shape: Any, dtype: Any, lam: Any) -> Any:
    """Exponential distribution by its rate, as 1.x has it."""
    scale = F.true_divide(1.0, lam) if isinstance(lam, Array) else 1.0 / lam
    return d.exponential(shape, dtype, scale)


_two("uniform", d.uniform, "low", "high", (0.0, 1.0))
_two("normal", d.normal, "loc", "scale", (0.0, 1.0))
_two("gamma", d.gamma, "alpha", "beta", (1.0, 1.0))
_two("binomial", d.binomial, "n", "p", (1.0, 0.5))
_two("negative_binomial", d.negative_binomial, "k", "p", (1.0, 1.0))
_two("generalized_negative_binomial", d.generalized_negative_binomial, "mu", "alpha", (1.0, 1.0))
_one("exponential", _by_rate, "lam", 1.0)
_one("poisson", d.poisson, "lam", 1.0)


@mx_function("_random_randint random_randint")
def randint(*, low: int, high: int, shape: Shape = (), dtype: str | None = None) -> Any:
    """Draw integers from [low, high)."""
    return F.random_randint(low=low, high=high, shape=_size(shape), dtype=_kind(dtype, "int32"))


@mx_function("_npi_random_randint")
def npi_randint(*, low: int, high: int, shape: Shape = (), dtype: str | None = None) -> Any:
    """Draw integers from [low, high); () is one number."""
    return F.random_randint(low=low, high=high, shape=shape, dtype=_kind(dtype, "int32"))


@mx_function("_sample_multinomial sample_multinomial _sample_categorical sample_categorical:rank1")
def sample_multinomial(
    data: Any, *, shape: Shape = (), get_prob: bool = False, dtype: DType = dtypes.int32
) -> Any:
    """Draw places with the probabilities in the last axis of `data`."""
    found = d.categorical(data, shape, dtype, get_prob)
    results = found if isinstance(found, tuple) else (found,)
    rank1 = [r if r.ndim else F.reshape(r, shape=(1,)) for r in results]
    return rank1 if get_prob else rank1[0]


@mx_function("_npx__random_categorical")
def npx_categorical(
    data: Any, *, shape: Shape = (), get_prob: bool = False, dtype: DType = dtypes.int32
) -> Any:
    """Draw places with the probabilities in the last axis of `data`."""
    return d.categorical(data, shape, dtype, get_prob)


@mx_function("_shuffle shuffle _npi_shuffle")
def shuffle(data: Any) -> Any:
    """Bring the rows into random order."""
    return F.take(data, F.random_permutation(n=data.shape[0]), axis=0, mode="clip")


# ---- 2.0: parameters as operands or attributes --------------------------------------------------
def _fill(operands: Any, *values: Any) -> list[Any]:
    """Parameters in order: an attribute, or the next operand where that is None."""
    queue = [o for o in operands if o is not None]
    return [queue.pop(0) if v is None else v for v in values]


def _shape_of(size: Any, parameters: Any, batch: bool = False) -> tuple[Any, ...]:
    spread = broadcast_shapes(*[p.shape for p in parameters if isinstance(p, Array)] or [()])
    if batch:
        return (*(size or ()), *spread)
    return spread if size is None else tuple(size)


def _npi_two(name: str, distribution: Distribution, first: str, second: str, batch: bool) -> None:
    def draw(
        input1: Any = None, input2: Any = None, *, size: Shape | None = None,
        dtype: str | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        parameters = _fill((input1, input2), kwargs[first], kwargs[second])
        kind = _kind(dtype, dtypes.default_float())
        return distribution(_shape_of(size, parameters, batch), kind, *parameters)

    draw.__doc__ = f"Draw from the {name.split('_')[2]} distribution."

    _declare_optional(draw, (first, second), name)


def _npi_one(name: str, distribution: Distribution, parameter: str) -> None:
    def draw(input1: Any = None, *, size: Shape | None = None, **kwargs: Any) -> Any:
        parameters = _fill((input1,), kwargs[parameter])
        return distribution(_shape_of(size, parameters), dtypes.default_float(), *parameters)

    draw.__doc__ = f"Draw from the {name.split('_')[2]} distribution."

    _declare_optional(draw, (parameter,), name)


def _declare_optional(function: Any, floats: Any, names: str) -> None:
    import inspect

    own = inspect.signature(function)
    plain = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            k, inspect.Parameter.KEYWORD_ONLY, default=None, annotation="float | None"
        )
        for k in floats
    ]
    function.__signature__ = own.replace(parameters=[*plain, *added])
    mx_function(names)(function)


for _name, _distribution, _first, _second in (
    ("uniform", d.uniform, "low", "high"),
    ("normal", d.normal, "loc", "scale"),
    ("gamma", d.gamma, "shape", "scale"),
    ("laplace", d.laplace, "loc", "scale"),
    ("gumbel", d.gumbel, "loc", "scale"),
    ("logistic", d.logistic, "loc", "scale"),
):
    _npi_two(f"_npi_{_name}", _distribution, _first, _second, batch=False)
_npi_two("_npi_uniform_n", d.uniform, "low", "high", batch=True)
_npi_two("_npi_normal_n", d.normal, "loc", "scale", batch=True)
for _name, _single, _first in (
    ("exponential", d.exponential, "scale"),
    ("rayleigh", d.rayleigh, "scale"),
    ("weibull", d.weibull, "a"),
    ("pareto", d.pareto, "a"),
    ("powerd", d.power, "a"),
):
    _npi_one(f"_npi_{_name}", _single, _first)


@mx_function("_npi_bernoulli")
def bernoulli(
    input1: Any = None,
    *,
    prob: float | None = None,
    logit: float | None = None,
    size: Shape | None = None,
    dtype: str | None = None,
    is_logit: bool = False,
) -> Any:
    """Draw ones with the probability `prob`, or ``sigmoid(logit)``."""
    import math

    chance: Any = input1 if input1 is not None else logit if is_logit else prob
    if is_logit:
        chance = F.sigmoid(chance) if isinstance(chance, Array) else 1 / (1 + math.exp(-chance))
    kind = _kind(dtype, dtypes.default_float())
    return d.bernoulli(_shape_of(size, (chance,)), kind, chance)


@mx_function("_npi_choice")
def choice(
    input1: Any = None,
    input2: Any = None,
    *,
    a: int | None = None,
    size: Shape | None = None,
    replace: bool = True,
    weighted: bool = False,
) -> Any:
    """Draw elements of an array, or places below `a`, perhaps with weights."""
    operands = [o for o in (input1, input2) if o is not None]
    source = operands.pop(0) if a is None else None
    n = a if source is None else source.shape[0]
    return d.choice(source, n, tuple(size or ()), replace, operands[0] if weighted else None)


@mx_function("_npi_multinomial")
def npi_multinomial(a: Any = None, *, n: int, pvals: Any = None, size: Shape | None = None) -> Any:
    """Count how often each outcome comes in `n` trials."""
    chances = np.asarray(pvals, np.float64) if a is None else a
    return F.random_multinomial(chances, n=n, shape=tuple(size or ()))


@mx_function("_npx_scalar_poisson")
def scalar_poisson(*, lam: float = 1.0, shape: Shape = (), dtype: str | None = None) -> Any:
    """Draw counts with mean `lam`."""
    return d.poisson(tuple(shape), _kind(dtype), lam)


@mx_function("_npx_tensor_poisson")
def tensor_poisson(lam: Any, *, shape: Shape = (), dtype: str | None = None) -> Any:
    """Draw `shape` counts for each mean in `lam`."""
    return _sample(d.poisson, (lam,), shape, dtype)
