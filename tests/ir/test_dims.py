from __future__ import annotations

import copy
import numbers
import operator
import pickle
import threading

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symgluon.errors import ShapeError, TraceError
from symgluon.ir.dims import (
    Dim,
    DimScope,
    FloorDiv,
    current_scope,
    evaluate,
    exact_quotient,
    same,
    solve_env,
    user_line,
)

a, b, h = Dim("a"), Dim("b"), Dim("h")
NAMES = ("a", "b", "h")
OPS = (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod)
RELATIONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)

leaves = st.one_of(st.sampled_from(NAMES), st.integers(-4, 9))
trees = st.recursive(
    leaves, lambda inner: st.tuples(st.sampled_from(OPS), inner, inner), max_leaves=6
)
envs = st.fixed_dictionaries({name: st.integers(0, 12) for name in NAMES})


def compute(tree, env):
    """The tree's value with the names bound to `env`: numbers or dimensions."""
    if isinstance(tree, tuple):
        op, left, right = tree
        return op(compute(left, env), compute(right, env))
    return env[tree] if isinstance(tree, str) else tree


def symbolic(tree):
    try:
        return compute(tree, {name: Dim(name) for name in NAMES})
    except ZeroDivisionError:
        assume(False)


def numeric(tree, env):
    try:
        return compute(tree, env)
    except ZeroDivisionError:
        assume(False)


@settings(max_examples=400, deadline=None)
@given(trees, envs)
def test_arithmetic_agrees_with_numbers(tree, env):
    dim, number = symbolic(tree), numeric(tree, env)
    assert evaluate(dim, env) == number
    assert type(dim) is int or dim.names()  # what is constant is an int


@settings(max_examples=200, deadline=None)
@given(trees, trees, envs)
def test_substitution_agrees_with_numbers(tree, value, env):
    dim, put = symbolic(tree), symbolic(value)
    number = numeric(value, env)
    expected = numeric(tree, {**env, "a": number})
    if isinstance(dim, Dim):
        try:
            dim = dim.substitute({"a": put})
        except ZeroDivisionError:  # zero for every value of the names
            assume(False)
    assert evaluate(dim, env) == expected


@settings(max_examples=200, deadline=None)
@given(trees)
def test_text_reads_back(tree):
    dim = symbolic(tree)
    assert same(eval(str(dim), {name: Dim(name) for name in NAMES}), dim)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(RELATIONS), trees, trees), min_size=1, max_size=4),
    envs,
    st.lists(envs, max_size=20),
)
def test_guards_are_sound(questions, hints, others):
    """Answers are those of the hints, and the same for every size that the guards admit."""
    scope = DimScope.with_hints(hints)
    sides = [(symbolic(left), symbolic(right)) for _, left, right in questions]
    asked = []
    with scope:
        for (relation, left, right), pair in zip(questions, sides, strict=True):
            numeric(left, hints), numeric(right, hints)
            answer = relation(*pair)
            assert answer is relation(numeric(left, hints), numeric(right, hints))
            asked.append(answer)
    assert all(guard.holds(hints) for guard in scope.guards)
    resolved = [scope.resolve_shape(pair) for pair in sides]
    for env in others:
        if not all(guard.holds(env) for guard in scope.guards):
            continue
        for (relation, *_), answer, pair, new in zip(
            questions, asked, sides, resolved, strict=True
        ):
            try:
                plain = [evaluate(side, env) for side in pair]
                known = [evaluate(side, env) for side in new]
            except ShapeError:  # division by zero at these sizes
                continue
            assert known == plain
            assert relation(*plain) is answer


TEXTS = [
    (h, "h"),
    (2 * h + 1, "2*h + 1"),
    ((h - 1) // 2, "(h - 1)//2"),
    ((h - 1) // 2 + 1, "(h + 1)//2"),
    (2 * ((h - 1) // 2) + 2, "2*((h + 1)//2)"),
    (3 - h, "3 - h"),
    (-h - 1, "-h - 1"),
    (a * b * 2 + h**2, "2*a*b + h**2"),
    ((a * b) // h, "(a*b)//h"),
    (h // (a + 1), "h//(a + 1)"),
    (5 % h, "5 - h*(5//h)"),
    (0 - a // b, "-(a//b)"),
    ((0 - a) // b - 1, "(-a)//b - 1"),
    (-(a // b) * h, "-h*(a//b)"),
]


@pytest.mark.parametrize(("dim", "text"), TEXTS, ids=[t for _, t in TEXTS])
def test_text(dim, text):
    assert str(dim) == repr(dim) == f"{dim}" == text


REDUCTIONS = [
    ((2 * b) // 2, b),
    ((2 * b + 1) // 2, b),
    (b - b, 0),
    (0 * b, 0),
    ((b * h) // h, b),
    ((b * b - 1) // (b + 1), b - 1),
    ((4 * b) % 2, 0),
    ((4 * b + 3) % 4, 3),
    (h // 2 // 3, h // 6),
    (((h - 1) // 2) + 1, (h + 1) // 2),
    ((6 * h) // 4, (3 * h) // 2),
    ((2 * a * h) // (4 * a), h // 2),
    (h // -2, (-h) // 2),
    (h // 1, h),
    (0 - (-h), h),
    (divmod(4 * h, 2)[0], 2 * h),
    (b**0, 1),
    (b**2, b * b),
    (np.int64(3) * b, b * 3),
    (True + b, b + 1),
    (10 // (2 * b), 5 // b),
]


@pytest.mark.parametrize(("got", "want"), REDUCTIONS, ids=[str(i) for i in range(len(REDUCTIONS))])
def test_reductions_are_structural(got, want):
    assert same(got, want)
    assert type(got) is type(want)


def test_is_integral_and_not_int():
    assert isinstance(h, numbers.Integral)
    assert not isinstance(h, int)
    assert hash(h) == hash(Dim("h"))
    assert h.key() == Dim("h").key()
    assert (2 * h).key() != h.key()


def test_copies_and_pickles():
    dim = (h - 1) // 2 + a * 3
    assert same(pickle.loads(pickle.dumps(dim)), dim)
    assert copy.deepcopy(dim) is dim
    with pytest.raises(AttributeError, match="immutable"):
        dim.x = 1


def test_structure_queries():
    assert h.bare == "h"
    assert (2 * h).bare is None
    assert (h // 2).bare is None
    assert (h**2).bare is None
    assert set((a * h + b // 2).names()) == {"a", "b", "h"}
    assert str((a + 2 * b).rename({"a": "b", "b": "a"})) == "2*a + b"
    assert sorted((3 * h + 1).terms(), key=str) == [(1, []), (3, [("h", 1)])]
    ((coefficient, ((atom, power),)),) = (2 * (h // (a + 1))).terms()
    assert (coefficient, power) == (2, 1)
    assert isinstance(atom, FloorDiv)
    assert same(atom.denominator, a + 1)


def test_solve():
    assert (2 * a + 1).solve("a", 7, {}) == 3
    assert (2 * a + 1).solve("a", 8, {}) is None
    assert (a * b).solve("a", 12, {"b": 4}) == 3
    assert (a * b).solve("a", 12, {}) is None
    assert (a * a).solve("a", 4, {}) is None
    assert (a // 2).solve("a", 4, {}) is None
    assert same((a + b).solve("a", 2 * h, {"b": h}), h)


def test_exact_quotient():
    assert same(exact_quotient(a * b * 6, 2 * b), 3 * a)
    assert exact_quotient(a * b, 2 * b) is None
    assert exact_quotient(12, 4) == 3
    assert exact_quotient(12, 0) is None


def test_evaluate_errors():
    with pytest.raises(ShapeError, match="'h' has no number"):
        evaluate(h + 1, {"a": 1})
    with pytest.raises(ShapeError, match="division by 0"):
        evaluate(h // a, {"a": 0, "h": 2})
    with pytest.raises(ZeroDivisionError):
        h // 0


# -- questions ---------------------------------------------------------------------------------

DECIDABLE = [
    (lambda: h == h, True),
    (lambda: h + 1 == h, False),
    (lambda: 2 * h == 2 * h + 1, False),
    (lambda: 2 * h == 7, False),
    (lambda: h + 1 > 0, True),
    (lambda: h >= 0, True),
    (lambda: h < 0, False),
    (lambda: h != -1, True),
    (lambda: bool(a * b + 1), True),
    (lambda: h // 2 >= 0, True),
    (lambda: (h + 3) // 2 >= 1, True),
    (lambda: h % 2 == h - 2 * (h // 2), True),
    (lambda: abs(h + 2) == h + 2, True),
    (lambda: h == "h", False),
    (lambda: h is None or h != None, True),  # noqa: E711
]


@pytest.mark.parametrize("number", range(len(DECIDABLE)))
def test_decidable_questions_make_no_guard(number):
    ask, answer = DECIDABLE[number]
    assert ask() == answer  # without a scope, too
    scope = DimScope.with_hints({"a": 2, "b": 3, "h": 8})
    with scope:
        assert ask() == answer
    assert scope.guards == []


GUARDS = [
    (lambda: h > 4, True, "h > 4"),
    (lambda: h < 4, False, "h >= 4"),
    (lambda: h <= 4, False, "h > 4"),
    (lambda: operator.ge(4, h), False, "h > 4"),
    (lambda: h != 8, False, "h == 8"),
    (lambda: 2 * h == 16, True, "h == 8"),
    (lambda: 2 * h > 5, True, "2*h > 5"),
    (lambda: a * b == 6, True, "a*b == 6"),
    (lambda: a * b == h, False, "a*b != h"),
    (lambda: a - b > 0, False, "a <= b"),
    (lambda: bool(h), True, "h != 0"),
    (lambda: 2 * ((h - 1) // 2) + 2 == h, True, "h == 2*((h + 1)//2)"),
    (lambda: h % 4 == 0, True, "h == 4*(h//4)"),
    (lambda: a * h == a * 8, True, "h == 8"),  # the factor a need not be non-zero
    (lambda: h > 7.5, True, "h == 8"),
    (lambda: h - 1 >= a + b, True, "h >= a + b + 1"),
]


@pytest.mark.parametrize(("ask", "answer", "text"), GUARDS, ids=[g[2] for g in GUARDS])
def test_guard(ask, answer, text):
    hints = {"a": 2, "b": 3, "h": 8}
    scope = DimScope.with_hints(hints)
    with scope:
        assert ask() is answer
        assert ask() is answer  # known by now: no second guard
    (guard,) = scope.guards
    assert str(guard).startswith(f"{text}  (")
    assert "test_dims.py:" in guard.line
    assert guard.holds(hints)


PINS = [
    (lambda: list(range(h)), list(range(8))),
    (lambda: int(h), 8),
    (lambda: float(h), 8.0),
    (lambda: [0] * operator.index(h), [0] * 8),
    (lambda: h**-0.5, 8**-0.5),
    (lambda: h / 2, 4.0),
    (lambda: 2 / h, 0.25),
    (lambda: 0.5 * h, 4.0),
    (lambda: h - 0.5, 7.5),
    (lambda: 2**h, 256),
    (lambda: np.zeros(h).shape, (8,)),
]


@pytest.mark.parametrize("number", range(len(PINS)))
def test_numbers_pin(number):
    use, result = PINS[number]
    scope = DimScope.with_hints({"h": 8})
    with scope:
        assert use() == result
        assert h == 8
    assert [str(g).split("  ")[0] for g in scope.guards] == ["h == 8"]
    assert scope.substitutions == {"h": 8}
    assert scope.pins["h"] is scope.guards[0]


def test_equalities_are_solved_into_substitutions():
    scope = DimScope.with_hints({"a": 2, "b": 4, "c": 5, "h": 8})
    c = Dim("c")
    with scope:
        assert b == 2 * a  # solved for the later name
        assert c == b + 1
        assert same(scope.resolve(b), 2 * a)
        assert same(scope.resolve(c), 2 * a + 1)
        count = len(scope.guards)
        assert b * b == 4 * a * a
        assert c > b
        assert len(scope.guards) == count
        assert a == 2
    assert scope.substitutions == {"b": 4, "c": 5, "a": 2}
    assert scope.resolve_shape((a, b, None, 7, h)) == (2, 4, None, 7, h)
    assert set(scope.pins) == {"a", "b", "c"}


def test_solved_name_keeps_its_bounds():
    scope = DimScope.with_hints({"a": 5, "b": 3})
    with scope:
        assert b == a - 2  # so a >= 2
        assert a >= 2
        assert len(scope.guards) == 1
        assert a > 4
        assert b > 2
        assert len(scope.guards) == 2


def test_facts_narrow_ranges():
    scope = DimScope.with_hints({"h": 8})
    with scope:
        assert h != 0
        assert h > 0
        assert h != 1
        assert h >= 2
        assert h // 2 >= 1
        assert len(scope.guards) == 2


def test_new_names_are_unique():
    scope = DimScope()
    names = [scope.new(n, 3).bare for n in ("", "", "batch", "batch", "d2", "", "")]
    assert names == ["d0", "d1", "batch", "batch_1", "d2", "d3", "d4"]
    assert scope.names() == tuple(names)
    assert scope.new("x", 4, source=("data", 1)).bare == "x"
    assert scope.source("x") == ("data", 1)
    assert scope.hint(Dim("x") * 2) == 8
    with pytest.raises(TraceError, match="twice"):
        scope.declare("x", 1)
    with pytest.raises(ShapeError, match="never negative"):
        scope.new("y", -1)


def test_fork_keeps_its_own_guards():
    scope = DimScope.with_hints({"a": 2, "h": 8})
    with scope:
        assert h > 4
    fork = scope.fork()
    with fork:
        assert current_scope() is fork
        assert h > 3
        assert a == 2
    assert current_scope() is None
    assert [g.relation for g in fork.guards] == ["=="]
    assert len(scope.guards) == 1
    assert scope.substitutions == {}
    assert [str(g.expr) for g in scope.guards_on("h")] == ["h"]


def test_no_scope():
    with pytest.raises(TraceError, match="outside the trace"):
        bool(h == 3)
    with pytest.raises(TraceError, match="outside the trace"):
        int(h)


def test_data_dependent_dimension():
    scope = DimScope()
    n = scope.new("n", None, origin="the result of nonzero at model.py:12")
    with scope:
        assert n == n
        assert n + 1 > 0
        with pytest.raises(TraceError, match=r"nonzero at model\.py:12") as error:
            bool(n > 3)
        with pytest.raises(TraceError, match="depends on data"):
            range(n)
    assert "test_dims.py" in str(error.value)
    assert scope.guards == []
    assert scope.hint(n) is None


def test_dimension_of_another_trace():
    with DimScope.with_hints({"h": 2}), pytest.raises(TraceError, match="another trace"):
        bool(a == 2)


def test_scopes_are_per_thread():
    seen = []
    with DimScope():
        thread = threading.Thread(target=lambda: seen.append(current_scope()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_user_line_is_this_line():
    file, _, line = user_line().rpartition(":")
    assert file.endswith("test_dims.py")
    assert int(line) > 0


def test_guard_holds():
    scope = DimScope.with_hints({"a": 2, "h": 8})
    with scope:
        assert h // a == 4
    (guard,) = scope.guards
    assert guard.names() == ("a", "h") or guard.names() == ("h", "a")
    assert guard.holds({"a": 3, "h": 14})
    assert not guard.holds({"a": 3, "h": 15})
    assert not guard.holds({"a": 0, "h": 15})


SOLVE = [
    ([(h, 3)], [(5, 3)], {"h": 5}),
    ([(h, 3)], [(5, 4)], None),
    ([(h, 3)], [(5,)], None),
    ([(h, h)], [(5, 4)], None),
    ([(h, h)], [(5, 5)], {"h": 5}),
    ([(h,), (h + 1,)], [(5,), (6,)], {"h": 5}),
    ([(h,), (h + 1,)], [(5,), (7,)], None),
    ([(h + 1,), (h,)], [(6,), (5,)], {"h": 5}),
    ([(2 * h,)], [(6,)], {"h": 3}),
    ([(2 * h,)], [(7,)], None),
    ([(h + 3,)], [(2,)], None),
    ([(a * b,)], [(6,)], None),
    ([(None, h)], [(6, 2)], {"h": 2}),
    ([None], [(6, 2)], {}),
]


@pytest.mark.parametrize(("types", "shapes", "env"), SOLVE)
def test_solve_env(types, shapes, env):
    assert solve_env(types, shapes) == env
