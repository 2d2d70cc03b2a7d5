"""Every class, method and argument of the seed: one test each, of what it does."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
from pathlib import Path

import pytest
import seed_constructors  # noqa: F401  enters its checks
import seed_methods  # noqa: F401  enters its checks
from seed_checks import CONSTRUCTORS, METHODS, pairs
from seed_layers import LAYERS, Subject, has_method
from seed_page import load_api, methods_of, parse_page

import symgluon as mx
from symgluon.gluon import nn

API = load_api()
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _numpy_arrays():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


def _listed(checks):
    return [pytest.param(*rest, id=name) for name, *rest in pairs(checks)]


@pytest.mark.parametrize(("check", "name", "hybridized"), _listed(METHODS))
def test_method(check, name, hybridized, tmp_path):
    given = {"case": Subject(name, hybridized), "tmp_path": tmp_path}
    check.function(*[given[p] for p in inspect.signature(check.function).parameters])


@pytest.mark.parametrize(("check", "name", "hybridized"), _listed(CONSTRUCTORS))
def test_constructor(check, name, hybridized):
    def run(block, *inputs):
        if hybridized:
            Subject.hybridize(block)
        return block(*inputs)

    check.function(getattr(nn, name), run)


# ---- the table is whole -------------------------------------------------------------------------
def _applies(name, method, argument):
    """Whether a class has an argument of a method that the seed lists for some class."""
    if not has_method(name, method):
        return False
    own = API[name]["methods"].get(method)
    if method == "forward" and own:
        return ("x" if argument == "data" else argument) in own or argument in own
    if method == "forward" and argument == "*args":
        return name in ("Sequential", "Lambda")  # the page does not list their methods
    return True


@pytest.mark.parametrize("name", LAYERS)
def test_every_method_and_argument_has_a_check(name):
    known = {(c.what, c.argument) for c in METHODS if name in c.classes}
    known |= {(m, a) for m, a in itertools.product(("forward",), ("data",)) if (m, "x") in known}
    known |= {("infer_shape", "*args")} if ("infer_shape", "x") in known else set()
    missing = [
        (method, argument)
        for method, arguments in methods_of(API).items()
        for argument in arguments or [""]
        if _applies(name, method, argument) and (method, argument) not in known
    ]
    assert missing == []


@pytest.mark.parametrize("name", LAYERS)
def test_every_constructor_argument_has_a_check(name):
    known = {c.argument for c in CONSTRUCTORS if name in c.classes}
    assert set(API[name]["arguments"]) - known == set()


def test_the_classes_are_those_of_the_seed():
    assert sorted(LAYERS) == sorted(API)


@pytest.mark.parametrize("name", LAYERS)
def test_signatures_accept_what_the_seed_lists(name):
    cls = getattr(nn, name)
    for method, arguments in {"__init__": API[name]["arguments"], **API[name]["methods"]}.items():
        if method == "params":
            assert isinstance(inspect.getattr_static(cls, "params"), property)
            continue
        ours = inspect.signature(getattr(cls, method)).parameters
        for argument, default in arguments.items():
            if argument.startswith("*"):
                continue
            if method in ("forward", "infer_shape"):
                continue  # positional
            assert argument in ours, (method, argument)
            if default is not None and not default.startswith("<"):
                assert repr(ours[argument].default) == repr(eval(default)), (method, argument)


def test_data_file_is_what_the_seed_lists():
    pages = sorted((ROOT.parent / "shared" / "seeds").glob("000_*.txt"))
    if not pages:
        pytest.skip("the page of the seed is not here")
    assert parse_page(pages[0].read_text(encoding="utf-8")) == API


def test_the_document_is_what_the_table_says():
    path = ROOT / "tools" / "seed_coverage.py"
    spec = importlib.util.spec_from_file_location("seed_coverage", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert (ROOT / "docs" / "seed-coverage.md").read_text(encoding="utf-8") == tool.document(), (
        "run tools/seed_coverage.py"
    )
