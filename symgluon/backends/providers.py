"""Execution providers of ONNX Runtime: their short names, whether they are there, and if not, why."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from symgluon.errors import AttributeValueError, SymgluonError

#: a full name, or the full name and the provider's own options
Provider = str | tuple[str, dict[str, Any]]

CPU = "CPUExecutionProvider"
_PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "dml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "dnnl": "DnnlExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
#: what has a provider that the plain package lacks
_SOURCES = {
    "CUDAExecutionProvider": "install onnxruntime-gpu in place of onnxruntime (the two own one "
    "folder: uninstall both, then install one), on a machine with an NVIDIA driver",
    "TensorrtExecutionProvider": "install onnxruntime-gpu in place of onnxruntime, and tensorrt",
    "OpenVINOExecutionProvider": "install onnxruntime-openvino in place of onnxruntime, or use the "
    "backend 'openvino' of symgluon-openvino, which needs no other onnxruntime",
    "DmlExecutionProvider": "install onnxruntime-directml in place of onnxruntime (Windows only)",
    "CoreMLExecutionProvider": "the onnxruntime package for macOS has it",
}
_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
CUDA = "CUDAExecutionProvider"
#: provider -> device on which its inputs and parameters are kept between calls
_DEVICES = {CUDA: "cuda", "TensorrtExecutionProvider": "cuda"}
#: options that are other here than in ONNX Runtime: float32 means float32, not TF32's 10 bits
_DEFAULTS: dict[str, dict[str, Any]] = {CUDA: {"use_tf32": 0}}
_CAPTURE = "enable_cuda_graph"


@lru_cache(maxsize=1)
def installed_packages() -> tuple[str, ...]:
    """Names of the installed packages that bring the folder ``onnxruntime``, with versions."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def resolve_providers(names: Any) -> list[Provider]:
    """Full names of the wanted execution providers, with their options.

    Parameters
    ----------
    names : str or sequence
        Short or full names in order of preference; an item may be a pair of a name and a mapping
        of the provider's own options: ``[("cuda", {"device_id": 1}), "cpu"]``.

    Raises
    ------
    AttributeValueError
        If one is not in the installed onnxruntime, with the way to get it.
    """
    if names is None:
        return [CPU]
    wanted = [names] if isinstance(names, str) or _is_pair(names) else list(names)
    if not wanted:
        raise AttributeValueError("providers: give at least one execution provider")
    return [_resolve(item) for item in wanted]


def _is_pair(item: Any) -> bool:
    """Whether `item` is a name with options (which may be frozen into pairs)."""
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], str):
        return False
    options = item[1]
    return isinstance(options, Mapping) or (
        isinstance(options, tuple | list)
        and all(isinstance(o, tuple | list) and len(o) == 2 for o in options)
    )


def _resolve(item: Any) -> Provider:
    from symgluon.backends.sessions import runtime

    options: dict[str, Any] = {}
    if _is_pair(item):
        item, options = item[0], dict(item[1])
    if not isinstance(item, str):
        raise AttributeValueError(
            "providers: a name, or a pair of a name and its options", received=repr(item)
        )
    full = _PROVIDERS.get(item.lower(), item)
    available = runtime().get_available_providers()
    if full not in available:
        packages = ", ".join(installed_packages()) or "onnxruntime"
        raise AttributeValueError(
            f"the installed onnxruntime ({packages}) has no {full}; it has {', '.join(available)}",
            hint=_SOURCES.get(full, "install the onnxruntime package that has it"),
        )
    if full in _DEVICES:
        _preload()
    options = {**_DEFAULTS.get(full, {}), **options}
    return (full, options) if options else full


@lru_cache(maxsize=1)
def _preload() -> None:
    """Let onnxruntime find the CUDA libraries that pip installed (``onnxruntime-gpu[cuda,cudnn]``)."""
    from symgluon.backends.sessions import runtime

    preload = getattr(runtime(), "preload_dlls", None)
    if preload is not None:
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it misses
            preload()


def _missing_library(provider: str) -> str:
    """The first library that the provider's own needs and the system does not find; "" if unknown."""
    from symgluon.backends.sessions import runtime

    short = provider.removesuffix("ExecutionProvider").lower()
    folder = os.path.join(os.path.dirname(runtime().__file__), "capi")
    try:
        ctypes.CDLL(os.path.join(folder, f"libonnxruntime_providers_{short}.so"))
    except OSError as error:
        name, _, rest = str(error).partition(":")
        return name if "cannot open shared object" in rest and short not in name else ""
    return ""


def name_of(provider: Provider) -> str:
    """Full name of a provider."""
    return provider if isinstance(provider, str) else provider[0]


def check_loaded(session: Any, wanted: Sequence[Provider]) -> None:
    """Say so where ONNX Runtime left out a provider that it could not start.

    Raises
    ------
    SymgluonError
        Naming the provider: running somewhere else in silence is no answer to the wish for it.
    """
    started = session.get_providers()
    missing = [name_of(p) for p in wanted if name_of(p) not in started]
    if missing:
        library = _missing_library(missing[0])
        hints = [f"{library} is not found"] if library else []
        if library.startswith("libcuda.so"):
            hints.append("the NVIDIA driver brings it, on a machine with an NVIDIA GPU")
        elif missing[0] in _DEVICES:
            hints.append(
                "pip install 'onnxruntime-gpu[cuda,cudnn]' brings the libraries of CUDA and cuDNN in "
                "the right versions; the driver must be new enough for them"
            )
        hints.append("onnxruntime.set_default_logger_severity(0) shows what was tried")
        raise SymgluonError(
            f"ONNX Runtime has {', '.join(missing)} but could not start it",
            expected=", ".join(name_of(p) for p in wanted),
            received=", ".join(started),
            hint="; ".join(hints),
        )


def device_of(providers: Sequence[Provider]) -> tuple[str, int] | None:
    """Device on which inputs and parameters are kept, None for those that read NumPy's memory."""
    first = providers[0]
    device = _DEVICES.get(name_of(first))
    return None if device is None else (device, int(_options_of(first).get("device_id", 0)))


def _options_of(provider: Provider) -> dict[str, Any]:
    return {} if isinstance(provider, str) else provider[1]


def without_capture(providers: Sequence[Provider]) -> tuple[list[Provider], bool]:
    """Take the wish for CUDA graphs out of the options of a provider.

    Returns
    -------
    providers : list
    captured : bool
        Whether it was there.
    """
    first, *rest = providers
    options = _options_of(first)
    wished = str(options.get(_CAPTURE, 0)).lower() in ("1", "true")
    if _CAPTURE not in options:
        return list(providers), wished
    left = {k: v for k, v in options.items() if k != _CAPTURE}
    return [(name_of(first), left) if left else name_of(first), *rest], wished


def with_capture(providers: Sequence[Provider]) -> list[Provider]:
    """Let the first provider, that of CUDA, record its kernels and launch them at once."""
    first, *rest = providers
    return [(name_of(first), {**_options_of(first), _CAPTURE: 1}), *rest]
