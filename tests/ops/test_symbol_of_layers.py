"""Operators on windows and regions as MXNet symbols: written, read back, run."""

from __future__ import annotations

import layered
import numpy as np
import pytest

from symgluon.formats.symbol_json import SymbolProgram
from symgluon.formats.symbol_records import parse_symbol, write_symbol
from symgluon.formats.symbol_write import symbol_parts
from symgluon.ops import F
from symgluon.ops.array import wrap

rng = np.random.default_rng(0)
PLAIN = {"stride": (1, 1), "dilate": (1, 1), "pad": (1, 1)}
IMAGE = rng.standard_normal((1, 2, 5, 5)).astype("f")
REGIONS = np.array([[0, 0.3, 0.6, 4.2, 4.1]], "f")


def numbers(*shape):
    return rng.uniform(-0.9, 0.9, shape).astype("f")


def deformed(x, offset, weight, mask=None):
    return F.deformable_convolution(
        x, offset, weight, None, mask, kernel_shape=(3, 3), num_filter=2, **PLAIN
    )


CASES = {
    "im2col": (lambda x: F.im2col(x, kernel_shape=(3, 3), **PLAIN), [IMAGE]),
    "col2im": (
        lambda x: F.col2im(x, kernel_shape=(3, 3), output_size=(5, 5), **PLAIN),
        [numbers(1, 18, 25)],
    ),
    "gelu": (lambda x: F.gelu(x, approximation=True) + F.gelu(x), [numbers(2, 3)]),
    "lrn": (lambda x: F.local_response_norm(x, nsize=3), [IMAGE]),
    "deformable": (deformed, [IMAGE, numbers(1, 18, 5, 5), numbers(2, 2, 3, 3)]),
    "modulated": (
        deformed,
        [IMAGE, numbers(1, 18, 5, 5), numbers(2, 2, 3, 3), numbers(1, 9, 5, 5)],
    ),
    "roi_align": (
        lambda x, r: F.roi_align(x, r, pooled_size=(2, 2), spatial_scale=1.0, aligned=True),
        [IMAGE, REGIONS],
    ),
    "roi_pooling": (
        lambda x, r: F.roi_pooling(x, r, pooled_size=(2, 2), spatial_scale=1.0),
        [IMAGE, REGIONS],
    ),
    "proposal": (
        lambda *x: F.proposal(*x, scales=(2.0,), ratios=(1.0,), rpn_post_nms_top_n=3),
        [numbers(1, 2, 3, 3), numbers(1, 4, 3, 3), np.array([[48, 48, 1]], "f")],
    ),
    "sampler": (F.bilinear_sampler, [IMAGE, numbers(1, 2, 3, 3)]),
    "grid": (
        lambda x: F.grid_generator(x, transform_type="affine", target_shape=(2, 3)),
        [numbers(1, 6)],
    ),
    "correlation": (
        lambda a, b: F.correlation(a, b, max_displacement=1, pad_size=1),
        [IMAGE, numbers(1, 2, 5, 5)],
    ),
    "window attention": (
        lambda q, k, d: F.sldwin_atten_score(q, k, d, w=1, symmetric=True),
        [numbers(1, 4, 2, 3), numbers(1, 4, 2, 3), np.array([1, 2], np.int32)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_written_and_read(name):
    function, arrays = CASES[name]
    graph, _ = layered.trace(function, arrays, set())
    records, constants = symbol_parts(graph)
    program = SymbolProgram(parse_symbol(write_symbol(records)))
    values = {v.name: wrap(a) for v, a in zip(graph.inputs, arrays, strict=True)}
    values.update({k: wrap(v) for k, v in constants.items()})
    found = [f._content() for f in program.run(values)]
    layered.close(found, layered.eager(function, arrays), 1e-6)
