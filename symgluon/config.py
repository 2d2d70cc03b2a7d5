"""Environment switches: the only module that reads them.

====================  =======================  ====================================================
variable              default                  meaning
====================  =======================  ====================================================
SYMGLUON_BACKEND      (the caller's choice)    backend of every hybridized block, whatever it asked
SYMGLUON_VERIFY       0                        1: verify the IR after each pass
SYMGLUON_EAGER_ORT    1                        0: eager operators always run as NumPy kernels
SYMGLUON_THREADS      OMP_NUM_THREADS, else    threads of one compiled graph and of the eager pool
                      the usable CPUs
====================  =======================  ====================================================

They are read at each call, so a change in ``os.environ`` counts from then on.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from symgluon.errors import AttributeValueError

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def _flag(name: str, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise AttributeValueError(f"environment variable {name}", expected="0 or 1", received=text)


def _count(name: str, text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise AttributeValueError(
        f"environment variable {name}", expected="a positive number of threads", received=text
    )


def backend() -> str | None:
    """Return the backend that overrides the caller's choice, None if there is none."""
    return os.environ.get("SYMGLUON_BACKEND", "").strip() or None


def verify() -> bool:
    """Whether the IR is verified after each pass."""
    return _flag("SYMGLUON_VERIFY", False)


def eager_ort() -> bool:
    """Whether eager operators may run in one-operator ONNX Runtime sessions."""
    return _flag("SYMGLUON_EAGER_ORT", True)


def threads() -> int:
    """Return the number of threads for one compiled graph, at least 1.

    ``OMP_NUM_THREADS`` may be a list (one number a nesting level); the first counts.
    """
    own = os.environ.get("SYMGLUON_THREADS", "").strip()
    if own:
        return _count("SYMGLUON_THREADS", own)
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first:
        return _count("OMP_NUM_THREADS", first)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


#: variable -> function that reads it, for `symgluon doctor`
SWITCHES: dict[str, Callable[[], object]] = {
    "SYMGLUON_BACKEND": backend,
    "SYMGLUON_VERIFY": verify,
    "SYMGLUON_EAGER_ORT": eager_ort,
    "SYMGLUON_THREADS": threads,
}
