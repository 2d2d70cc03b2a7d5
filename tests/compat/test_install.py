"""``import mxnet`` means symgluon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import symgluon
from symgluon import compat


@pytest.fixture
def _installed():
    compat.install()
    yield
    compat.uninstall()


CODE = """
import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
import mxnet.gluon.model_zoo.vision as zoo
from mxnet.base import MXNetError, numeric_types
from mxnet.gluon.parameter import Parameter

net = nn.HybridSequential()
net.add(nn.Dense(3, activation="relu"), nn.Dense(2))
net.initialize(mx.init.Xavier(), ctx=mx.cpu())
net.hybridize()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
x = nd.ones((4, 5))
with autograd.record():
    loss = gluon.loss.L2Loss()(net(x), nd.zeros((4, 2)))
loss.backward()
trainer.step(4)
data = net[0].weight.data()
"""


@pytest.mark.usefixtures("_installed")
def test_old_code():
    space: dict[str, object] = {}
    exec(CODE, space)
    assert space["mx"].__version__ == "1.9.1"
    assert type(space["data"]) is symgluon.nd.NDArray
    assert space["nn"] is symgluon.gluon.nn
    assert space["MXNetError"] is symgluon.MXNetError
    assert not symgluon.util.is_np_array()


def test_release_2():
    compat.install("2")
    import mxnet

    assert mxnet.__version__.startswith("2.")
    assert mxnet.util.is_np_array()
    compat.uninstall()
    assert "mxnet" not in sys.modules


@pytest.mark.usefixtures("_installed")
def test_what_is_missing_is_missing():
    with pytest.raises(ModuleNotFoundError, match=r"mxnet\.nothing"):
        import mxnet.nothing
    import mxnet

    with pytest.raises(AttributeError):
        _ = mxnet.nothing


def test_refusals():
    with pytest.raises(ValueError, match="release is '1' or '2'"):
        compat.install("3")
    code = (
        "import sys, types; sys.modules['mxnet'] = types.ModuleType('mxnet')\n"
        "from symgluon import compat\n"
        "try:\n    compat.install()\nexcept RuntimeError as e:\n    print('refused', e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "refused mxnet is imported already" in done.stdout


@pytest.mark.parametrize("name", ["use_np", "np_shape", "is_np_array", "use_np_shape"])
def test_names_of_util_at_the_top(name):
    assert getattr(symgluon, name) is getattr(symgluon.util, name)
    assert name in dir(symgluon)


def test_modules_that_mxnet_imports_are_there():
    """Packages write ``import multiprocessing`` and use ``multiprocessing.pool``."""
    code = (
        "import multiprocessing; from symgluon import compat; compat.install(); import mxnet; "
        "print(multiprocessing.pool.Pool.__name__)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "Pool", done.stderr
