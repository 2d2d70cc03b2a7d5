"""Sessions whose inputs and parameters are kept on a device between calls, by IOBinding.

A parameter is copied to the device once a version; an input is copied into memory of the device
that is kept as long as its shape stays the same.  Results come back as NumPy arrays.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgluon.backends.sessions import Runner, runtime


class _Bound(threading.local):
    """Binding and buffers of one thread."""

    def __init__(self) -> None:
        self.binding: Any = None
        self.buffers: dict[str, Any] = {}


class DeviceRunner(Runner):
    """A session as a function of arrays, or of values that `hold` put on its device.

    Parameters
    ----------
    device : (str, int)
        Kind and number of the device, as IOBinding names them: ``("cuda", 0)``.
    """

    def __init__(self, session: Any, inputs: Sequence[str], device: tuple[str, int]) -> None:
        super().__init__(session, inputs)
        self.device = device
        self._bound = _Bound()

    def hold(self, array: np.ndarray) -> Any:
        """Copy an array to the device; the result can be passed in its place."""
        make = runtime().OrtValue.ortvalue_from_numpy
        return make(np.ascontiguousarray(array), *self.device)

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays, or values on the device, in the order of the inputs."""
        bound = self._bound
        if bound.binding is None:
            bound.binding = self.session.io_binding()
        binding = bound.binding
        for name, array in zip(self.names, arrays, strict=True):
            if name is None:
                continue
            if isinstance(array, np.ndarray):
                array = self._on_device(bound.buffers, name, array)
            binding.bind_ortvalue_input(name, array)
        # bound anew: else the run would write over the results of the last one
        for name in self.outputs:
            binding.bind_output(name, "cpu")
        self.session.run_with_iobinding(binding)
        return tuple(binding.copy_outputs_to_cpu())

    def _on_device(self, buffers: dict[str, Any], name: str, array: np.ndarray) -> Any:
        """Return memory of the device that holds `array`, the same as last time where it fits."""
        key = (array.shape, array.dtype)
        known = buffers.get(name)
        if known is not None and known[0] == key:
            known[1].update_inplace(array)
            return known[1]
        value = self.hold(array.copy())  # on the CPU the value is the array: it must be ours
        buffers[name] = (key, value)
        return value
