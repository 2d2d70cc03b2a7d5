"""What the seed lists: classes, constructor arguments, methods and their arguments.

`seed_api.json` holds it, so that the repository tests itself alone; `parse_page` reads it from the
text of the page, for the test that both are equal.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

API_FILE = Path(__file__).with_name("seed_api.json")
_MODULE = "mxnet.gluon.nn.basic_layers."
_HEAD = re.compile(r"- (class |property )?([\w.]+)(\((.*)\))?(\[source\])?¶$")
#: the page lost the heading of one method, but not its first sentence
_LOST = {"Share parameters recursively inside the model.": ("share_parameters", "shared")}


def load_api():
    """Return {class: {"arguments": {name: default or None}, "methods": {name: arguments}}}."""
    return json.loads(API_FILE.read_text(encoding="utf-8"))


def parse_page(text):
    """Read the same from the text of the page."""
    found = {}
    current = None
    for line in text.splitlines():
        if line in _LOST and current is not None:
            name, arguments = _LOST[line]
            found[current]["methods"][name] = _arguments(arguments)
            continue
        head = _HEAD.match(line)
        if head is None:
            continue
        kind, name, arguments = head.group(1), head.group(2), head.group(4)
        if kind == "class ":
            current = name.removeprefix(_MODULE)
            found[current] = {"arguments": _arguments(arguments), "methods": {}}
        elif current is not None:
            found[current]["methods"][name] = _arguments(arguments)
    return found


def _arguments(text):
    """Names and defaults (as written, None where there is none) of a signature."""
    parts, depth, part = [], 0, ""
    for char in text or "":
        depth += (char in "([{<") - (char in ")]}>")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    found = {}
    for item in [*parts, part]:
        name, eq, default = item.strip().partition("=")
        if name:
            found[name] = default.replace("’", "'").replace("‘", "'") if eq else None
    return found


def methods_of(api):
    """Return all methods of all classes with their arguments, the fullest list of each."""
    found = {}
    for entry in api.values():
        for name, arguments in entry["methods"].items():
            known = found.setdefault(name, {})
            for argument, default in arguments.items():
                known.setdefault(argument, default)
    return found
