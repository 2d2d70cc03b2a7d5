"""The fused recurrent operator against MXNet and against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import Case, assert_close, load, numeric_grad

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.kernels import rnn as R


@pytest.mark.parametrize("case", load("rnn"))
def test_recorded(case: Case) -> None:
    k = case.kwargs
    config = R.RnnConfig(k["mode"], k["state_size"], k["num_layers"], k["bidirectional"])
    data, params, state, *cell = case.ins
    c0 = cell[0] if cell else None
    *got, reserve = R.rnn(data, params, state, c0, config)
    for a, b in zip(got, case.outs, strict=False):
        assert_close(a, b)
    heads = [*case.heads, None][:3]
    assert reserve.shape == (len(state), *data.shape[:2], config.reserve_width)
    for kept in (reserve, None):
        grads = R.rnn_grad(*heads, data, params, state, c0, kept, config)
        for i, want in case.grads.items():
            assert_close(grads[i], want, 1e-4)


CONFIGS = [
    R.RnnConfig("rnn_tanh", 2, 2, True),
    R.RnnConfig("rnn_relu", 3, 1, True),
    R.RnnConfig("gru", 2, 2, True),
    R.RnnConfig("lstm", 2, 2, True),
    R.RnnConfig("lstm", 3, 2, False, projection_size=2),
    R.RnnConfig("lstm", 2, 1, True, clip=(-0.3, 0.2, False)),
]


def _inputs(config: R.RnnConfig, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    slots = config.num_layers * config.directions
    data = rng.normal(size=(4, 3, 2))
    params = rng.normal(size=R.param_size(config, 2)) * 0.7
    state = rng.normal(size=(slots, 3, config.hidden))
    cell = rng.normal(size=(slots, 3, config.state_size)) if config.mode == "lstm" else None
    return [data, params, state, cell]


@pytest.mark.parametrize("lengths", [None, np.array([4, 2, 0])], ids=["full", "lengths"])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.mode}-{c.projection_size}-{c.clip}")
def test_gradients(config: R.RnnConfig, dropout: bool, lengths: Any) -> None:
    inputs = _inputs(config)
    rng = np.random.default_rng(1)
    shape = (config.num_layers - 1, 4, 3, config.hidden * config.directions)
    masks = (rng.random(shape) < 0.5) * 2.0 if dropout else None
    *outs, reserve = R.rnn(*inputs, config, masks, lengths)
    cts = [None if o is None else rng.normal(size=o.shape) for o in outs]
    got = R.rnn_grad(*cts, *inputs, reserve, config, masks, lengths)

    def total(*arrays: Any) -> Any:
        results = R.rnn(*arrays, config, masks, lengths)[:3]
        return sum((r * c).sum() for r, c in zip(results, cts, strict=True) if c is not None)

    for i, x in enumerate(inputs):
        if x is None:
            assert got[i] is None
            continue
        want = numeric_grad(lambda a, i=i: total(*inputs[:i], a, *inputs[i + 1 :]), x, np.ones(()))
        assert_close(got[i], want, 1e-6)


def test_lengths_equal_a_run_of_each_sample_alone() -> None:
    config = R.RnnConfig("gru", 3, 1, True)
    data, params, state, _ = _inputs(config)
    lengths = np.array([4, 2, 3])
    y, h, _, _ = R.rnn(data, params, state, None, config, None, lengths)
    for n, length in enumerate(lengths):
        part = R.rnn(data[:length, n : n + 1], params, state[:, n : n + 1], None, config)
        np.testing.assert_allclose(y[:length, n : n + 1], part[0])
        np.testing.assert_allclose(h[:, n : n + 1], part[1])
        assert np.all(y[length:, n] == 0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.mode}-{c.projection_size}-{c.clip}")
def test_parameters_round_trip(config: R.RnnConfig) -> None:
    flat = np.arange(float(R.param_size(config, 5)))
    parts = R.unpack_params(flat, config, 5)
    assert len(parts) == config.num_layers * config.directions
    assert parts[0].i2h_w.base is not None  # views, not copies
    np.testing.assert_array_equal(R.pack_params(parts), flat)


def test_nan_in_the_cell_is_clipped_only_where_asked() -> None:
    inputs = _inputs(CONFIGS[-1])
    inputs[3] = np.full_like(inputs[3], np.nan)
    for nan, finite in ((True, True), (False, False)):
        config = R.RnnConfig("lstm", 2, 1, True, clip=(-0.3, 0.2, nan))
        assert np.isfinite(R.rnn(*inputs, config)[0]).all() == finite


def test_no_steps_leave_the_states() -> None:
    config = R.RnnConfig("lstm", 2)
    _, params, state, cell = _inputs(config)
    y, h, c, _ = R.rnn(np.zeros((0, 3, 2)), params, state, cell, config)
    assert y.shape == (0, 3, 2)
    np.testing.assert_array_equal(h, state)
    np.testing.assert_array_equal(c, cell)


def test_errors() -> None:
    with pytest.raises(AttributeValueError, match="mode"):
        R.RnnConfig("lstmp", 2)  # type: ignore[arg-type]
    config = R.RnnConfig("lstm", 2)
    data, params, state, cell = _inputs(config)
    with pytest.raises(ShapeError, match="needs a cell state"):
        R.rnn(data, params, state, None, config)
    with pytest.raises(ShapeError, match="parameters"):
        R.rnn(data, params[1:], state, cell, config)
    with pytest.raises(ShapeError, match="state has shape"):
        R.rnn(data, params, state[:, 1:], cell, config)
    with pytest.raises(ShapeError, match="sequence_length"):
        R.rnn(data, params, state, cell, config, None, np.array([1, 9, 1]))


def test_empty_batch() -> None:
    config = R.RnnConfig("lstm", 2, 2, True)
    _, params, state, cell = _inputs(config)
    data = np.zeros((4, 0, 2))
    args = (data, params, state[:, :0], cell[:, :0])
    y, _, _, reserve = R.rnn(*args, config)
    assert y.shape == (4, 0, 4)
    grads = R.rnn_grad(y, None, None, *args, reserve, config)
    assert np.all(grads[1] == 0)
