"""Losses (MXNet's ``gluon.loss``).

Every loss returns one number a sample: it averages over every axis but ``batch_axis``.  ``weight``
is one factor for all, ``sample_weight`` an array that broadcasts against the loss of the entries.
"""

from symgluon.gluon.loss import distance, likelihood, margin
from symgluon.gluon.loss.base import Loss, _apply_weighting, _reshape_like  # noqa: F401
from symgluon.gluon.loss.distance import *  # noqa: F403
from symgluon.gluon.loss.likelihood import *  # noqa: F403
from symgluon.gluon.loss.margin import *  # noqa: F403

__all__ = ["Loss", *distance.__all__, *likelihood.__all__, *margin.__all__]
