"""What older symbol files leave out or spell differently, brought to the present form.

Facts from MXNet's ``src/nnvm/legacy_json_util.cc``:

* any version: ``lr_mult`` or ``ctx_group`` without underscores is the hidden ``__lr_mult__``;
  ``weight_lr_mult`` on an operator belongs to the variable that is its operand ``weight``;
* before 0.9.0: auxiliary variables are not stored: operands that lack at the end are variables
  named after the node (``bn0_moving_mean``);
* before 0.9.4: variables do not state the initial value that their operator asks for;
* before 0.9.5: ``axis=-1`` of argmax and argmin means all axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Entry = tuple[int, int, int]

#: keys that no operator parses; the file may have them with or without underscores
HIDDEN_KEYS = (
    "ctx_group",
    "lr_mult",
    "wd_mult",
    "force_mirroring",
    "mirror_stage",
    "profiler_scope",
)

#: the version whose form `upgrade` reaches
UPGRADED_VERSION = 905

_WEIGHT = ("data", "weight", "bias")
_NORM = ("data", "gamma", "beta", "moving_mean", "moving_var")
_LABEL = ("data", "label")

#: operand names of the operators of those versions
_OPERANDS: dict[str, tuple[str, ...]] = {
    "Convolution": _WEIGHT,
    "Convolution_v1": _WEIGHT,
    "Deconvolution": _WEIGHT,
    "FullyConnected": _WEIGHT,
    "BatchNorm": _NORM,
    "BatchNorm_v1": _NORM,
    "CuDNNBatchNorm": _NORM,
    "InstanceNorm": ("data", "gamma", "beta"),
    "LayerNorm": ("data", "gamma", "beta"),
    "Embedding": ("data", "weight"),
    "LeakyReLU": ("data", "gamma"),
    "IdentityAttachKLSparseReg": ("data", "moving_avg"),
    "RNN": ("data", "parameters", "state", "state_cell"),
    "SoftmaxOutput": _LABEL,
    "Softmax": _LABEL,
    "SVMOutput": _LABEL,
    "LinearRegressionOutput": _LABEL,
    "LogisticRegressionOutput": _LABEL,
    "MAERegressionOutput": _LABEL,
}

_BATCH_NORM_INIT = {3: '["zero", {}]', 4: '["one", {}]'}

#: operator -> operand number -> `__init__` that the operator gives its variable
_INIT: dict[str, dict[int, str]] = {
    "BatchNorm": _BATCH_NORM_INIT,
    "BatchNorm_v1": _BATCH_NORM_INIT,
    "CuDNNBatchNorm": _BATCH_NORM_INIT,
    "IdentityAttachKLSparseReg": {1: '["zero", {}]'},
    "LeakyReLU": {1: '["Constant", {"value": 0.25}]'},
    "UpSampling": {1: '["bilinear", {}]'},
}


@dataclass(slots=True)
class Draft:
    """A node while it is read: a `NodeRecord` that may still change."""

    op: str
    name: str
    attrs: dict[str, str]
    hidden: dict[str, str]
    inputs: tuple[Entry, ...]
    subgraphs: tuple[Any, ...] = ()
    control_deps: tuple[int, ...] = ()
    #: hidden attributes meant for an operand's variable: (operand name, key, value)
    for_operands: tuple[tuple[str, str, str], ...] = ()


def split_attributes(
    attrs: dict[str, str], *, variable: bool
) -> tuple[dict[str, str], tuple[tuple[str, str, str], ...]]:
    """Take out of `attrs` what the operator does not parse.

    Returns
    -------
    hidden, for_operands
        ``hidden`` has keys with underscores; ``for_operands`` as in `Draft`.
    """
    hidden: dict[str, str] = {}
    for_operands: list[tuple[str, str, str]] = []
    for key in [k for k in attrs if k.startswith("__") or k.endswith(HIDDEN_KEYS)]:
        if key.startswith("__"):
            if key.endswith("__"):
                hidden[key] = attrs.pop(key)
        elif key in HIDDEN_KEYS:
            # files of 1.x may have both spellings: the one with underscores counts
            if f"__{key}__" not in attrs:
                hidden.setdefault(f"__{key}__", attrs[key])
            del attrs[key]
        elif not variable and (suffix := _hidden_suffix(key)) is not None:
            for_operands.append((key[: -len(suffix) - 1], f"__{suffix}__", attrs.pop(key)))
    return hidden, tuple(for_operands)


def _hidden_suffix(key: str) -> str | None:
    for hidden in HIDDEN_KEYS:
        if key.endswith("_" + hidden) and len(key) > len(hidden) + 1:
            return hidden
    return None


def upgrade(drafts: list[Draft], heads: list[Entry], version: int) -> tuple[list[Draft], bool]:
    """Bring the nodes to the form of version 0.9.5 and later.

    Parameters
    ----------
    drafts : list of Draft
        Validated nodes, every input before its reader.
    heads : list of tuple
        Changed in place where nodes move.
    version : int
        What the file states; 800 where it states none.

    Returns
    -------
    nodes, moved
        `moved` says whether variables were added, so that numbers differ from the file's.
    """
    moved = False
    if version < 900:
        drafts, moved = _add_operands(drafts, heads)
    for draft in drafts:
        if draft.for_operands:
            _give_to_operands(draft, drafts)
        if version < 904:
            _state_initial_values(draft, drafts)
        if version < 905 and draft.op in ("argmax", "argmin") and draft.attrs.get("axis") == "-1":
            del draft.attrs["axis"]
    return drafts, moved


def _operands(draft: Draft) -> tuple[str, ...]:
    names = _OPERANDS.get(draft.op, ())
    if names is _WEIGHT and _is_true(draft.attrs.get("no_bias", "False")):
        return names[:2]
    if draft.op == "LeakyReLU" and draft.attrs.get("act_type", "leaky") != "prelu":
        return names[:1]
    if draft.op == "RNN" and draft.attrs.get("mode") != "lstm":
        return names[:3]
    return names


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("true", "1")


def _add_operands(drafts: list[Draft], heads: list[Entry]) -> tuple[list[Draft], bool]:
    """Insert variables for operands that lack at the end, before their reader."""
    result: list[Draft] = []
    numbers: list[int] = []  # new number of each old node
    variables: dict[str, int] = {}
    for draft in drafts:
        inputs = _moved(draft.inputs, numbers)
        # a node without operands at all is a creation operator, or damaged: nothing to complete
        for name in _operands(draft)[len(inputs) :] if inputs else ():
            full = f"{draft.name}_{name}" if draft.name else name
            if full not in variables:
                variables[full] = len(result)
                result.append(Draft("null", full, {}, dict(draft.hidden), ()))
            inputs += ((variables[full], 0, 0),)
        draft.inputs = inputs
        draft.control_deps = tuple(numbers[n] for n in draft.control_deps)
        numbers.append(len(result))
        if draft.op == "null":
            variables.setdefault(draft.name, len(result))
        result.append(draft)
    heads[:] = _moved(heads, numbers)
    return result, len(result) > len(drafts)


def _moved(entries: Iterable[Entry], numbers: list[int]) -> tuple[Entry, ...]:
    return tuple((numbers[node], index, version) for node, index, version in entries)


def _give_to_operands(draft: Draft, drafts: list[Draft]) -> None:
    names = _operands(draft)
    for operand, key, value in draft.for_operands:
        position = names.index(operand) if operand in names else len(draft.inputs)
        if position < len(draft.inputs):
            source = drafts[draft.inputs[position][0]]
            if source.op == "null":
                source.hidden[key] = value
                continue
        # no such variable: kept on the node under the name it had
        draft.hidden[f"{operand}_{key.strip('_')}"] = value
    draft.for_operands = ()


def _state_initial_values(draft: Draft, drafts: list[Draft]) -> None:
    for position, text in _INIT.get(draft.op, {}).items():
        if position < len(draft.inputs):
            source = drafts[draft.inputs[position][0]]
            if source.op == "null":
                source.hidden.setdefault("__init__", text)
