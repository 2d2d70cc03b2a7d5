"""The user's line: where in the caller's code something was asked for."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: standard modules whose frames stand between the user's code and ours
_HELPERS = tuple(os.path.abspath(str(m.__file__)) for m in (contextlib, functools))
_is_ours: dict[str, bool] = {}


def user_frame() -> tuple[str, int] | None:
    """Return (file, line) of the innermost frame that is not symgluon's own, if there is one."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        ours = _is_ours.get(file)
        if ours is None:
            ours = file.startswith((_PACKAGE, "<frozen")) or file in _HELPERS
            _is_ours[file] = ours
        if not ours:
            return file, frame.f_lineno
        frame = frame.f_back
    return None


def user_line() -> str:
    """Return the user's line as ``"train.py:31"``; empty when there is none.

    The path is relative to the working directory for files under it.
    """
    found = user_frame()
    if found is None:
        return ""
    file, line = found
    here = os.getcwd() + os.sep
    return f"{file[len(here) :] if file.startswith(here) else file}:{line}"
