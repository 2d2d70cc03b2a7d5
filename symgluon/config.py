"""Environment switches: the only module that reads them.

====================  =======================  ====================================================
variable              default                  meaning
====================  =======================  ====================================================
SYMGLUON_BACKEND      (the caller's choice)    backend of every hybridized block, whatever it asked
SYMGLUON_VERIFY       0                        1: verify the IR after each pass
SYMGLUON_PASSES       (none)                   passes switched off and on: ``-fuse_patterns,+NAME``
SYMGLUON_EAGER_ORT    1                        0: eager operators always run as NumPy kernels
SYMGLUON_THREADS      OMP_NUM_THREADS, else    threads of one compiled graph and of the eager pool
                      the usable CPUs
SYMGLUON_SPIN         1                        0: threads of a compiled graph never wait actively
SYMGLUON_CACHE_DIR    (none: off)              folder for compiled models; ``default``: the user's own
SYMGLUON_CACHE_SIZE   4G                       bytes kept there (``K``, ``M``, ``G``); 0: off
====================  =======================  ====================================================

They are read at each call, so a change in ``os.environ`` counts from then on.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from symgluon.errors import AttributeValueError

_CGROUP = "/sys/fs/cgroup"
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


def passes() -> str | None:
    """Return which passes are switched off and on whatever the caller asked, None if none are."""
    return os.environ.get("SYMGLUON_PASSES", "").strip() or None


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
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(usable, _quota()))


@cache
def _quota() -> int:
    """CPUs that the control group of a container allows, rounded up; many if it sets no limit."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            text = " ".join(Path(_CGROUP, name).read_text("ascii") for name in files)
            quota, period = map(int, text.split())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        if quota > 0 and period > 0:
            return -(-quota // period)
    return 1 << 16


def spin() -> bool:
    """Whether threads of a compiled graph wait actively for their next share of a call."""
    return _flag("SYMGLUON_SPIN", True)


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def default_cache_dir() -> str:
    """Return the folder for compiled models of this user, by the custom of the system."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return os.path.join(base, "symgluon")


def cache_dir() -> str | None:
    """Return the folder in which compiled models are kept, None where they are not."""
    text = os.environ.get("SYMGLUON_CACHE_DIR", "").strip()
    if text.lower() == "default":
        return default_cache_dir()
    return os.path.expanduser(text) or None


def cache_size() -> int:
    """Return the most bytes of compiled models that are kept.

    Raises
    ------
    AttributeValueError
        If the variable is no size.
    """
    text = os.environ.get("SYMGLUON_CACHE_SIZE", "").strip().upper() or "4G"
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", text)
    if match is None:
        raise AttributeValueError(
            "environment variable SYMGLUON_CACHE_SIZE", expected="a size such as 500M or 4G",
            received=text,
        )  # fmt: skip
    return int(float(match[1]) * _UNITS[match[2]])


#: variable -> function that reads it, for `symgluon doctor`
SWITCHES: dict[str, Callable[[], object]] = {
    "SYMGLUON_BACKEND": backend,
    "SYMGLUON_VERIFY": verify,
    "SYMGLUON_PASSES": passes,
    "SYMGLUON_EAGER_ORT": eager_ort,
    "SYMGLUON_THREADS": threads,
    "SYMGLUON_SPIN": spin,
    "SYMGLUON_CACHE_DIR": cache_dir,
    "SYMGLUON_CACHE_SIZE": cache_size,
}
