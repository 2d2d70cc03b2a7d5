"""ONNX Runtime sessions: options, creation, and the shortest way to run one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symgluon import config, dtypes
from symgluon.errors import AttributeValueError

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}


@lru_cache(maxsize=1)
def runtime() -> Any:
    """Import onnxruntime on first use."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def resolve_providers(names: Any) -> list[str]:
    """Full names of the wanted execution providers.

    Raises
    ------
    AttributeValueError
        If one is not in the installed onnxruntime, with the way to get it.
    """
    if names is None:
        return ["CPUExecutionProvider"]
    wanted = [names] if isinstance(names, str) else list(names)
    available = runtime().get_available_providers()
    found = []
    for name in wanted:
        full = _PROVIDERS.get(str(name).lower(), str(name))
        if full not in available:
            hint = (
                "install onnxruntime-gpu in place of onnxruntime (the two own one folder), and a "
                "CUDA runtime"
                if full.startswith(("CUDA", "Tensorrt"))
                else "install the onnxruntime package that has it"
            )
            raise AttributeValueError(
                f"the installed onnxruntime has no {full}; it has {', '.join(available)}",
                hint=hint,
            )
        found.append(full)
    return found


def make_session(
    model: Any,
    *,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int | None = None,
    spinning: bool = False,
    optimise: bool = True,
) -> Any:
    """Create a session from a ModelProto, its bytes, or a path."""
    ort = runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or config.threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    source = model if isinstance(model, bytes | str) else model.SerializeToString()
    return ort.InferenceSession(source, options, providers=list(providers))


class Runner:
    """A session as a function of arrays in the order of its inputs."""

    def __init__(self, session: Any, inputs: Sequence[str]) -> None:
        present = {i.name for i in session.get_inputs()}
        self.session = session
        self.names = [n if n in present else None for n in inputs]
        self.outputs = [o.name for o in session.get_outputs()]
        self.plain = all(n is not None for n in self.names)
        self._run = session._sess.run
        self._bfloat16 = [i for i, o in enumerate(session.get_outputs())
                          if o.type == "tensor(bfloat16)"]  # fmt: skip

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        """Run on arrays in the order of the inputs."""
        if self.plain:
            feeds = dict(zip(self.names, arrays, strict=True))
        else:
            feeds = {n: a for n, a in zip(self.names, arrays, strict=True) if n is not None}
        return tuple(self._run(self.outputs, feeds, None))


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether sessions cannot take or give arrays of this dtype."""
    return dtype.kind == "V" and dtypes.name(dtype) == "bfloat16"
