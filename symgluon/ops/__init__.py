"""Operators and the mechanisms they run through: handles, tape, regions, the dispatcher."""

from symgluon.ops import (  # noqa: F401  (importing a family declares its operators)
    activation,
    advanced,
    arrange,
    compare,
    conv,
    core,
    create,
    dynamic,
    elementwise,
    index,
    join,
    linalg,
    linalg_family,
    matrix,
    nn,
    norm,
    pool,
    predicate,
    random,
    reduce,
    rms_norm,
    rnn,
    scan,
    scatter,
    sequence,
    shape,
    sort,
    statistics,
    unary,
    vision,
)
from symgluon.ops import (  # noqa: F401  (MXNet's names, composed of the operators above)
    legacy_extra,
    legacy_loss,
    legacy_nn,
    legacy_random,
    legacy_reduce,
    legacy_scalar,
    legacy_shape,
    legacy_vision,
    numpy_edits,
    numpy_names,
)
from symgluon.ops.apply import F, apply
from symgluon.ops.array import Array, wrap
from symgluon.ops.state import state

__all__ = ["Array", "F", "apply", "state", "wrap"]
