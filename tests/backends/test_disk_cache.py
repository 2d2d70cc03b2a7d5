"""Compiled models on disk: found again, safe with others, replaced when damaged, limited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon import config
from symgluon.backends import disk_cache, graph_sessions, sessions, stored
from symgluon.backends.disk_cache import DiskCache
from symgluon.errors import AttributeValueError
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _numpy_arrays(monkeypatch):
    monkeypatch.delenv("SYMGLUON_BACKEND", raising=False)
    monkeypatch.delenv("SYMGLUON_CACHE_SIZE", raising=False)
    npx.set_np()
    yield
    npx.reset_np()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMGLUON_CACHE_DIR", str(tmp_path / "cache"))
    graph_sessions._compiled.clear()
    graph_sessions._held.clear()
    disk_cache._told.clear()
    return DiskCache(str(tmp_path / "cache"), 1 << 30)


@pytest.fixture
def made(monkeypatch):
    """What sessions are made from: bytes of a model, or the file of an entry."""
    found = []
    original = sessions.make_session

    def make_session(model, **options):
        found.append("file" if isinstance(model, str) else "model")
        return original(model, **options)

    monkeypatch.setattr(sessions, "make_session", make_session)
    monkeypatch.setattr(stored, "make_session", make_session)
    return found


def run(seed=3, calls=5, **options):
    """A net with fixed weights, run often enough to have them as constants."""
    graph_sessions._compiled.clear()
    graph_sessions._held.clear()
    rng = onp.random.default_rng(seed)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(16, 3, in_channels=3), nn.BatchNorm(in_channels=16), nn.Dense(4))
    net.initialize()
    x = np.array(rng.normal(size=(2, 3, 8, 8)), dtype="float32")
    net(x)
    for parameter in net.collect_params().values():
        parameter.set_data(np.array(rng.uniform(0.5, 1, parameter.shape), dtype="float32"))
    want = net(x).asnumpy()
    net.optimize_for(x, **options)
    for _ in range(calls):
        onp.testing.assert_allclose(net(x).asnumpy(), want, rtol=1e-4, atol=1e-4)
    return net, x


def test_is_off_by_default(tmp_path, monkeypatch):
    monkeypatch.delenv("SYMGLUON_CACHE_DIR", raising=False)
    assert disk_cache.open_cache() is None
    monkeypatch.setenv("SYMGLUON_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("SYMGLUON_CACHE_SIZE", "0")
    assert disk_cache.open_cache() is None


def test_second_run_opens_files(cache, made):
    run()
    assert made.count("file") == 0
    kinds = sorted("-" in e.name for e in cache.entries())
    assert kinds == [False, True]  # weights as inputs; weights as constants
    made.clear()
    run()
    assert made[-1] == "file"
    assert "model" not in made[1:]  # the first is the eager call's
    assert len(cache.entries()) == 2


def test_other_weights_are_another_entry(cache):
    run(seed=3)
    run(seed=4)
    assert sum("-" in e.name for e in cache.entries()) == 2
    assert sum("-" not in e.name for e in cache.entries()) == 1


def test_options_and_versions_count(cache, monkeypatch):
    run()
    names = {e.name for e in cache.entries()}
    disk_cache.environment.cache_clear()
    monkeypatch.setattr(disk_cache, "_processor", lambda: "another processor")
    try:
        run()
    finally:
        disk_cache.environment.cache_clear()
    assert len({e.name for e in cache.entries()} - names) == 2


def test_passes_count(cache):
    run()
    before = sum("-" in e.name for e in cache.entries())
    run(passes=("-fold_batch_norm",))
    assert sum("-" in e.name for e in cache.entries()) == before + 1


@pytest.mark.parametrize("file", ["model.onnx", "weights.bin", "entry.json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "foreign"])
def test_damaged_entries_are_replaced(cache, file, harm, made):
    run()
    for entry in cache.entries():
        path = entry.path / file
        if not path.exists():
            continue
        content = path.read_bytes()
        if harm == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif harm == "changed":
            path.write_bytes(content[:-20] + bytes(20))
        elif harm == "gone":
            path.unlink()
        else:
            path.write_bytes(b"{}")
    made.clear()
    run()
    whole = [e for e in cache.entries() if cache.load(e.name) is not None]
    assert {"-" in e.name for e in whole} >= {True}
    made.clear()
    run()
    assert made[-1] == "file"


def test_a_whole_entry_that_does_not_open_is_replaced(cache, made):
    """Sizes and sums are right, the content is none of ours."""
    run()
    for entry in cache.entries():
        (entry.path / "model.onnx").write_bytes(b"no model")
        about = json.loads((entry.path / "entry.json").read_text())
        about["files"][0] = ["model.onnx", *disk_cache._checksum(entry.path / "model.onnx")]
        (entry.path / "entry.json").write_text(json.dumps(about))
        assert cache.load(entry.name) is not None
    made.clear()
    run()
    assert "model" in made
    made.clear()
    run()
    assert made[-1] == "file"


def test_the_longest_unused_go_first(cache, monkeypatch):
    run(seed=1)
    for i, entry in enumerate(cache.entries()):
        os.utime(entry.path / "entry.json", (1000 + i, 1000 + i))
    first = {e.name for e in cache.entries()}
    size = sum(e.bytes for e in cache.entries())
    monkeypatch.setenv("SYMGLUON_CACHE_SIZE", str(int(size * 1.2)))
    monkeypatch.setattr(stored, "_SHARE", 1)
    run(seed=2)
    left = cache.entries()
    assert sum(e.bytes for e in left) <= size * 1.2
    assert any(e.name not in first for e in left)


def test_what_is_too_large_is_not_kept(cache, monkeypatch):
    monkeypatch.setenv("SYMGLUON_CACHE_SIZE", "2K")
    run()
    assert not [e for e in cache.entries() if "-" in e.name]


def test_use_is_noted(cache):
    run()
    for entry in cache.entries():
        os.utime(entry.path / "entry.json", (1000, 1000))
    run()
    assert any(e.used > 2000 for e in cache.entries())


def test_a_folder_that_cannot_be_written_to_is_told_once(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("SYMGLUON_CACHE_DIR", str(blocked))
    disk_cache._told.clear()
    with pytest.warns(UserWarning, match="cannot be kept") as told:
        run()
    assert len([w for w in told if "cannot be kept" in str(w.message)]) == 1


def test_entries_are_seen_whole_or_not_at_all(cache):
    """Threads that put, load and remove one entry: whoever loads sees all of it."""
    wrong = []
    stop = threading.Event()

    def put(content):
        while not stop.is_set():
            try:
                writing = cache.begin("same")
                (writing.path / "model.onnx").write_bytes(content * 5000)
                writing.finish("graph", ["x"])
            except OSError:
                continue  # removed while it was put: nothing is left of it

    def look():
        while not stop.is_set():
            entry = cache.load("same")
            if entry is not None:
                try:
                    data = (entry.path / "model.onnx").read_bytes()
                except OSError:
                    continue
                if len(set(data)) != 1 or len(data) != 5000:
                    wrong.append(len(data))

    def remove():
        while not stop.is_set():
            cache.remove("same")

    threads = [threading.Thread(target=put, args=(c,)) for c in (b"a", b"b")]
    threads += [threading.Thread(target=f) for f in (look, look, remove)]
    for t in threads:
        t.start()
    stop.wait(1.0)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong


def test_processes_share_it(cache):
    code = textwrap.dedent(
        """
        import numpy as onp, symgluon as mx
        mx.npx.set_np()
        net = mx.gluon.nn.Dense(64, in_units=64)
        net.initialize()
        net.weight.set_data(mx.np.array(onp.arange(4096).reshape(64, 64) % 7, dtype="float32"))
        net.hybridize()
        for _ in range(6):
            y = net(mx.np.ones((2, 64)))
        print(float(y.sum()))
        """
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    answers = [p.communicate(timeout=120) for p in running]
    assert {out for out, _ in answers} == {f"{float((onp.arange(4096) % 7).sum() * 2)}\n"}, answers
    assert [e for e in cache.entries() if "-" in e.name]
    assert not list(cache.folder.glob("tmp-*"))


def test_gradient_graphs_are_kept(cache, made):
    def train():
        graph_sessions._compiled.clear()
        graph_sessions._held.clear()
        net = nn.Dense(3, in_units=2)
        net.initialize(mx.init.One())
        net.hybridize()
        with mx.autograd.record():
            loss = (net(np.ones((2, 2))) ** 2).sum()
        loss.backward()
        return net.weight.grad().asnumpy()

    first = train()
    made.clear()
    onp.testing.assert_allclose(train(), first)
    assert "model" not in made


def test_unfinished_entries_of_dead_processes_go(cache):
    old = cache.begin("x").path
    new = cache.begin("x").path
    os.utime(old, (1000, 1000))
    cache.trim()
    assert not old.exists()
    assert new.exists()


# ---- switches -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "size"), [("", 4 << 30), ("500M", 500 << 20), ("1.5g", 3 << 29), ("0", 0), ("12", 12)]
)
def test_sizes(monkeypatch, text, size):
    monkeypatch.setenv("SYMGLUON_CACHE_SIZE", text)
    assert config.cache_size() == size


def test_a_wrong_size_is_told(monkeypatch):
    monkeypatch.setenv("SYMGLUON_CACHE_SIZE", "much")
    with pytest.raises(AttributeValueError, match="SYMGLUON_CACHE_SIZE"):
        config.cache_size()


def test_default_folder(monkeypatch):
    monkeypatch.setenv("SYMGLUON_CACHE_DIR", "default")
    assert config.cache_dir() == config.default_cache_dir()
    assert config.default_cache_dir().endswith("symgluon")
