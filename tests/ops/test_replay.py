"""Binding the names in one graph's shapes to another's dimensions."""

from __future__ import annotations

import pytest

from symgluon.ir.dims import Dim
from symgluon.ops.replay import unify

A, B, N = Dim("a"), Dim("b"), Dim("n")

CASES = {
    "alone": ([(A, 3)], [(5, 3)], {"a": 5}),
    "linear": ([(2 * A + 1,)], [(7,)], {"a": 3}),
    "one name on both sides": ([(2 * A,)], [(2 * A,)], {"a": A}),
    "one name, other factors": ([(2 * A,)], [(4 * A,)], {"a": 2 * A}),
    "after a name alone": ([(A * B,), (A,)], [(N * 6,), (6,)], {"a": 6, "b": N}),
    "a product of the same names": ([(A * B,)], [(A * B,)], {"a": A, "b": B}),
    "not a multiple": ([(2 * A,)], [(7,)], {}),
    "a product of numbers": ([(A * B,)], [(12,)], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_unify(case):
    formal, actual, expected = CASES[case]
    assert unify(formal, actual) == expected


@pytest.mark.parametrize("actual", [N, 3 * N, A * N, 2 * A * B])
def test_products_of_other_names_keep_the_product(actual):
    found = unify([(A * B, 4)], [(actual, 4)])
    assert (A * B).substitute(found) == actual
