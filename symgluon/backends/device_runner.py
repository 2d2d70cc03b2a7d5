"""Sessions on a device, by IOBinding: parameters, inputs and results stay there between calls.

A parameter is copied to the device once a version; an input is copied into memory of the device
that is kept as long as its shape stays the same.  Results are fetched when they are read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.backends.sessions import Runner, failures, runtime
from symgluon.ops.resident import Resident, fetched

#: element types of ONNX Runtime whose NumPy names are others
_OTHER_NAMES = {"float": "float32", "double": "float64", "string": "object"}
#: sizes of inputs for which the kernels of a session are recorded
_MOST_TAKES = 8


def _dtype(type_: str) -> np.dtype[Any]:
    """Dtype of ``"tensor(float)"``."""
    name = type_.partition("(")[2].rstrip(")")
    return np.dtype(_OTHER_NAMES.get(name, name))


def put(array: np.ndarray, device: tuple[str, int]) -> Any:
    """Copy an array to a device (on the CPU, the value is the array)."""
    return runtime().OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"), *device)


def _run(session: Any, binding: Any, options: Any = None) -> None:
    """Run by IOBinding, which tells the failure of a kernel by another class than a plain run."""
    try:
        session.run_with_iobinding(binding, options)
    except RuntimeError as error:
        raise runtime().capi.onnxruntime_pybind11_state.Fail(str(error)) from error


class _Bound(threading.local):
    """Binding and buffers of one thread."""

    def __init__(self) -> None:
        self.binding: Any = None
        self.buffers: dict[str, Any] = {}


class DeviceRunner(Runner):
    """A session as a function of arrays, or of values on its device.

    Parameters
    ----------
    device : (str, int)
        Kind and number of the device, as IOBinding names them: ``("cuda", 0)``.
    """

    def __init__(self, session: Any, inputs: Sequence[str], device: tuple[str, int]) -> None:
        super().__init__(session, inputs)
        self.device = device
        self.dtypes = [_dtype(o.type) for o in session.get_outputs()]
        self._bound = _Bound()

    def hold(self, array: Any) -> Resident:
        """Copy an array to the device; the result can be passed in its place."""
        if type(array) is Resident and array.device == self.device:
            return array
        array = fetched(array)
        return Resident(put(array, self.device), self.device, array.shape, array.dtype)

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays, or values on the device, in the order of the inputs."""
        return tuple([r.numpy() for r in self.resident(*arrays)])

    def resident(self, *arrays: Any) -> tuple[Resident, ...]:
        """Run, and leave the results on the device."""
        bound = self._bound
        if bound.binding is None:
            bound.binding = self.session.io_binding()
        binding = bound.binding
        for name, array in zip(self.names, arrays, strict=True):
            if name is not None:
                binding.bind_ortvalue_input(name, self._on_device(bound.buffers, name, array))
        # bound anew: else the run would write over the results of the last one
        for name in self.outputs:
            binding.bind_output(name, *self.device)
        _run(self.session, binding)
        values = binding.get_outputs()
        binding.clear_binding_outputs()  # nobody holds them but who gets them
        return tuple(
            [
                Resident(v, self.device, tuple(v.shape()), d)
                for v, d in zip(values, self.dtypes, strict=True)
            ]
        )

    def _on_device(self, buffers: dict[str, Any], name: str, array: Any) -> Any:
        """Return memory of the device that holds `array`, the same as last time where it fits."""
        if type(array) is Resident:
            if array.device == self.device:
                return array.value
            array = array.numpy()
        key = (array.shape, array.dtype)
        known = buffers.get(name)
        if known is not None and known[0] == key:
            known[1].update_inplace(np.asarray(array, order="C"))
            return known[1]
        value = put(array.copy(), self.device)  # on the CPU a value is the array: it must be ours
        buffers[name] = (key, value)
        return value


class _Take:
    """Memory of fixed addresses for one set of sizes, which the recorded kernels read and write."""

    def __init__(self, runner: CapturedRunner, number: int, arrays: Sequence[np.ndarray]) -> None:
        device = runner.device
        self.binding = runner.session.io_binding()
        self.options = _annotated(number)
        self.inputs = [put(a.copy(), device) for a in arrays]
        for name, value in zip(runner.given, self.inputs, strict=True):
            self.binding.bind_ortvalue_input(name, value)
        for name in runner.outputs:
            self.binding.bind_output(name, *device)
        # not recorded yet: kernels choose their algorithms, and the sizes of the results show
        _run(runner.session, self.binding, _annotated(-1))
        make = runtime().OrtValue.ortvalue_from_shape_and_type
        self.outputs = [
            make(v.shape(), d, *device)
            for v, d in zip(self.binding.get_outputs(), runner.dtypes, strict=True)
        ]
        self.binding.clear_binding_outputs()
        for name, value in zip(runner.outputs, self.outputs, strict=True):
            self.binding.bind_ortvalue_output(name, value)

    def run(self, session: Any, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        for value, array in zip(self.inputs, arrays, strict=True):
            value.update_inplace(np.asarray(array, order="C"))
        _run(session, self.binding, self.options)
        return tuple([v.numpy() for v in self.outputs])


def _annotated(number: int) -> Any:
    """Options of a run whose kernels are recorded under a number; -1: not recorded."""
    options = runtime().RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(number))
    return options


class CapturedRunner(DeviceRunner):
    """A session whose kernels are recorded once for each set of sizes, and then launched at once.

    CUDA calls it a graph.  It has addresses of its own, so one thread runs at a time; results come
    as NumPy arrays, since the next run writes over them.  Only the first few sizes are recorded.
    """

    def __init__(self, session: Any, inputs: Sequence[str], device: tuple[str, int]) -> None:
        super().__init__(session, inputs, device)
        self.given = [n for n in self.names if n is not None]
        self._takes: dict[Any, _Take] = {}
        self._plain = _annotated(-1)
        self._refused = False
        self._lock = threading.Lock()

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays, or values on the device, in the order of the inputs."""
        own = [fetched(a) for n, a in zip(self.names, arrays, strict=True) if n is not None]
        key = tuple([a.shape for a in own])
        with self._lock:
            take = self._takes.get(key)
            if take is not None:
                return take.run(self.session, own)
            if len(self._takes) < _MOST_TAKES and not self._refused:
                found = self._first(key, own)
                if found is not None:
                    return found
            feeds = dict(zip(self.given, own, strict=True))
            return tuple(self._run(self.outputs, feeds, self._plain))

    def _first(self, key: Any, own: Sequence[np.ndarray]) -> tuple[np.ndarray, ...] | None:
        """Record and run; None where a kernel cannot be recorded, which shows only then."""
        take = _Take(self, len(self._takes) + 1, own)
        try:
            found = take.run(self.session, own)
        except failures():
            self._refused = True
            return None
        self._takes[key] = take
        return found

    def resident(self, *arrays: Any) -> Any:
        """Run; the results are NumPy arrays."""
        return self(*arrays)
