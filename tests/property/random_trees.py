"""Random trees of layers as data: drawn by Hypothesis, printed short, built into blocks.

A tree is ``T(kind, parts..., options...)``; what a failure prints can be pasted back into
``tree_checks.check(Case(...))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

import symgluon as mx
from symgluon.gluon import HybridBlock, Parameter, nn

Shape = tuple[int, ...]


class T:
    """A layer or a combination of trees."""

    def __init__(self, kind: str, *parts: T, **options: Any) -> None:
        self.kind, self.parts, self.options = kind, parts, options

    def __repr__(self) -> str:
        inner = [repr(self.kind), *map(repr, self.parts)]
        inner += [f"{k}={v!r}" for k, v in self.options.items()]
        return f"T({', '.join(inner)})"

    def kinds(self) -> set[str]:
        return {self.kind}.union(*[p.kinds() for p in self.parts])


class Case(NamedTuple):
    """A tree, its inputs (without the batch axis), and the ways it is run."""

    tree: T
    shape: Shape
    out: Shape
    batches: tuple[int, int] = (4, 3)
    dtype: str = "float64"
    opset: int = 20
    inline_limit: int = 2
    static_alloc: bool = False
    static_shape: bool = False
    bulks: tuple[int | None, int | None] = (None, None)
    tokens: int = 0  # inputs are indices below this number
    inputs: int = 1


# ---- blocks that users write ---------------------------------------------------------------------
class Residual(HybridBlock):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return x + self.f(x)


class Gated(HybridBlock):
    """A value used twice, a parameter of its own, two branches of one shape."""

    def __init__(self, f, g):
        super().__init__()
        self.f, self.g = f, g
        self.scale = Parameter("scale", shape=(1,), init="ones")

    def forward(self, x):
        y = self.f(x)
        return y * mx.npx.sigmoid(self.g(x)) - y * self.scale.data()


class SplitHalves(HybridBlock):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        a, b = mx.np.split(x, 2, axis=1)
        return mx.np.concatenate([self.f(a), b * 2], axis=1)


class Twice(HybridBlock):
    """One child called twice."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(self.f(x))


class Shared(HybridBlock):
    """Two children with the parameters of the first."""

    def __init__(self, f, g):
        super().__init__()
        self.f = f
        self.g = g.share_parameters(f.collect_params())

    def forward(self, x):
        return self.f(x) - self.g(x * 0.5)


class FoldBatch(HybridBlock):
    """Channels become part of the batch and come back."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        n, c = x.shape[0], x.shape[1]
        y = self.f(x.reshape((n * c, *x.shape[2:])))
        return y.reshape((n, c, *y.shape[1:]))


class Heads(HybridBlock):
    """Split the channels into heads, mix them with a transpose, and put them together."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, x):
        y = x.reshape(x.shape[0], self.heads, -1)
        y = mx.np.swapaxes(y, 1, 2) * 0.5
        return y.reshape(x.shape)


class Slices(HybridBlock):
    def forward(self, x):
        return x[:, ::2] * x[:, :1]


class MeanSubtract(HybridBlock):
    """A reduction with a data-size divisor."""

    def forward(self, x):
        return x - x.sum(axis=1, keepdims=True) / x.shape[1]


class Attention(HybridBlock):
    """Every place looks at every other one."""

    def forward(self, x):
        y = x.reshape(x.shape[0], x.shape[1], -1)
        weights = mx.npx.softmax(mx.npx.batch_dot(y, y, transpose_b=True) / 4, axis=-1)
        return mx.npx.batch_dot(weights, y).reshape(x.shape)


class Writes(HybridBlock):
    """Writes into a value that the block made, also through a view."""

    def forward(self, x):
        y = x * 2
        y[:, 0] = x[:, -1] * 3
        row = y[0]
        row += 1
        return y


class Choices(HybridBlock):
    """Comparisons, a choice, the largest value."""

    def forward(self, x):
        top = x.max(axis=1, keepdims=True)
        return mx.np.where(x > 0.1, x, top * 0.3) + mx.np.clip(x, -0.5, 0.5)


class Stacked(HybridBlock):
    """New axes and back."""

    def forward(self, x):
        y = mx.np.stack([x, x * x], axis=1)
        z = mx.np.expand_dims(y, 0).squeeze(0)
        return (z[:, 0] + mx.np.flip(z[:, 1], axis=1)) * 0.5


class Running(HybridBlock):
    """A loop over the channels with a state."""

    def forward(self, x):
        steps = mx.np.swapaxes(x, 0, 1)
        outs, last = mx.npx.foreach(
            lambda a, s: (mx.np.tanh(a + s), s * 0.5 + a), steps, steps[0] * 0
        )
        return mx.np.swapaxes(outs, 0, 1) + mx.np.expand_dims(last, 1)


class Branch(HybridBlock):
    """A branch on data, whose condition no rounding turns over."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        return mx.npx.cond((x * 0).sum() > self.limit, lambda: x * 2, lambda: mx.np.tanh(x) * x)


class TwoInputs(HybridBlock):
    def __init__(self, f, g):
        super().__init__()
        self.f, self.g = f, g

    def forward(self, x, y):
        return self.f(x + y), self.g(x * y)


class TwoResults(HybridBlock):
    def __init__(self, f, g):
        super().__init__()
        self.f, self.g = f, g

    def forward(self, x):
        return self.f(x), self.g(x)


def _square(x):
    return mx.np.square(x)


_COMBINERS: dict[str, Callable[..., Any]] = {
    c.__name__: c
    for c in (Residual, Gated, SplitHalves, Twice, Shared, FoldBatch, TwoInputs, TwoResults)
}
_BLOCKS = (Heads, Slices, MeanSubtract, Attention, Writes, Choices, Stacked, Running, Branch)
_PLAIN: dict[str, Callable[..., Any]] = {c.__name__: c for c in _BLOCKS}
_FUNCTIONS = {"square": _square}


def build(tree: T) -> Any:
    """Return the block that `tree` describes (not initialised)."""
    parts = [build(p) for p in tree.parts]
    options = dict(tree.options)
    if tree.kind in _COMBINERS:
        return _COMBINERS[tree.kind](*parts, **options)
    if tree.kind in _PLAIN:
        return _PLAIN[tree.kind](**options)
    if tree.kind == "HybridLambda":
        name = options["function"]
        return nn.HybridLambda(_FUNCTIONS.get(name, name))
    block = getattr(nn, tree.kind)(**options)
    if parts:
        block.add(*parts)
    return block


# ---- drawing -------------------------------------------------------------------------------------
Draw = Callable[..., Any]
Drawn = tuple[T, Shape]
_BOOLS = st.booleans()
_ACTS = st.sampled_from(["relu", "sigmoid", "tanh", "softrelu", "softsign", "log_sigmoid", "mish"])
_OPTIONAL_ACTS = st.sampled_from([None, None, "relu", "tanh", "sigmoid"])


def _one(draw: Draw, *values: Any) -> Any:
    return draw(st.sampled_from(values))


class Context(NamedTuple):
    """What a place in the tree allows."""

    batch: int  # the least batch size there
    last: bool = (
        False  # parts see (N, C, ...) always; layouts with the channels last are tried too
    )


def _sizes(
    shape: Shape, f: Callable[[int], int]
) -> Shape:  # of the spatial axes of (C, spatial...)
    return tuple(f(n) for n in shape[1:])


def activation(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    kind = _one(draw, "Activation", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "Swish", "SiLU",
                "HybridLambda", "Identity")  # fmt: skip
    options: dict[str, Any] = {}
    if kind == "Activation":
        options["activation"] = draw(_ACTS)
    elif kind in ("LeakyReLU", "ELU"):
        options["alpha"] = _one(draw, 0.1, 0.5, 1.0)
    elif kind == "PReLU":
        options["in_channels"] = _one(draw, 1, shape[0])
    elif kind == "GELU":
        options["approximation"] = _one(draw, "erf", "tanh")
    elif kind == "Swish":
        options["beta"] = _one(draw, 1.0, 0.5, 2.0)
    elif kind == "HybridLambda":
        options["function"] = _one(draw, "tanh", "relu", "square", "sigmoid", "absolute")
    return T(kind, **options), shape


def dropout(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    axes = _one(draw, (), (), (1,), (0,)) if len(shape) > 0 else ()
    return T("Dropout", rate=_one(draw, 0.5, 0.3, 0.0), axes=axes), shape


def dense(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    units = draw(st.integers(1, 6))
    flatten = len(shape) == 1 or draw(_BOOLS)
    options: dict[str, Any] = {"units": units}
    act = draw(_OPTIONAL_ACTS)
    if act:
        options["activation"] = act
    if draw(_BOOLS):
        options["use_bias"] = False
    if not flatten:
        options["flatten"] = False
    width = 1
    for n in shape if flatten else shape[-1:]:
        width *= n
    if draw(_BOOLS):
        options["in_units"] = width
    return T("Dense", **options), (units,) if flatten else (*shape[:-1], units)


def flatten(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    width = 1
    for n in shape:
        width *= n
    return T("Flatten"), (width,)


def normalisation(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    """A normalisation over enough numbers that its deviation is not all rounding."""
    space = 1
    for n in shape[1:]:
        space *= n
    kinds = []
    if space * ctx.batch >= 4:
        kinds += ["BatchNorm", "BatchNormReLU"]
    if shape[-1] >= 3 or shape[0] >= 3:
        kinds.append("LayerNorm")
    if space >= 3:
        kinds += ["InstanceNorm", "GroupNorm"]
    if not kinds:
        return activation(draw, shape, ctx)
    kind = draw(st.sampled_from(kinds))
    options: dict[str, Any] = {}
    if kind in ("BatchNorm", "BatchNormReLU"):
        options["epsilon"] = _one(draw, 1e-5, 1e-2)
        options["momentum"] = _one(draw, 0.9, 0.5)
        if draw(_BOOLS):
            options["use_global_stats"] = True
        rest = space // shape[-1] * shape[0] if len(shape) > 1 else 0
        if len(shape) > 1 and rest * ctx.batch >= 4 and draw(_BOOLS):
            options["axis"] = -1
    elif kind == "LayerNorm":
        options["axis"] = -1 if shape[-1] >= 3 else 1
        options["epsilon"] = _one(draw, 1e-5, 1e-2)
    elif kind == "GroupNorm":
        options["num_groups"] = draw(
            st.sampled_from([g for g in range(1, shape[0] + 1) if shape[0] % g == 0])
        )
    else:
        options["epsilon"] = _one(draw, 1e-5, 1e-2)
    if draw(_BOOLS):
        options["center"] = _one(draw, True, False)
        options["scale"] = _one(draw, True, False)
    return T(kind, **options), shape


def _windows(draw: Draw, rank: int) -> tuple[Shape, Shape, Shape]:
    """Kernel, stride and padding of `rank` axes."""
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 2)) for _ in range(rank))
    pad = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    return kernel, stride, pad


def convolution(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    rank = len(shape) - 1
    transposed = draw(_BOOLS)
    kernel, stride, pad = _windows(draw, rank)
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(rank))
    groups = _one(draw, 1, 1, shape[0], *([2] if shape[0] % 2 == 0 else []))
    channels = groups * draw(st.integers(1, max(1, 4 // groups)))
    options: dict[str, Any] = {
        "channels": channels, "kernel_size": kernel, "strides": stride, "padding": pad,
        "dilation": dilation, "groups": groups,
    }  # fmt: skip
    if transposed:
        adj = tuple(draw(st.integers(0, s - 1)) for s in stride)
        options["output_padding"] = adj
        out = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1 + a
            for n, k, s, p, d, a in zip(shape[1:], kernel, stride, pad, dilation, adj, strict=True)
        )
    else:
        adj = ()
        out = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(shape[1:], kernel, stride, pad, dilation, strict=True)
        )
    if min(out) < 1 or max(out) > 8:
        return activation(draw, shape, ctx)
    act = draw(_OPTIONAL_ACTS)
    if act:
        options["activation"] = act
    if draw(_BOOLS):
        options["use_bias"] = False
    if draw(_BOOLS):
        options["in_channels"] = shape[0]
    kind = f"Conv{rank}D" + ("Transpose" if transposed else "")
    return T(kind, **options), (channels, *out)


def pooling(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    rank = len(shape) - 1
    mode = _one(draw, "Max", "Avg")
    if draw(st.integers(0, 3)) == 0:
        return T(f"Global{mode}Pool{rank}D"), (shape[0], *(1,) * rank)
    kernel, stride, pad = _windows(draw, rank)
    options: dict[str, Any] = {"pool_size": kernel, "strides": stride, "padding": pad}
    ceil = draw(_BOOLS)
    if ceil:
        options["ceil_mode"] = True
    if mode == "Avg" and draw(_BOOLS):
        options["count_include_pad"] = False
    out = []
    for n, k, s, p in zip(shape[1:], kernel, stride, pad, strict=True):
        room = n + 2 * p - k
        count = (-(-room // s) if ceil else room // s) + 1
        if room < 0 or (count - 1) * s - p >= n:  # a window that sees only padding
            return activation(draw, shape, ctx)
        out.append(count)
    return T(f"{mode}Pool{rank}D", **options), (shape[0], *out)


def channels_last(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    """Convolution or pooling with the channels last."""
    rank = len(shape) - 1
    inner = (shape[-1], *shape[:-1])
    tree, out = _one(draw, convolution, pooling)(draw, inner, ctx)
    if not tree.kind.startswith(("Conv", "Max", "Avg", "Global")) or tree.kind.startswith("Conv3"):
        return activation(draw, shape, ctx)
    tree.options["layout"] = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[rank]
    return tree, (*out[1:], out[0])


def spatial(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    """Padding and pixel shuffling."""
    rank = len(shape) - 1
    if rank == 2 and min(shape[1:]) >= 2 and max(shape[1:]) < 7 and draw(_BOOLS):
        return T("ReflectionPad2D", padding=1), (shape[0], shape[1] + 2, shape[2] + 2)
    factors = tuple(_one(draw, 1, 2) for _ in range(rank))
    product = 1
    for f in factors:
        product *= f
    if shape[0] % product or max(shape[1:]) > 4:
        return activation(draw, shape, ctx)
    sizes = tuple(n * f for n, f in zip(shape[1:], factors, strict=True))
    return T(f"PixelShuffle{rank}D", factor=factors), (shape[0] // product, *sizes)


def user_code(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    kind = draw(st.sampled_from(sorted(_PLAIN)))
    if kind == "Heads":
        heads = draw(st.sampled_from([h for h in range(1, shape[0] + 1) if shape[0] % h == 0]))
        return T("Heads", heads=heads), shape
    if kind == "Slices":
        return T("Slices"), ((shape[0] + 1) // 2, *shape[1:])
    if kind == "Branch":
        return T(kind, limit=_one(draw, -1, 1)), shape
    return T(kind), shape


def layer(draw: Draw, shape: Shape, ctx: Context) -> Drawn:
    """One layer that takes data of `shape`."""
    choices = [activation, dense, normalisation, dropout, user_code]
    if len(shape) > 1:
        choices = [convolution, pooling, spatial, channels_last, pooling, convolution, normalisation,
                   spatial, *choices, flatten]  # fmt: skip
    return draw(st.sampled_from(choices))(draw, shape, ctx)


def keeping(draw: Draw, shape: Shape, ctx: Context, depth: int) -> T:
    """A tree whose result has the shape of its input."""
    rank = len(shape) - 1
    kind = _one(draw, "activation", "normalisation", "dropout", "mix", "more")
    if kind == "mix":
        if rank == 0:
            return T("Dense", units=shape[0], activation=draw(_OPTIONAL_ACTS))
        if rank == 1 and draw(_BOOLS):
            return T("Dense", units=shape[-1], flatten=False)
        return T(f"Conv{rank}D", channels=shape[0], kernel_size=(3,) * rank, padding=(1,) * rank)
    if kind == "more" and depth > 0:
        parts = [keeping(draw, shape, ctx, depth - 1) for _ in range(draw(st.integers(1, 3)))]
        return T("HybridSequential", *parts)
    chosen = {"normalisation": normalisation, "dropout": dropout}.get(kind, activation)
    return chosen(draw, shape, ctx)[0]


def combination(draw: Draw, shape: Shape, ctx: Context, depth: int) -> Drawn:
    kind = _one(draw, "Residual", "Gated", "HybridConcatenate", "SplitHalves", "Twice", "Shared",
                "FoldBatch", "HybridSequential")  # fmt: skip
    if kind in ("Residual", "Twice"):
        return T(kind, keeping(draw, shape, ctx, depth - 1)), shape
    if kind == "Gated":
        parts = [keeping(draw, shape, ctx, depth - 1) for _ in range(2)]
        return T(kind, *parts), shape
    if kind == "HybridConcatenate":
        parts = [keeping(draw, shape, ctx, depth - 1) for _ in range(draw(st.integers(2, 3)))]
        axis = draw(st.integers(1, len(shape)))
        out = list(shape)
        out[axis - 1] *= len(parts)
        if out[axis - 1] <= 12:
            return T(kind, *parts, axis=_one(draw, axis, axis - 1 - len(shape))), tuple(out)
        return parts[0], shape
    if kind == "SplitHalves" and shape[0] % 2 == 0:
        half = (shape[0] // 2, *shape[1:])
        inner, out = chain(draw, half, ctx, depth - 1)
        if out[1:] == half[1:] and len(out) == len(half):
            return T(kind, inner), (out[0] + half[0], *half[1:])
        return T("SplitHalves", keeping(draw, half, ctx, depth - 1)), shape
    if kind == "Shared":
        part = keeping(draw, shape, ctx, depth - 1)
        return T(kind, part, part), shape
    if kind == "FoldBatch" and len(shape) > 1:
        inner, out = chain(draw, shape[1:], ctx._replace(batch=ctx.batch * shape[0]), depth - 1)
        return T(kind, inner), (shape[0], *out)
    return chain(draw, shape, ctx, depth - 1)


_LENGTHS = (
    (1, 2),
    (2, 1, 3),
    (3, 2, 1, 4),
    (4, 3, 5, 2, 6),
)  # of chains, by the depth that is left


def chain(draw: Draw, shape: Shape, ctx: Context, depth: int) -> Drawn:
    """Some trees in a row."""
    parts = []
    for _ in range(_one(draw, *_LENGTHS[max(depth, 0)])):
        deeper = depth > 0 and _one(draw, False, True, False)
        part, shape = combination(draw, shape, ctx, depth) if deeper else layer(draw, shape, ctx)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else T("HybridSequential", *parts)), shape


# ---- cases ---------------------------------------------------------------------------------------
_BULKS = st.sampled_from([None, None, None, 1, 3])
_DTYPES = st.sampled_from(["float64", "float64", "float32", "float32", "float16"])


@st.composite
def cases(draw: Draw, rank: int, depth: int = 3) -> Case:
    """Trees on data of ``rank`` spatial axes (-1: token indices)."""
    batches = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    ctx = Context(min(batches))
    dtype = draw(_DTYPES)
    depth = 1 if dtype == "float16" else depth
    options: dict[str, Any] = {
        "batches": batches, "dtype": dtype, "opset": draw(st.integers(13, 23)),
        "inline_limit": draw(st.sampled_from([0, 1, 2, 8, 100])),
        "static_alloc": draw(_BOOLS), "static_shape": draw(st.integers(0, 3)) == 0,
        "bulks": draw(st.tuples(_BULKS, _BULKS)),
    }  # fmt: skip
    if rank < 0:
        length, count, width = draw(st.tuples(*[st.integers(1, 5)] * 3))
        tree, out = chain(draw, (length, width), ctx, depth)
        embed = T("Embedding", input_dim=count, output_dim=width)
        return Case(T("HybridSequential", embed, tree), (length,), out, tokens=count, **options)
    low = {0: 1, 1: 3, 2: 3, 3: 2}[rank]
    shape = (_one(draw, 4, 2, 3, 6, 1), *[draw(st.integers(low, 7 - rank)) for _ in range(rank)])
    form = _one(draw, "one", "one", "one", "TwoInputs", "TwoResults")
    if form == "one":
        tree, out = chain(draw, shape, ctx, depth)
        return Case(tree, shape, out, **options)
    (f, out), (g, _) = chain(draw, shape, ctx, depth - 1), chain(draw, shape, ctx, depth - 1)
    return Case(T(form, f, g), shape, out, inputs=2 if form == "TwoInputs" else 1, **options)
