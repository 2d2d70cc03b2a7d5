"""Which numbers are parameters of which distribution: what is none would give numbers silently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from symgluon.errors import AttributeValueError
from symgluon.ops.array import Array


class Range(NamedTuple):
    """Where a parameter lies.

    Parameters
    ----------
    place : int
        Which parameter.
    name : str
        Its name.
    zero : bool
        Whether it may be 0.
    most : float
        Its largest value.
    """

    place: int
    name: str
    zero: bool
    most: float = np.inf


#: by the name of the distribution in :mod:`symgluon.ops.distributions`
RANGES: dict[str, tuple[Range, ...]] = {
    "normal": (Range(1, "scale", True),),
    "gumbel": (Range(1, "scale", True),),
    "logistic": (Range(1, "scale", True),),
    "lognormal": (Range(1, "sigma", True),),
    "exponential": (Range(0, "scale", True),),
    "rayleigh": (Range(0, "scale", True),),
    "weibull": (Range(0, "a", False),),
    "pareto": (Range(0, "a", False),),
    "power": (Range(0, "a", False),),
    "gamma": (Range(0, "shape", False), Range(1, "scale", False)),
    "chisquare": (Range(0, "df", False),),
    "beta": (Range(0, "a", False), Range(1, "b", False)),
    "f": (Range(0, "dfnum", False), Range(1, "dfden", False)),
    "poisson": (Range(0, "lam", True),),
    "bernoulli": (Range(0, "prob", True, 1.0),),
}


def check(distribution: str, parameters: Sequence[Any]) -> None:
    """Refuse parameters outside of their range; those of a trace have no numbers to look at.

    Parameters
    ----------
    distribution : str
        A key of `RANGES`; others take any number.
    parameters : sequence of array or number
        In the order of the distribution.

    Raises
    ------
    AttributeValueError
        For the first parameter that holds another number.
    """
    for place, name, zero, most in RANGES.get(distribution, ()):
        value = parameters[place]
        numbers = value._content() if isinstance(value, Array) else np.asarray(value)
        if type(numbers) is not np.ndarray:
            continue
        wrong = (numbers < 0) | (numbers > most)
        if not zero:
            wrong |= numbers == 0
        if wrong.any():
            least = "at least 0" if zero else "more than 0"
            raise AttributeValueError(
                f"random.{distribution}: {name}",
                expected=least if most == np.inf else f"{least} and at most {most:g}",
                received=str(numbers[wrong].flat[0]),
            )
