"""Splitting of batches, clipping of gradients, files."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon.errors import MXNetError
from symgluon.gluon import utils


@pytest.fixture(autouse=True)
def numpy_semantics():
    mx.npx.set_np()
    yield
    mx.npx.reset_np()


# ---- splitting ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("parts", "axis", "even", "shapes"),
    [
        (3, 0, True, [(2, 4)] * 3),
        (1, 0, True, [(6, 4)]),
        (2, 1, True, [(6, 2)] * 2),
        (4, 0, False, [(2, 4), (2, 4), (1, 4), (1, 4)]),
        (8, 0, False, [(1, 4)] * 6 + [(0, 4)] * 2),
    ],
)
@pytest.mark.parametrize("kind", ["ndarray", "numpy"])
def test_split_data(parts, axis, even, shapes, kind):
    x = onp.arange(24.0).reshape(6, 4)
    found = utils.split_data(mx.np.array(x) if kind == "ndarray" else x, parts, axis, even)
    assert [p.shape for p in found] == shapes
    values = [p.asnumpy() if kind == "ndarray" else p for p in found]
    onp.testing.assert_array_equal(onp.concatenate(values, axis), x)


def test_uneven_splits_are_refused():
    with pytest.raises(ValueError, match=r"\(6, 4\) cannot be evenly split into 4 slices"):
        utils.split_data(mx.np.ones((6, 4)), 4)


def test_split_and_load():
    devices = [mx.cpu(0), mx.cpu(1)]
    found = utils.split_and_load(onp.arange(4.0), devices)
    assert [p.device for p in found] == devices
    onp.testing.assert_array_equal(found[1].asnumpy(), [2, 3])
    (one,) = utils.split_and_load(mx.np.ones((3,)), [mx.cpu(1)], even_split=True)
    assert one.device == mx.cpu(1)


# ---- clipping ----------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_clip_global_norm(dtype):
    arrays = [mx.np.ones((2,), dtype=dtype) * 3, mx.np.ones((2,), dtype=dtype) * 4]
    norm = utils.clip_global_norm(arrays, 1.0)
    assert isinstance(norm, float)
    assert norm == pytest.approx(onp.sqrt(50), rel=1e-3)
    total = sum((a.asnumpy().astype(float) ** 2).sum() for a in arrays)
    assert total == pytest.approx(1, rel=1e-2)
    before = [a.asnumpy() for a in arrays]
    found = utils.clip_global_norm(arrays, 2.0, check_isfinite=False)
    assert found.shape == (1,)
    for a, b in zip(arrays, before, strict=True):
        onp.testing.assert_array_equal(a.asnumpy(), b)


def test_clip_keeps_gradients_fresh():
    p = mx.gluon.Parameter("p", shape=(2,))
    p.initialize("ones")
    with mx.autograd.record():
        y = (p.data() * 30).sum()
    y.backward()
    trainer = mx.gluon.Trainer([p], "sgd", {"learning_rate": 1.0})
    utils.clip_global_norm([p.grad()], 1.0)
    trainer.step(1)
    onp.testing.assert_allclose(p.data().asnumpy(), 1 - 1 / onp.sqrt(2), rtol=1e-5)


def test_clip_warns_of_what_is_not_finite():
    with pytest.warns(UserWarning, match="nan or inf is detected"):
        assert utils.clip_global_norm([mx.np.array([onp.inf])], 1.0) == onp.inf
    with pytest.raises(IndexError):
        utils.clip_global_norm([], 1.0)


# ---- files -------------------------------------------------------------------------------------
def test_download(tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(b"content")
    digest = hashlib.sha1(b"content").hexdigest()
    url = source.as_uri()
    path = utils.download(url, str(tmp_path / "there.bin"), sha1_hash=digest)
    assert Path(path).read_bytes() == b"content"
    assert utils.check_sha1(path, digest)
    source.write_bytes(b"other")
    assert utils.download(url, path) == path  # it is there already
    assert utils.check_sha1(path, digest)
    utils.download(url, path, overwrite=True)
    assert Path(path).read_bytes() == b"other"
    folder = tmp_path / "folder"
    folder.mkdir()
    assert utils.download(url, str(folder)) == str(folder / "source.bin")
    with pytest.raises(MXNetError, match=r"(?s)the SHA-1 of what came is not.*put it at"):
        utils.download(url, str(tmp_path / "new.bin"), sha1_hash="0" * 40, retries=0)
    with pytest.raises(MXNetError, match="cannot download"):
        utils.download((tmp_path / "missing").as_uri(), str(tmp_path / "new.bin"), retries=1)
    assert not list(tmp_path.glob("new.bin*"))
    with pytest.raises(ValueError, match="only http, https and file"):
        utils.download("ftp://x/y", str(tmp_path / "y"))
    with pytest.raises(ValueError, match="at least 0"):
        utils.download(url, path, retries=-1)


def test_replace_file(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("new")
    b.write_text("old")
    utils.replace_file(str(a), str(b))
    assert b.read_text() == "new"
    assert not a.exists()


# ---- shapes ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "known"),
    [(None, False), ((), True), ((1, 0), True), ((1, -1), False), ((2, 3), True)],
)
def test_shape_is_known(shape, known):
    assert utils.shape_is_known(shape) is known


def test_shape_is_known_in_legacy_mode():
    mx.npx.reset_np()
    with warnings.catch_warnings():
        assert not utils.shape_is_known(())
        assert not utils.shape_is_known((1, 0))
        assert utils.shape_is_known((1, 2))
