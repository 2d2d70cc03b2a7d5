"""What a node reads and gives, by its operator and attributes: names of operands and outputs.

Plain facts are rows of ``facts.tsv``; here are those that depend on attributes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from symgluon.formats.symbol_json import AUXILIARY
from symgluon.ir.attrs import literal
from symgluon.ops.mx import lookup, operands_of
from symgluon.ops.mx_schema import signature

Attrs = Mapping[str, str]


class Fact(NamedTuple):
    """Name of an operator in files, names of its outputs, the attribute that counts operands."""

    name: str
    outputs: tuple[str, ...]
    counts: str


@functools.cache
def _facts() -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    text = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        names, outputs, counts = line.split("\t")
        first, *aliases = names.split()
        fact = Fact(first, tuple(outputs.split()) or ("output",), counts)
        found.update(dict.fromkeys([first, *aliases], fact))
    return found


def fact(op: str) -> Fact:
    """Return what is known of an operator, whatever its attributes."""
    return _facts().get(op) or Fact(op, ("output",), "")


def flag(attrs: Attrs, key: str, default: bool = False) -> bool:
    """Value of an attribute that is true or false."""
    text = attrs.get(key)
    return default if text is None else text.strip().lower() in ("true", "1")


def number(attrs: Attrs, key: str, default: int) -> int:
    """Value of an attribute that is a number."""
    text = attrs.get(key, "")
    return int(text) if text.strip().lstrip("-").isdigit() else default


# ---- outputs -------------------------------------------------------------------------------------
def _numbered(count: int) -> tuple[str, ...]:
    return ("output",) if count == 1 else tuple(f"output{i}" for i in range(count))


def _split(attrs: Attrs) -> tuple[str, ...]:
    return tuple(f"output{i}" for i in range(number(attrs, "num_outputs", 1)))


def _split_v2(attrs: Attrs) -> tuple[str, ...]:
    sections = number(attrs, "sections", 0)
    count = sections or len(literal(attrs.get("indices", "()")))
    return tuple(f"output{i}" for i in range(count))


def _norm(*more: str) -> Callable[[Attrs], tuple[str, ...]]:
    return lambda attrs: ("output", *(more if flag(attrs, "output_mean_var") else ()))


def _rnn(attrs: Attrs) -> tuple[str, ...]:
    if not flag(attrs, "state_outputs"):
        return ("output",)
    lstm = attrs.get("mode") == "lstm"
    return ("output", "state_output", *(("statecell_output",) if lstm else ()))


def _two_if(key: str, *values: str) -> Callable[[Attrs], tuple[str, ...]]:
    wanted = values or ("true", "1")
    return lambda attrs: _numbered(2 if attrs.get(key, "").lower() in wanted else 1)


def _counted(key: str) -> Callable[[Attrs], tuple[str, ...]]:
    return lambda attrs: _numbered(number(attrs, key, 1))


def _unique(attrs: Attrs) -> tuple[str, ...]:
    keys = ("return_index", "return_inverse", "return_counts")
    return _numbered(1 + sum(flag(attrs, k) for k in keys))


_BATCH = _norm("mean", "var")
_LAYER = _norm("mean", "std")
_OUTPUTS: dict[str, Callable[[Attrs], tuple[str, ...]]] = {
    **dict.fromkeys((*AUXILIARY, "_npx_batch_norm"), _BATCH),
    **dict.fromkeys(("LayerNorm", "GroupNorm", "_npx_layer_norm", "_npx_group_norm"), _LAYER),
    **dict.fromkeys(("RNN", "_npx_rnn"), _rnn),
    **dict.fromkeys(("topk", "_npx_topk"), _two_if("ret_typ", "both")),
    **dict.fromkeys(("_foreach", "_while_loop", "_cond", "amp_multicast"),
                    _counted("num_outputs")),
    **dict.fromkeys(("_split_v2", "_npi_split", "_npi_array_split", "_npi_hsplit", "_npi_vsplit",
                     "_npi_dsplit"), _split_v2),
    "SliceChannel": _split,
    "_npx_slice_channel": _split,
    "_npi_unique": _unique,
    "_sample_multinomial": _two_if("get_prob"),
    "_contrib_Proposal": lambda a: ("output", "score") if flag(a, "output_score") else ("output",),
    "_contrib_MultiProposal": (
        lambda a: ("output", "score") if flag(a, "output_score") else ("output",)
    ),
}  # fmt: skip


def _custom_outputs(attrs: Attrs) -> tuple[str, ...]:
    from symgluon.ops.custom import properties

    return tuple(properties(attrs).list_outputs())


def _custom_operands(attrs: Attrs) -> tuple[str, ...]:
    from symgluon.ops.custom import properties

    found = properties(attrs)
    return (*found.list_arguments(), *found.list_auxiliary_states())


#: operators that users write: outputs and operands from the attributes
OUTPUTS_BY_ATTRS: dict[str, Callable[[Attrs], tuple[str, ...]]] = {"Custom": _custom_outputs}
OPERANDS_BY_ATTRS: dict[str, Callable[[Attrs], tuple[str, ...]]] = {"Custom": _custom_operands}


def output_suffixes(op: str, attrs: Attrs) -> tuple[str, ...]:
    """Names of the outputs that users see, without the name of the node.

    Parameters
    ----------
    op : str
        The operator, as files have it.
    attrs : mapping of str to str
        Its attributes.

    Returns
    -------
    tuple of str
        ``("output",)`` for most.
    """
    rule = _OUTPUTS.get(op) or OUTPUTS_BY_ATTRS.get(op)
    return rule(attrs) if rule is not None else fact(op).outputs


# ---- operands ------------------------------------------------------------------------------------
def _no_bias(default: bool) -> Callable[[Attrs], set[str]]:
    return lambda attrs: {"bias"} if flag(attrs, "no_bias", default) else set()


def _unless(**flags: str) -> Callable[[Attrs], set[str]]:
    return lambda attrs: {name for name, key in flags.items() if not flag(attrs, key)}


def _leaky(attrs: Attrs) -> set[str]:
    return set() if attrs.get("act_type", "leaky") == "prelu" else {"gamma"}


def _rnn_operands(attrs: Attrs) -> set[str]:
    left = set() if flag(attrs, "use_sequence_length") else {"sequence_length"}
    return left if attrs.get("mode") == "lstm" else left | {"state_cell"}


_SEQUENCE = _unless(sequence_length="use_sequence_length")
_LENGTH = _unless(length="use_length")
#: operands that are left out, from the attributes
_ABSENT: dict[str, Callable[[Attrs], set[str]]] = {
    **dict.fromkeys(("FullyConnected", "Convolution", "Convolution_v1", "_npx_fully_connected",
                     "_npx_convolution", "_contrib_DeformableConvolution",
                     "_contrib_ModulatedDeformableConvolution", "_npx_deformable_convolution",
                     "_npx_modulated_deformable_convolution"), _no_bias(False)),
    **dict.fromkeys(("Deconvolution", "_npx_deconvolution"), _no_bias(True)),
    **dict.fromkeys(("LeakyReLU", "_npx_leaky_relu"), _leaky),
    **dict.fromkeys(("RNN", "_npx_rnn"), _rnn_operands),
    **dict.fromkeys(("SequenceMask", "SequenceLast", "SequenceReverse", "_npx_sequence_mask",
                     "_npx_sequence_last", "_npx_sequence_reverse"), _SEQUENCE),
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "_npx_softmax", "_npx_log_softmax"),
                    _LENGTH),
    **dict.fromkeys(("CTCLoss", "_npx_ctc_loss"), _unless(
        data_lengths="use_data_lengths", label_lengths="use_label_lengths")),
    "_contrib_BilinearResize2D": lambda a: set() if a.get("mode") == "like" else {"like"},
    "_npi_bincount": _unless(weights="has_weights"),
}  # fmt: skip
_MORE = {"BatchNorm_v1": ("moving_mean", "moving_var")}


def operand_names(op: str, attrs: Attrs) -> tuple[str, ...] | None:
    """Names of the operands that a node reads; None where it reads any number.

    Parameters
    ----------
    op : str
        The operator.
    attrs : mapping of str to str
        Its attributes.

    Returns
    -------
    tuple of str or None
        In MXNet's order, auxiliary states included.
    """
    rule = OPERANDS_BY_ATTRS.get(op)
    if rule is not None:
        return rule(attrs)
    known = signature(op)
    if op == "UpSampling":  # a weight where it is a deconvolution
        bilinear = attrs.get("sample_type") == "bilinear"
        return ("data", "weight") if bilinear else None
    if known is None:
        own = operands_of(lookup(op).target)
        if any(p.kind is p.VAR_POSITIONAL for p in own):
            return None
        return tuple(p.name for p in own)
    if known.variadic:
        return None
    absent = _ABSENT.get(op)
    left = absent(attrs) if absent is not None else set()
    return (*[n for n in known.operands if n not in left], *_MORE.get(op, ()))


def keyword_operands(op: str) -> tuple[str, ...]:
    """All names that operands of `op` may be given by."""
    known = signature(op)
    if known is not None:
        return (*known.operands, *_MORE.get(op, ()))
    if op in OPERANDS_BY_ATTRS:
        return ()
    own: Any = operands_of(lookup(op).target)
    return tuple(p.name for p in own if p.kind is not p.VAR_POSITIONAL)
