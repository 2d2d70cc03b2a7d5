"""Passes switched off and on by name: ``-fuse_patterns +fuse_elementwise``.

One syntax everywhere: the option `passes` of `hybridize` and `optimize_for`, the environment
variable ``SYMGLUON_PASSES`` (which has the last word) and `run_pipeline`.  The pipeline ``trace`` is
not switched: it makes a graph right, the others make it fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from symgluon import config
from symgluon.errors import AttributeValueError
from symgluon.passes.manager import Pass, Step, get_pass

_PLANNING = ("mark_inplace", "plan_memory")


class Switches(NamedTuple):
    """Names of passes to leave out, and of passes to run although the pipeline has them not."""

    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()

    def then(self, later: Switches) -> Switches:
        """Return both; where they differ, `later` counts."""
        off = [n for n in self.off if n not in later.on]
        on = [n for n in self.on if n not in later.off]
        return Switches(
            tuple(dict.fromkeys((*off, *later.off))), tuple(dict.fromkeys((*on, *later.on)))
        )


def parse_switches(given: str | Iterable[str] | None, where: str = "option passes") -> Switches:
    """Parse names with a sign: ``-name`` switches a pass off, ``+name`` on.

    Parameters
    ----------
    given : str or iterable of str, optional
        A text with blanks or commas between the names, or the names.
    where : str
        What error messages call it.

    Raises
    ------
    AttributeValueError
        For a name without a sign, and for a pass that does not exist: the known ones are listed.
    """
    if given is None:
        return Switches()
    words = re.split(r"[\s,]+", given.strip()) if isinstance(given, str) else list(given)
    off: list[str] = []
    on: list[str] = []
    for word in filter(None, words):
        sign, name = str(word)[0], str(word)[1:]
        if sign not in "+-" or not name:
            raise AttributeValueError(
                where, expected="-NAME (off) or +NAME (on)", received=repr(word)
            )
        try:
            get_pass(name)
        except AttributeValueError as error:
            raise error.at(where=where) from None
        (on if sign == "+" else off).append(name)
    return Switches(tuple(off)).then(Switches(on=tuple(on)))


def environment_switches() -> Switches:
    """Return what ``SYMGLUON_PASSES`` switches."""
    return parse_switches(config.passes(), "environment variable SYMGLUON_PASSES")


def switched(steps: Iterable[Step], wanted: Switches) -> list[Step]:
    """Return the steps of a pipeline under switches.

    A pass that is switched on and not there runs after the rewrites, before memory is planned.
    """
    kept: list[Step] = []
    for step in steps:
        passes = tuple([p for p in step.passes if _name(p) not in wanted.off])
        if passes:
            kept.append(step._replace(passes=passes))
    present = {_name(p) for step in kept for p in step.passes}
    extra = [n for n in wanted.on if n not in present]
    rewrites = [n for n in extra if n not in _PLANNING]
    plans = [n for n in _PLANNING if n in extra]
    why = "switched on"
    at = next(
        (i for i, s in enumerate(kept) if any(_name(p) in _PLANNING for p in s.passes)), len(kept)
    )
    kept[at:at] = [Step((n,), why) for n in rewrites]
    if "mark_inplace" in plans:
        kept.insert(at + len(rewrites), Step(("mark_inplace",), why))
    if "plan_memory" in plans:
        kept.append(Step(("plan_memory",), why))
    return kept


def _name(entry: str | Pass) -> str:
    return entry if isinstance(entry, str) else entry.name
