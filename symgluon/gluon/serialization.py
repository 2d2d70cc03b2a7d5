"""Parameters and block trees to files and back."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import (
    AttributeValueError,
    DTypeError,
    FormatError,
    ParameterShapeError,
    SymgluonError,
)
from symgluon.formats import params as files
from symgluon.formats.atomic import write_text

if TYPE_CHECKING:
    from symgluon.gluon.block import Block


class _LoadedDTypeError(DTypeError, AssertionError):
    """A value of another dtype than the parameter's: an AssertionError in MXNet."""


class _SourceError(AttributeValueError, AssertionError):
    """An unknown `dtype_source`: an AssertionError in MXNet."""


class _NoFolderError(SymgluonError, FileNotFoundError):
    """The folder to write to does not exist: an MXNetError in MXNet."""


class _StructureError(FormatError, KeyError):
    """A description of another tree of blocks: a KeyError in MXNet."""


class ParameterFileError(SymgluonError, AssertionError, ValueError):
    """A file lacks parameters of the block, or holds some the block lacks (MXNet: AssertionError)."""


def save_parameters(block: Block, filename: str, deduplicate: bool) -> None:
    """Write the parameters of `block` under their structural names."""
    arrays: dict[str, np.ndarray] = {}
    seen: set[int] = set()
    for name, parameter in block._structural_params().items():
        if deduplicate and id(parameter) in seen:
            continue
        seen.add(id(parameter))
        arrays[name] = parameter._mean_over_devices()
    _check_folder(filename)
    files.save_params(filename, arrays)


def _check_folder(filename: str) -> None:
    folder = os.path.dirname(os.path.abspath(filename))
    if not os.path.isdir(folder):
        raise _NoFolderError(f"cannot write {filename}: there is no folder {folder}")


def load_parameters(
    block: Block,
    filename: str,
    device: Any,
    allow_missing: bool,
    ignore_extra: bool,
    cast_dtype: bool,
    dtype_source: str,
) -> None:
    """Load a parameter file of any MXNet version into `block`."""
    loaded = files.load_params(filename)
    if isinstance(loaded, list):
        if loaded and block._structural_params():
            raise FormatError(
                f"{filename} holds {len(loaded)} arrays without names; parameters are matched by "
                "name, so it cannot be loaded",
                path=filename,
            )
        loaded = {}
    load_arrays(
        block, loaded, f"file {filename}", device, allow_missing, ignore_extra, cast_dtype,
        dtype_source,
    )  # fmt: skip


def load_dict(
    block: Block,
    param_dict: dict[str, Any],
    device: Any,
    allow_missing: bool,
    ignore_extra: bool,
    cast_dtype: bool,
    dtype_source: str,
) -> None:
    """Load a dictionary of arrays into `block`."""
    arrays = {k: _to_numpy(v) for k, v in param_dict.items()}
    load_arrays(
        block, arrays, "the dictionary", device, allow_missing, ignore_extra, cast_dtype,
        dtype_source,
    )  # fmt: skip


def _to_numpy(value: Any) -> np.ndarray:
    data = value.data() if hasattr(value, "list_data") else value
    return data.asnumpy() if hasattr(data, "asnumpy") else np.asarray(data)


def load_arrays(
    block: Block,
    arrays: dict[str, np.ndarray],
    where: str,
    device: Any,
    allow_missing: bool,
    ignore_extra: bool,
    cast_dtype: bool,
    dtype_source: str,
) -> None:
    """Match `arrays` with the parameters of `block` and set them; nothing is set on an error.

    Raises
    ------
    ParameterFileError
        For missing or extra names (all of them are listed).
    ShapeError, DTypeError
        For a shape or dtype that does not fit.
    """
    if dtype_source not in ("current", "saved"):
        raise _SourceError(f"dtype_source is 'current' or 'saved', received {dtype_source!r}")
    params = block._structural_params()
    arrays = _match_names(arrays, params)
    if block._scope is not None:
        arrays = _by_structure(block, arrays, params)
    if not allow_missing:
        _check_missing(arrays, params, where)
    extra = [name for name in arrays if name not in params]
    if extra and not ignore_extra:
        raise ParameterFileError(
            f"{where} holds parameters that the block does not have: {_some(extra)}",
            where=f"block {type(block).__name__}",
            hint=f"the block has: {_some(list(params))}. ignore_extra=True skips them",
        )
    plan = []
    for name, array in arrays.items():
        if name in params:
            array = _fit(params[name], name, array, where, cast_dtype, dtype_source)
            plan.append((params[name], name, array))
    for parameter, name, array in plan:
        parameter._load(array, device, name)


def _match_names(arrays: dict[str, np.ndarray], params: dict[str, Any]) -> dict[str, np.ndarray]:
    """Accept exported files too (``arg:``/``aux:`` names)."""
    if arrays and all(k.startswith(("arg:", "aux:")) for k in arrays):
        return {k[4:]: v for k, v in arrays.items()}
    return arrays


def _by_structure(
    block: Block, arrays: dict[str, np.ndarray], params: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Files of MXNet 1.x may hold full names, or what follows the prefix of the block."""
    if any(name in params for name in arrays):
        return arrays
    places = {id(p): n for n, p in reversed(list(params.items()))}
    full = {n: places[id(p)] for n, p in block.collect_params().items() if id(p) in places}
    prefix = block._scope.prefix if block._scope is not None else ""
    return {full.get(n, full.get(prefix + n, n)): a for n, a in arrays.items()}


def _check_missing(arrays: dict[str, np.ndarray], params: dict[str, Any], where: str) -> None:
    loaded = {id(params[name]) for name in arrays if name in params}
    missing = [n for n, p in params.items() if n not in arrays and id(p) not in loaded]
    if missing:
        raise ParameterFileError(
            f"{where} lacks parameters of the block: {_some(missing)}",
            hint=f"it holds: {_some(list(arrays))}. allow_missing=True leaves them as they are",
        )


def _some(names: list[str], limit: int = 8) -> str:
    shown = ", ".join(map(repr, names[:limit]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > limit else "")


def _fit(
    parameter: Any, name: str, array: np.ndarray, where: str, cast_dtype: bool, source: str
) -> np.ndarray:
    want = parameter.shape
    if want is not None:
        fits = len(want) == array.ndim and all(
            w in (-1, 0) or w == n for w, n in zip(want, array.shape, strict=True)
        )
        known = all(w not in (-1, 0) for w in want)
        if not fits and (known or array.size):
            raise ParameterShapeError(
                f"parameter {name!r}: {where} has shape {tuple(array.shape)}, the block expects "
                f"{tuple(want)}",
                hint="load the file into a block with the same layer sizes",
            )
    dtype = dtypes.resolve(parameter.dtype)
    if array.dtype == dtype:
        return array
    if not cast_dtype:
        raise _LoadedDTypeError(
            f"parameter {name!r}: {where} has dtype {dtypes.name(array.dtype)}, the block has "
            f"{dtypes.name(dtype)}",
            hint="cast_dtype=True casts (dtype_source says to which dtype)",
        )
    if source == "current":
        return array.astype(dtype)
    parameter.cast(array.dtype)
    return array


def save_model(block: Block, prefix: str) -> None:
    """Write the tree of blocks as ``prefix-model.json`` and its parameters beside it."""
    params = {id(p): f"p{i}" for i, p in enumerate(_unique(block))}
    _check_folder(prefix)
    tree = _describe(block, params, {})
    arrays = {params[id(p)]: p._mean_over_devices() for p in _unique(block)}
    files.save_params(f"{prefix}-model.params", arrays)
    write_text(f"{prefix}-model.json", json.dumps(tree, indent=1) + "\n")


def _unique(block: Block) -> list[Any]:
    return list({id(p): p for p in block._structural_params().values()}.values())


def _describe(block: Block, params: dict[int, str], seen: dict[int, int]) -> dict[str, Any]:
    number = seen.setdefault(id(block), len(seen))
    flags = getattr(block, "_flags", None)
    hybridized = {"hybridized": dataclasses.asdict(flags)} if flags and flags.active else {}
    return {
        "type": type(block).__name__,
        "number": number,
        **hybridized,
        "params": {
            name: {"array": params[id(p)], "shape": list(p.shape), "dtype": dtypes.name(p.dtype)}
            for name, p in block._reg_params.items()
        },
        "children": {n: _describe(c, params, seen) for n, c in block._children.items()},
    }


def load_model(block: Block, prefix: str) -> None:
    """Load what :func:`save_model` wrote into a block of the same structure."""
    path = f"{prefix}-model.json"
    try:
        with open(path, encoding="utf-8") as file:
            tree = json.load(file)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no model description: {error}", path=path) from None
    arrays = files.load_params(f"{prefix}-model.params")
    if not isinstance(tree, dict) or not isinstance(arrays, dict):
        raise FormatError(f"{os.path.basename(path)}: not written by Block.save", path=path)
    _restore(block, tree, arrays, path, "")


def _restore(
    block: Block, tree: dict[str, Any], arrays: dict[str, np.ndarray], path: str, where: str
) -> None:
    kind = tree.get("type")
    own, children = tree.get("params", {}), tree.get("children", {})
    if set(own) != set(block._reg_params) or set(children) != set(block._children):
        raise _StructureError(
            f"block {where or '(root)'} is a {type(block).__name__} with parameters "
            f"{sorted(block._reg_params)} and children {sorted(block._children)}; the file "
            f"describes a {kind} with {sorted(own)} and {sorted(children)}",
            path=path,
        )
    for name, parameter in block._reg_params.items():
        array = arrays.get(own[name].get("array"))
        if array is None:
            raise FormatError(f"parameter {where}{name} is not in the parameter file", path=path)
        parameter._load(array, None, where + name)
    flags, restore = tree.get("hybridized"), getattr(block, "_hybridize_as", None)
    if isinstance(flags, dict) and restore is not None:
        restore(flags)
    for name, child in block._children.items():
        _restore(child, children[name], arrays, path, f"{where}{name}.")
