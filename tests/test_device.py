from __future__ import annotations

import pickle
import threading

import pytest

from symgluon import config, device, util
from symgluon.device import Context, Device, cpu, cpu_pinned, current_context, current_device, gpu
from symgluon.errors import AttributeValueError, SymgluonError
from symgluon.test_utils import default_device, set_default_device


def test_labels():
    assert str(cpu()) == repr(Device("cpu", 0)) == "cpu(0)"
    assert str(gpu(1)) == "gpu(1)"
    assert cpu(1) != cpu()
    assert cpu() != gpu()
    assert cpu_pinned() != cpu()
    assert Device(gpu(2)) == gpu(2)
    assert len({cpu(), Device("cpu"), gpu(), cpu(1)}) == 3
    assert [d.device_typeid for d in (cpu(), gpu(), cpu_pinned(), Device("cpu_shared"))] == [
        1,
        2,
        3,
        5,
    ]
    assert Context is Device
    assert pickle.loads(pickle.dumps(gpu(3))) == gpu(3)
    cpu().empty_cache()


def test_bad_labels():
    with pytest.raises(AttributeValueError, match="cpu_shared"):
        Device("tpu")
    with pytest.raises(AttributeValueError, match="negative"):
        cpu(-1)
    with pytest.raises(AttributeError, match="immutable"):
        cpu().device_id = 3


def test_current_device_is_per_thread():
    seen = []
    assert current_device() == cpu()
    with gpu(1) as entered, cpu(2):
        assert entered == gpu(1)
        assert current_context() == cpu(2)
        thread = threading.Thread(target=lambda: seen.append(current_device()))
        thread.start()
        thread.join()
    assert current_device() == cpu()
    assert seen == [cpu()]


def test_the_default_device_is_set_within_a_scope_and_a_thread():
    seen = []

    def other():
        set_default_device(cpu(3))
        seen.append(current_device())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    with cpu(1):
        set_default_device(cpu(2))
        seen.append(default_device())
    assert seen == [cpu(3), cpu(2)]
    assert current_device() == cpu()
    with pytest.raises(TypeError, match="device"):
        set_default_device("cpu")


def test_gpus(monkeypatch):
    device.num_gpus.cache_clear()
    monkeypatch.setattr(device, "_has_cuda_provider", lambda: False)
    assert device.num_gpus() == 0
    device.num_gpus.cache_clear()
    monkeypatch.setattr(device, "_has_cuda_provider", lambda: True)
    monkeypatch.setattr(device.driver, "count", lambda: 3)
    assert device.num_gpus() == 3
    device.num_gpus.cache_clear()


class Driver:
    """A CUDA driver with one device of compute capability 9.0."""

    depth = held = 0

    def cuDeviceGetCount(self, to):
        to._obj.value = 1
        return 0

    def cuDeviceGet(self, to, number):
        to._obj.value = number.value
        return 0

    def cuDeviceGetAttribute(self, to, attribute, of):
        to._obj.value = {75: 9, 76: 0}[attribute.value]
        return 0

    def cuDevicePrimaryCtxRetain(self, to, of):
        self.held += 1
        return 0

    def cuCtxPushCurrent_v2(self, context):
        self.depth += 1
        return 0

    def cuMemGetInfo_v2(self, free, total):
        free._obj.value, total._obj.value = 3 << 30, 4 << 30
        return self.failure

    def cuCtxPopCurrent_v2(self, to):
        self.depth -= 1

    def cuDevicePrimaryCtxRelease_v2(self, of):
        self.held -= 1

    failure = 0


def test_what_the_driver_says(monkeypatch):
    fake = Driver()
    monkeypatch.setattr(device.driver, "_driver", lambda: fake)
    assert device.driver.count() == 1
    assert device.gpu_memory_info() == util.get_gpu_memory(0) == (3 << 30, 4 << 30)
    assert util.get_cuda_compute_capability(gpu()) == 90
    with pytest.raises(SymgluonError, match=r"gpu\(1\).*finds 1 device"):
        device.gpu_memory_info(1)
    fake.failure = 700
    with pytest.raises(SymgluonError, match="cuMemGetInfo_v2 by error 700"):
        device.gpu_memory_info()
    assert fake.depth == fake.held == 0  # the context is given back, after an error too
    monkeypatch.setattr(device.driver, "_driver", lambda: None)
    assert device.driver.count() == 0
    with pytest.raises(SymgluonError, match="no CUDA driver"):
        util.get_cuda_compute_capability(gpu())


FLAGS = [
    ("SYMGLUON_VERIFY", config.verify, False),
    ("SYMGLUON_EAGER_ORT", config.eager_ort, True),
    ("SYMGLUON_SPIN", config.spin, True),
]


@pytest.mark.parametrize(("name", "read", "default"), FLAGS)
def test_flags(monkeypatch, name, read, default):
    monkeypatch.delenv(name, raising=False)
    assert read() is default
    for text, value in (("1", True), ("on", True), ("0", False), ("False", False), ("", default)):
        monkeypatch.setenv(name, text)
        assert read() is value
    monkeypatch.setenv(name, "perhaps")
    with pytest.raises(AttributeValueError, match=name):
        read()


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_threads_of_a_container(monkeypatch, tmp_path, files, most):
    for name in ("SYMGLUON_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(config, "_CGROUP", str(tmp_path))
    monkeypatch.setattr(config.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    config._quota.cache_clear()
    assert config.threads() == most
    config._quota.cache_clear()


def test_threads_and_backend(monkeypatch):
    for name in ("SYMGLUON_THREADS", "OMP_NUM_THREADS", "SYMGLUON_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    assert config.threads() >= 1
    assert config.backend() is None
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert config.threads() == 3
    monkeypatch.setenv("SYMGLUON_THREADS", "5")
    assert config.threads() == 5
    monkeypatch.setenv("SYMGLUON_THREADS", "0")
    with pytest.raises(AttributeValueError, match="SYMGLUON_THREADS"):
        config.threads()
    monkeypatch.setenv("SYMGLUON_BACKEND", "numpy")
    assert config.backend() == "numpy"
    assert set(config.SWITCHES) == {
        "SYMGLUON_BACKEND",
        "SYMGLUON_VERIFY",
        "SYMGLUON_EAGER_ORT",
        "SYMGLUON_THREADS",
        "SYMGLUON_SPIN",
        "SYMGLUON_PASSES",
        "SYMGLUON_CACHE_DIR",
        "SYMGLUON_CACHE_SIZE",
    }
