"""Operators and the mechanisms they run through: handles, tape, regions, the dispatcher."""

from symgluon.ops import (  # noqa: F401  (importing a family declares its operators)
    core,
    elementwise,
    reduce,
    shape,
)
from symgluon.ops.apply import F, apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

__all__ = ["Array", "F", "apply", "state", "wrap"]
