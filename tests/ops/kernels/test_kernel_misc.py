"""Sequences, CTC, normalisation, attention and indexing against MXNet and central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_cases import Case, assert_close, load, numeric_grad

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels import misc, sequence

Result = tuple[Any, Any]


def _sequence(c: Case, dy: Any) -> Result:
    length, axis = (c.ins[1] if len(c.ins) > 1 else None), c.kwargs.get("axis", 0)
    x = c.ins[0]
    if c.op == "SequenceMask":
        y = sequence.sequence_mask(x, length, c.kwargs.get("value", 0), axis)
        return y, sequence.sequence_mask(dy, length, 0, axis)
    if c.op == "SequenceLast":
        grad = sequence.sequence_last_grad(dy, x.shape, length, axis) if dy is not None else None
        return sequence.sequence_last(x, length, axis), grad
    return sequence.sequence_reverse(x, length, axis), sequence.sequence_reverse(dy, length, axis)


def _ctc(c: Case, dy: Any) -> Result:
    data_lengths = c.ins[2] if c.kwargs.get("use_data_lengths") else None
    label_lengths = c.ins[3] if c.kwargs.get("use_label_lengths") else None
    first = c.kwargs.get("blank_label", "first") == "first"
    loss, grad = sequence.ctc_loss(*c.ins[:2], data_lengths, label_lengths, first)
    return loss, None if dy is None else grad * dy[:, None]


def _pick(c: Case, dy: Any) -> Result:
    k = dict(c.kwargs)
    y = misc.pick(*c.ins, **k)
    k.pop("keepdims", None)
    return y, misc.pick_grad(dy, c.ins[1], c.ins[0].shape, **k)


def _col2im(c: Case, dy: Any) -> Result:
    k = dict(c.kwargs)
    y = misc.col2im(*c.ins, **k)
    k.pop("output_size")
    return y, misc.im2col(dy, **k)


def _attention(c: Case, dy: Any) -> Result:
    name = c.op.removeprefix("contrib.")
    heads = c.kwargs["heads"]
    return getattr(misc, name)(*c.ins, heads), getattr(misc, f"{name}_grad")(dy, *c.ins, heads)


RUN: dict[str, Callable[[Case, Any], Result]] = {
    "SequenceMask": _sequence,
    "SequenceLast": _sequence,
    "SequenceReverse": _sequence,
    "CTCLoss": _ctc,
    "pick": _pick,
    "col2im": _col2im,
    "im2col": lambda c, dy: (
        misc.im2col(*c.ins, **c.kwargs),
        misc.col2im(dy, c.ins[0].shape[2:], **c.kwargs),
    ),
    "LRN": lambda c, dy: (
        misc.lrn(*c.ins, **c.kwargs),
        misc.lrn_grad(dy, *c.ins, **c.kwargs),
    ),
    "L2Normalization": lambda c, dy: (
        misc.l2_normalize(*c.ins, **c.kwargs),
        misc.l2_normalize_grad(dy, *c.ins, **c.kwargs),
    ),
    "depth_to_space": lambda c, dy: (
        misc.depth_to_space(*c.ins, c.kwargs["block_size"]),
        misc.space_to_depth(dy, c.kwargs["block_size"]),
    ),
    "space_to_depth": lambda c, dy: (
        misc.space_to_depth(*c.ins, c.kwargs["block_size"]),
        misc.depth_to_space(dy, c.kwargs["block_size"]),
    ),
    "one_hot": lambda c, dy: (misc.one_hot(*c.ins, **c.kwargs), None),
    "topk": lambda c, dy: (misc.topk(*c.ins, **c.kwargs), None),
}


@pytest.mark.parametrize("case", load("misc"))
def test_recorded(case: Case) -> None:
    run = _attention if "interleaved" in case.op else RUN[case.op]
    y, grads = run(case, case.heads[0] if case.heads else None)
    for a, b in zip(y if isinstance(y, tuple) else (y,), case.outs, strict=True):
        assert_close(a, b)
    for i, want in case.grads.items():
        assert_close(grads[i] if isinstance(grads, tuple) else grads, want)


def _differentiable() -> list[Any]:
    rng = np.random.default_rng(0)
    x, qkv, att = (
        rng.normal(size=(2, 6, 3)),
        rng.normal(size=(4, 2, 12)),
        rng.normal(size=(4, 4, 4)),
    )
    rows = [("lrn", misc.lrn, lambda ct: misc.lrn_grad(ct, x, 3, 0.5), x, (3, 0.5))]
    for mode in ("instance", "channel", "spatial"):
        rest = (1e-3, mode)
        rows.append(
            (
                mode,
                misc.l2_normalize,
                lambda ct, rest=rest: misc.l2_normalize_grad(ct, x, *rest),
                x,
                rest,
            )
        )
    qk = misc.interleaved_matmul_selfatt_qk
    rows.append(
        ("qk", qk, lambda ct: misc.interleaved_matmul_selfatt_qk_grad(ct, qkv, 2), qkv, (2,))
    )
    valatt = misc.interleaved_matmul_selfatt_valatt

    def value_grad(ct: Any) -> Any:
        return misc.interleaved_matmul_selfatt_valatt_grad(ct, qkv, att, 2)[0]

    rows.append(("valatt", valatt, value_grad, qkv, (att, 2)))
    return [pytest.param(*r[1:], id=r[0]) for r in rows]


@pytest.mark.parametrize(("forward", "backward", "x", "rest"), _differentiable())
def test_gradients(forward: Any, backward: Any, x: Any, rest: Any) -> None:
    ct = np.random.default_rng(1).normal(size=forward(x, *rest).shape)
    assert_close(backward(ct), numeric_grad(lambda a: forward(a, *rest), x, ct), 1e-7)


@pytest.mark.parametrize("first", [True, False])
def test_ctc_gradient(first: bool) -> None:
    rng = np.random.default_rng(2)
    data = rng.normal(size=(6, 3, 4))
    label = (
        np.array([[1, 1, 2], [2, 0, 0], [3, 1, 3]])
        if first
        else np.array([[1, 1, 2], [2, -1, -1], [0, 1, 0]])
    )
    lengths = np.array([6, 4, 5])
    grad = sequence.ctc_loss(data, label, lengths, None, first)[1]

    def loss(a: np.ndarray) -> np.ndarray:
        return sequence.ctc_loss(a, label, lengths, None, first)[0]

    assert_close(grad, numeric_grad(loss, data, np.ones(3)), 1e-6)


def test_ctc_against_all_alignments() -> None:
    rng = np.random.default_rng(3)
    data = rng.normal(size=(4, 1, 3))
    p = np.exp(data[:, 0]) / np.exp(data[:, 0]).sum(axis=1, keepdims=True)
    total = 0.0
    for path in np.ndindex(3, 3, 3, 3):
        merged = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
        if [s for s in merged if s != 0] == [1, 1]:
            total += np.prod([p[t, s] for t, s in enumerate(path)])
    loss = sequence.ctc_loss(data, np.array([[1, 1]]))[0]
    np.testing.assert_allclose(loss, -np.log(total))


def test_ctc_label_that_does_not_fit_counts_nothing() -> None:
    data = np.random.default_rng(4).normal(size=(2, 1, 3))
    loss, grad = sequence.ctc_loss(data, np.array([[1, 1]]))
    assert loss.tolist() == [0]
    assert np.all(grad == 0)


def test_topk_ties_and_bounds() -> None:
    x = np.array([1.0, 3, 3, 2, 3, 1])
    assert misc.topk(x, k=4)[0].tolist() == [1, 2, 4, 3]
    assert misc.topk(x, k=3, is_ascend=True)[0].tolist() == [0, 5, 3]
    assert misc.topk(np.zeros(100), k=100)[0].tolist() == list(range(100))
    values, places = misc.topk(np.arange(6.0).reshape(2, 3), axis=None, k=2, ret_typ="both")
    assert (values.tolist(), places.tolist()) == ([5, 4], [5, 4])
    with pytest.raises(AttributeValueError, match="k is 7"):
        misc.topk(x, k=7)


def test_scatter_add_rows_sums_repeats() -> None:
    index = np.array([[0, 2], [2, 2]])
    values = np.arange(8.0).reshape(2, 2, 2)
    got = misc.scatter_add_rows(values, index, 4)
    assert got.tolist() == [[0, 1], [0, 0], [12, 15], [0, 0]]
    assert misc.scatter_add_rows(np.zeros((0, 3)), np.zeros(0, int), 2).shape == (2, 3)
    ones = np.ones((3000, 1), np.float16)
    assert misc.scatter_add_rows(ones, np.zeros(3000, int), 1).item() == 3000


def test_masked_softmax() -> None:
    x = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4]])
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 0]])
    # recorded from MXNet 2.0.0beta1
    want = [[0.3775406688, 0.6224593312, 0, 0], [0, 0, 0, 0]]
    assert_close(misc.masked_softmax(x, mask, temperature=2.0), np.array(want), 1e-9)
    got = misc.masked_softmax(x, mask, log=True)
    np.testing.assert_allclose(got[0, :2], [-1.3132616875, -0.3132616875])
    assert np.all(np.isneginf(got[1]))


def test_space_and_depth_are_inverse() -> None:
    x = np.random.default_rng(5).normal(size=(2, 3, 4, 6))
    np.testing.assert_array_equal(misc.depth_to_space(misc.space_to_depth(x, 2), 2), x)
    with pytest.raises(ShapeError, match="divisible"):
        misc.depth_to_space(x, 2)


def test_errors_name_the_argument() -> None:
    x = np.zeros((2, 3, 4))
    with pytest.raises(AttributeValueError, match="nsize must be odd"):
        misc.lrn(x, 4)
    with pytest.raises(AttributeValueError, match="mode"):
        misc.l2_normalize(x, mode="rows")  # type: ignore[arg-type]
    with pytest.raises(AttributeValueError, match="mode"):
        misc.pick(x, np.zeros((2, 3)), mode="raise")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="lengths must be"):
        sequence.sequence_last(x, np.array([0, 1, 2]))
    with pytest.raises(ShapeError, match="heads"):
        misc.interleaved_matmul_selfatt_qk(x, 5)
    with pytest.raises(ShapeError, match="col2im"):
        misc.col2im(np.zeros((1, 4, 3)), (3,), (2,), (1,), (1,), (0,))


def test_empty_batches() -> None:
    qkv = np.zeros((3, 0, 12))
    att = misc.interleaved_matmul_selfatt_qk(qkv, 2)
    assert att.shape == (0, 3, 3)
    assert misc.interleaved_matmul_selfatt_valatt(qkv, att, 2).shape == (3, 0, 4)
    assert sequence.ctc_loss(np.zeros((4, 0, 3)), np.zeros((0, 2)))[1].shape == (4, 0, 3)
    assert sequence.sequence_mask(np.zeros((3, 0)), np.zeros(0)).shape == (3, 0)
    assert sequence.sequence_reverse(np.zeros((3, 0)), np.zeros(0)).shape == (3, 0)
    assert misc.topk(np.zeros((0, 3)), k=2)[0].shape == (0, 2)
    assert misc.one_hot(np.zeros((0, 2)), 3).shape == (0, 2, 3)
    assert misc.im2col(np.zeros((0, 2, 5)), (3,), (1,), (1,), (0,)).shape == (0, 6, 3)
    assert misc.col2im(np.zeros((0, 6, 3)), (5,), (3,), (1,), (1,), (0,)).shape == (0, 2, 5)
    assert misc.lrn(np.zeros((0, 3)), 3).shape == (0, 3)
    assert misc.pick(np.zeros((0, 3)), np.zeros(0)).shape == (0,)
