"""Splitting of batches, norms of gradients, files (MXNet's ``gluon.utils``)."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from symgluon.errors import SymgluonError
from symgluon.gluon.hooks import HookHandle
from symgluon.ops.apply import F
from symgluon.ops.array import Array, view, wrap
from symgluon.ops.state import state
from symgluon.util import is_np_array, is_np_shape

__all__ = [
    "HookHandle",
    "check_sha1",
    "clip_global_norm",
    "download",
    "is_np_array",
    "is_np_shape",
    "replace_file",
    "shape_is_known",
    "split_and_load",
    "split_data",
    "split_rnn_params",
]


def split_data(
    data: Any, num_slice: int, batch_axis: int = 0, even_split: bool = True
) -> list[Any]:
    """Split an array into parts along the axis of the batch.

    Parameters
    ----------
    data : array
        Of any shape and dtype.
    num_slice : int
        Number of parts.
    batch_axis : int
        Axis that is cut.
    even_split : bool
        Refuse parts of different sizes; otherwise the first ones are one longer where needed.

    Returns
    -------
    list of array
        The parts, sharing memory with `data` where MXNet's slices do.

    Raises
    ------
    ValueError
        If the parts would differ in size and `even_split` is set.

    Examples
    --------
    >>> import symgluon as mx
    >>> [part.shape for part in mx.gluon.utils.split_data(mx.np.ones((5, 2)), 2, even_split=False)]
    [(3, 2), (2, 2)]
    """
    size = data.shape[batch_axis]
    if even_split and size % num_slice != 0:
        raise ValueError(
            f"data with shape {tuple(data.shape)} cannot be evenly split into {num_slice} slices "
            f"along axis {batch_axis}. Use a batch size that's multiple of {num_slice} or set "
            "even_split=False to allow uneven partitioning of data."
        )
    step, longer = divmod(size, num_slice)
    ends = [0]
    for i in range(num_slice):
        ends.append(ends[-1] + step + (i < longer))
    head = (slice(None),) * batch_axis
    return [
        view(data, (*head, slice(a, b))) if isinstance(data, Array) else data[(*head, slice(a, b))]
        for a, b in pairwise(ends)
    ]


def split_and_load(
    data: Any, ctx_list: Sequence[Any], batch_axis: int = 0, even_split: bool = True
) -> list[Any]:
    """Split an array into one part a device.

    Parameters
    ----------
    data : array or nested list of numbers
        Of any shape and dtype.
    ctx_list : list of Device
        Where the parts go.
    batch_axis : int
        Axis that is cut.
    even_split : bool
        Refuse parts of different sizes; otherwise the first ones are one longer where needed.

    Returns
    -------
    list of array
        A part on each device.

    Raises
    ------
    ValueError
        If the parts would differ in size and `even_split` is set.

    Examples
    --------
    >>> import symgluon as mx
    >>> parts = mx.gluon.utils.split_and_load(mx.np.ones((4, 2)), [mx.cpu(0), mx.cpu(1)])
    >>> [(part.shape, part.device) for part in parts]
    [((2, 2), cpu(0)), ((2, 2), cpu(1))]
    """
    if not isinstance(data, Array):
        from symgluon import ndarray, numpy

        data = numpy.array(data) if state.np_array else ndarray.array(data)
    if len(ctx_list) == 1:
        return [data.as_in_ctx(ctx_list[0])]
    parts = split_data(data, len(ctx_list), batch_axis, even_split)
    return [part.as_in_ctx(device) for part, device in zip(parts, ctx_list, strict=True)]


def clip_global_norm(arrays: Sequence[Any], max_norm: float, check_isfinite: bool = True) -> Any:
    """Scale arrays in place so that the norm of all of them together is at most `max_norm`.

    Parameters
    ----------
    arrays : list of array, float
        What is scaled, if at all.
    max_norm : float
        Bound of the norm.
    check_isfinite : bool
        Warn if the norm is not finite, and return it as a number.

    Returns
    -------
    float, or array (1,) without `check_isfinite`
        The norm before.

    Raises
    ------
    IndexError
        If there are no arrays.

    Warns
    -----
    UserWarning
        If the norm is not finite and `check_isfinite` is set.

    Examples
    --------
    >>> import symgluon as mx
    >>> x = mx.np.array([3.0, 4.0])
    >>> mx.gluon.utils.clip_global_norm([x], max_norm=1.0)
    5.0
    >>> x.asnumpy().round(3)
    array([0.6, 0.8], dtype=float32)
    """
    if not arrays:
        raise IndexError("clip_global_norm: there are no arrays")
    total = 0.0
    for array in arrays:
        flat = np.ravel(array.numpy_content("clip_global_norm"))
        if flat.dtype == np.float16 or flat.dtype.kind not in "fc":
            flat = flat.astype(np.float32)
        total += float(np.dot(flat, flat))
    norm = math.sqrt(total) if math.isfinite(total) else total
    if check_isfinite and not math.isfinite(norm):
        warnings.warn(
            "nan or inf is detected. Clipping results will be undefined.",
            UserWarning,
            stacklevel=2,
        )
    scale = max_norm / (norm + 1e-8)
    if scale < 1.0 or math.isnan(scale):
        for array in arrays:
            fresh = getattr(array, "_fresh", False)
            array._assign(F.multiply(wrap(array._content()), scale))
            if fresh:
                array._fresh = True
    if check_isfinite:
        return norm
    return wrap(np.asarray([norm], arrays[0].dtype), type(arrays[0]))


# ---- files -------------------------------------------------------------------------------------
def check_sha1(filename: str | os.PathLike[str], sha1_hash: str) -> bool:
    """Whether the SHA-1 of a file is a given one.

    Parameters
    ----------
    filename : str or path
        File to read.
    sha1_hash : str
        Hexadecimal digits.

    Returns
    -------
    bool
        Whether they agree.
    """
    digest = hashlib.sha1(usedforsecurity=False)
    with open(filename, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == sha1_hash


def replace_file(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> None:
    """Rename a file, over an existing one too, in one step.

    Parameters
    ----------
    src, dst : str or path
        Old and new name.
    """
    os.replace(src, dst)


def download(
    url: str,
    path: str | None = None,
    overwrite: bool = False,
    sha1_hash: str | None = None,
    retries: int = 5,
    verify_ssl: bool = True,
) -> str:
    """Download a file unless it is there already.

    Parameters
    ----------
    url : str
        Address (``http``, ``https`` or ``file``).
    path : str, optional
        File or folder to store it in; default: the name in `url`, here.
    overwrite : bool
        Download it even if it is there.
    sha1_hash : str, optional
        SHA-1 it must have; a file with another one is downloaded anew.
    retries : int
        How often a failed download is tried again.
    verify_ssl : bool
        Check the certificate of the server.

    Returns
    -------
    str
        Path of the file.

    Raises
    ------
    ValueError
        For an address without a name, of another kind, or `retries` below 0.
    MXNetError
        If it cannot be downloaded, or has another SHA-1: nothing is left behind then.
    """
    name = _target(url, path)
    if retries < 0:
        raise ValueError(f"Number of retries should be at least 0, received {retries}")
    if os.path.exists(name) and not overwrite and (not sha1_hash or check_sha1(name, sha1_hash)):
        return name
    os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)
    reason = ""
    for _ in range(retries + 1):
        temporary = f"{name}.{os.getpid()}.part"
        try:
            _fetch(url, temporary, verify_ssl)
            if sha1_hash and not check_sha1(temporary, sha1_hash):
                reason = f"the SHA-1 of what came is not {sha1_hash}"
                continue
            os.replace(temporary, name)
            return name
        except OSError as error:
            reason = str(error)
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)
    raise SymgluonError(
        f"cannot download {url}: {reason}",
        hint=f"fetch the file by other means and put it at {name}",
    )


def _target(url: str, path: str | None) -> str:
    last = url.split("/")[-1]
    if path is None:
        if not last:
            raise ValueError(
                "Can't construct file-name from this URL. Please set the `path` option manually."
            )
        return last
    path = os.path.expanduser(path)
    return os.path.join(path, last) if os.path.isdir(path) else path


def _fetch(url: str, target: str, verify_ssl: bool) -> None:
    import ssl
    import urllib.request

    if not url.startswith(("http://", "https://", "file://")):
        raise ValueError(f"download: only http, https and file addresses are read, received {url}")
    context = None
    if not verify_ssl:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with (
        urllib.request.urlopen(url, timeout=60, context=context) as source,
        open(target, "wb") as file,
    ):
        while block := source.read(1 << 20):
            file.write(block)


# ---- shapes ------------------------------------------------------------------------------------
def shape_is_known(shape: Any) -> bool:
    """Whether a shape, as users write it, has no unknown dimension.

    Parameters
    ----------
    shape : tuple of int or None
        Unknown dimensions are -1 with NumPy shapes (``npx.set_np``), 0 without.

    Returns
    -------
    bool
        False for None.
    """
    if shape is None:
        return False
    unknown = -1 if state.np_shape else 0
    if not shape:
        return unknown == -1
    return all(n != unknown for n in shape)


def split_rnn_params(
    param: Any,
    mode: str,
    num_layers: int,
    input_size: int,
    hidden_size: int,
    bidirectional: bool = False,
    projection_size: int | None = None,
) -> dict[str, Any]:
    """Split the flat vector of a recurrent layer into its weights and biases.

    Parameters
    ----------
    param : array (size,), float
        Parameter ``rnn_param`` of `RNN`, `LSTM` or `GRU`.
    mode : str
        ``rnn_relu``, ``rnn_tanh``, ``lstm`` or ``gru``.
    num_layers : int
        Number of layers.
    input_size, hidden_size : int
        Sizes of input and hidden state.
    bidirectional : bool
        Whether there are two directions.
    projection_size : int, optional
        Size of the projected hidden state.

    Returns
    -------
    dict of str to array
        ``l0_i2h_weight``, ``r0_h2h_bias``, ... (`l`: forward, `r`: backward direction).
    """
    from symgluon.ops.kernels.rnn import RnnConfig, unpack_params

    kind: Any = mode
    config = RnnConfig(kind, hidden_size, num_layers, bidirectional, projection_size)
    parts = unpack_params(param.numpy_content("split_rnn_params"), config, input_size)
    weights, biases = {}, {}
    for (_, layer, direction), part in zip(config.slots(), parts, strict=True):
        head = f"{'lr'[direction]}{layer}_"
        weights[f"{head}i2h_weight"] = part[0]
        weights[f"{head}h2h_weight"] = part[1]
        if part[2] is not None:
            weights[f"{head}h2r_weight"] = part[2]
        biases[f"{head}i2h_bias"], biases[f"{head}h2h_bias"] = part[3], part[4]
    return {k: wrap(v.copy(), type(param)) for k, v in {**weights, **biases}.items()}


def _get_repo_url() -> str:
    """Where MXNet's files are; the variable ``MXNET_GLUON_REPO`` says another place."""
    url = os.environ.get(
        "MXNET_GLUON_REPO", "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"
    )
    return url if url.endswith("/") else url + "/"


def _get_repo_file_url(namespace: str, filename: str) -> str:
    """Address of a file of that place."""
    return f"{_get_repo_url()}{namespace}/{filename}"
