"""The recorded calls of MXNet 1.9.1 by operator name: attributes as text, values, gradients."""

from __future__ import annotations

import kernel_cases
import numpy as np
import pytest

import symgluon.ops  # noqa: F401
from symgluon.ops.array import wrap
from symgluon.ops.mx import mx_call
from symgluon.ops.tape import vjp

CASES = [
    pytest.param(case, id=f"{case.op}-{case.number}")
    for file in sorted(kernel_cases.DATA.glob("*.npz"))
    for case in kernel_cases._cases(file.stem)
]


@pytest.mark.parametrize("case", CASES)
def test_recorded(case):
    name = case.op.replace("contrib.", "_contrib_")
    attrs = {k: str(v) for k, v in case.kwargs.items()}
    inputs = [wrap(a) for a in case.ins]
    for got, want in zip(mx_call(name, inputs, attrs), case.outs, strict=False):
        kernel_cases.assert_close(got._content(), want, 5e-5)
    if not case.grads:
        return

    def run(*xs):
        return tuple(mx_call(name, xs, attrs)[: len(case.heads)])

    found = vjp(run, inputs, [wrap(h) for h in case.heads])
    for i, want in case.grads.items():
        have = np.zeros_like(want) if found[i] is None else found[i]._content()
        kernel_cases.assert_close(have, want, 2e-4)
