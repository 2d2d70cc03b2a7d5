"""Parameters of blocks to files and back, MXNet's files into blocks, and errors that name names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as onp
import pytest

import symgluon as mx
from symgluon import gluon
from symgluon.errors import DTypeError, FormatError, ShapeError
from symgluon.formats.params import load_params, save_params
from symgluon.gluon import nn

np, npx = mx.np, mx.npx
DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(autouse=True)
def _numpy_arrays():
    npx.set_np()
    yield
    npx.reset_np()


def make_net(units=3, in_units=2):
    net = nn.HybridSequential()
    net.add(nn.Dense(units, in_units=in_units), nn.BatchNorm(in_channels=units))
    return net


def filled(seed=0, **kwargs):
    mx.random.seed(seed)
    net = make_net(**kwargs)
    net.initialize(mx.init.Normal(1))
    return net


def values(net):
    return {n: p.data().asnumpy() for n, p in net.collect_params().items()}


def same(a, b):
    assert list(a) == list(b)
    for name in a:
        onp.testing.assert_array_equal(a[name], b[name])


# ---- there and back -----------------------------------------------------------------------------
@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("prepare", [lambda n: None, lambda n: n.initialize()])
def test_there_and_back(tmp_path, active, prepare):
    path = str(tmp_path / "net.params")
    net, other = filled(1), make_net()
    net.save_parameters(path)
    prepare(other)
    other.hybridize(active)
    other.load_parameters(path)
    same(values(net), values(other))
    x = np.ones((2, 2))
    onp.testing.assert_allclose(net(x).asnumpy(), other(x).asnumpy(), rtol=1e-6)


def test_the_shape_comes_from_the_file(tmp_path):
    path = str(tmp_path / "net.params")
    net, other = filled(1), nn.HybridSequential()
    other.add(nn.Dense(3), nn.BatchNorm())
    net.save_parameters(path)
    other.load_parameters(path)
    same(values(net), values(other))


def test_loaded_values_are_used_by_hybridized_calls(tmp_path):
    path = str(tmp_path / "net.params")
    net, other = filled(1), filled(2)
    net.hybridize()
    x = np.ones((2, 2))
    for _ in range(6):
        net(x)
    other.save_parameters(path)
    net.load_parameters(path)
    onp.testing.assert_allclose(net(x).asnumpy(), other(x).asnumpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(tmp_path, dtype):
    path = str(tmp_path / "net.params")
    net, other = filled(1), make_net()
    net.cast(dtype)
    net.save_parameters(path)
    other.cast(dtype)
    other.load_parameters(path)
    same(values(net), values(other))
    assert other[0].weight.data().dtype == dtype


def shared():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    net[1].share_parameters(net[0].collect_params())
    return net


@pytest.mark.parametrize(("deduplicate", "count"), [(False, 4), (True, 2)])
def test_shared_parameters(tmp_path, deduplicate, count):
    path = str(tmp_path / "net.params")
    net, other = shared(), shared()
    net.initialize(mx.init.Normal(1))
    net.save_parameters(path, deduplicate=deduplicate)
    assert len(load_params(path)) == count
    other.load_parameters(path)
    same(values(net), values(other))
    assert other[1].weight is other[0].weight


def test_load_dict_takes_arrays_of_any_kind():
    net, other = filled(1), filled(2)
    kinds = [lambda p: p, lambda p: p.data(), lambda p: p.data().asnumpy()]
    params = net.collect_params().items()
    other.load_dict({n: kinds[i % 3](p) for i, (n, p) in enumerate(params)})
    same(values(net), values(other))


def test_whole_models(tmp_path):
    prefix = str(tmp_path / "net")
    net, other = filled(1), filled(2)
    net.save(prefix)
    other.load(prefix)
    same(values(net), values(other))
    with pytest.raises(FormatError, match="Dense"):
        nn.Dense(2, in_units=2).load(prefix)
    Path(f"{prefix}-model.json").write_text("{")
    with pytest.raises(FormatError, match="no model description"):
        other.load(prefix)


# ---- errors -------------------------------------------------------------------------------------
def write(tmp_path, **changes):
    arrays = {n: a for n, a in values(filled(1)).items() if changes.get(n, 0) is not None}
    arrays.update({n: a for n, a in changes.items() if a is not None})
    path = str(tmp_path / "changed.params")
    save_params(path, arrays)
    return path


def test_missing_names(tmp_path):
    path = write(tmp_path, **{"0.bias": None, "1.gamma": None})
    net = filled(2)
    before = values(net)
    with pytest.raises(AssertionError, match=r"lacks.*'0\.bias', '1\.gamma'") as caught:
        net.load_parameters(path)
    assert path in str(caught.value)
    assert "allow_missing" in str(caught.value)
    same(values(net), before)
    net.load_parameters(path, allow_missing=True)
    onp.testing.assert_array_equal(values(net)["0.bias"], before["0.bias"])
    assert not onp.array_equal(values(net)["0.weight"], before["0.weight"])


def test_extra_names(tmp_path):
    path = write(tmp_path, extra=onp.ones(2, "float32"))
    net = filled(2)
    before = values(net)
    with pytest.raises(ValueError, match="'extra'") as caught:
        net.load_parameters(path)
    assert "ignore_extra" in str(caught.value)
    same(values(net), before)
    net.load_parameters(path, ignore_extra=True)
    same(values(net), values(filled(1)))


def test_wrong_shapes(tmp_path):
    path = write(tmp_path, **{"0.weight": onp.ones((3, 5), "float32")})
    net = filled(2)
    before = values(net)
    with pytest.raises(ShapeError, match=r"'0\.weight'.*\(3, 5\).*\(3, 2\)"):
        net.load_parameters(path)
    same(values(net), before)


def test_wrong_dtypes(tmp_path):
    path = write(tmp_path, **{"0.weight": onp.ones((3, 2), "float64")})
    net = filled(2)
    with pytest.raises(DTypeError, match=r"'0\.weight'.*float64.*float32"):
        net.load_parameters(path)
    net.load_parameters(path, cast_dtype=True)
    assert net[0].weight.data().dtype == onp.float32
    net.load_parameters(path, cast_dtype=True, dtype_source="saved")
    assert net[0].weight.data().dtype == onp.float64
    with pytest.raises(ValueError, match="dtype_source"):
        net.load_parameters(path, cast_dtype=True, dtype_source="file")


def test_missing_files(tmp_path):
    with pytest.raises(OSError, match="none"):
        filled().load_parameters(str(tmp_path / "none.params"))


@pytest.mark.parametrize("keep", [0, 3, 17, 60, -1])
@pytest.mark.parametrize("name", ["v2-gluon.params", "zip-gluon.params"])
def test_truncated_files(tmp_path, name, keep):
    content = (DATA / "params" / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[:keep])
    net = filled(2)
    before = values(net)
    with pytest.raises(FormatError) as caught:
        net.load_parameters(str(path))
    assert name in str(caught.value)
    same(values(net), before)


def test_arrays_without_names_are_refused():
    with pytest.raises(FormatError, match="names"):
        filled().load_parameters(str(DATA / "params" / "v2-list.params"))


def test_uninitialized_blocks_cannot_be_saved(tmp_path):
    with pytest.raises(RuntimeError, match="weight"):
        make_net().save_parameters(str(tmp_path / "net.params"))
    assert list(tmp_path.iterdir()) == []


# ---- files of MXNet -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["v2-gluon.params", "zip-gluon.params"])
def test_gluon_files_of_mxnet(name, tmp_path):
    path = DATA / "params" / name
    net = make_net()
    net.load_parameters(str(path))
    recorded = load_params(str(path))
    found = values(net)
    assert set(found) == set(recorded)
    for key, array in recorded.items():
        onp.testing.assert_array_equal(found[key], array)
    assert (found["0.weight"] == 0.5).all()


def mlp():
    net = nn.HybridSequential()
    net.add(
        nn.Dense(32, activation="relu"), nn.Dropout(0.3), nn.Dense(16, activation="tanh"),
        nn.Dense(10),
    )  # fmt: skip
    return net


@pytest.mark.parametrize("file", ["mlp.gluon.params", "mlp-0000.params"])
def test_a_model_of_mxnet_2(file):
    folder = DATA / "models" / "mxnet-2.0.0beta1" / "mlp"
    meta = json.loads((folder / "meta.json").read_text())
    recorded = onp.load(folder / "io.npz")
    net = mlp()
    net.load_parameters(str(folder / file))
    out = net(np.array(recorded[f"input/{meta['inputs'][0]['name']}"]))
    onp.testing.assert_allclose(out.asnumpy(), recorded["output/0"], rtol=1e-4, atol=1e-5)


def test_what_is_saved_is_what_mxnet_wrote(tmp_path):
    source = DATA / "models" / "mxnet-2.0.0beta1" / "mlp" / "mlp.gluon.params"
    net = mlp()
    net.load_parameters(str(source))
    net.save_parameters(str(tmp_path / "mlp.params"))
    shutil.copy(source, tmp_path / "source.params")
    assert load_params(str(tmp_path / "mlp.params")).keys() == load_params(str(source)).keys()
    again = mlp()
    again.load_parameters(str(tmp_path / "mlp.params"))
    same(values(net), values(again))


def test_parameter_errors_say_which_parameter():
    net = filled()
    with pytest.raises(ShapeError, match="weight"):
        net[0].weight.set_data(np.ones((9, 9)))
    assert isinstance(net[0].weight, gluon.Parameter)
