"""Checks of every method and argument of the seed, each for all classes that have it."""

from __future__ import annotations

import logging
import os
import re

import numpy as onp
import pytest
from seed_checks import method
from seed_layers import (
    PLAIN,
    arrays,
    close,
    equal,
    fill,
    hybrid_blocks,
    quiet,
)

import symgluon as mx
from symgluon import gluon
from symgluon.gluon import nn
from symgluon.gluon.summary import summary_text

EAGER = (False,)
HYBRIDIZED = (True,)
TWO = [mx.cpu(0), mx.cpu(1)]


# ---- structure ------------------------------------------------------------------------------
@method("add", "*blocks", "appends children, named by their number", differs="anything but a "
        "block is refused at once, also a class")  # fmt: skip
def add_appends(case):
    net = case.ready()
    before = list(net)
    first, second = nn.Dense(2, in_units=2), nn.Dense(2, in_units=2)
    assert net.add(first, second) is None
    assert list(net) == [*before, first, second]
    assert list(net._children) == ["0", "1", "2", "3"]
    assert net[2] is first
    assert net[-1] is second
    assert len(net[1:]) == 3
    assert type(net[1:]) is type(net)
    for wrong in (3, None, [first]):
        with pytest.raises((TypeError, ValueError)):
            net.add(wrong)
    if "Sequential" in case.name:
        first.initialize("ones")
        second.initialize("ones")
        assert net(case.x()).shape == (4, 2)


@method("apply", "fn", "calls children before their block, and returns the block")
def apply_visits(case):
    block = case.new(parameters=True)
    seen = []
    assert block.apply(seen.append) is block
    assert seen[-1] is block
    below = list(block._children.values())
    assert [b for b in seen if b in below] == below
    assert len(seen) == len(set(map(id, seen)))


@method("register_child", "block", "its parameters belong to this block then",
        differs="checks that it is a block; a replaced child is gone")  # fmt: skip
def register_child_block(case):
    block = case.new()
    child = nn.Dense(2, in_units=3)
    number = len(block._children)
    block.register_child(child)
    assert list(block._children)[-1] == str(number)
    assert block.collect_params()[f"{number}.weight"] is child.weight
    with pytest.raises(TypeError if case.plain else ValueError):
        block.register_child(3)
    if not case.plain:
        with pytest.raises(ValueError, match="HybridSequential"):
            block.register_child(nn.Sequential())


@method("register_child", "name", "the part of parameter names")
def register_child_name(case):
    block = case.new()
    child = nn.Dense(2, in_units=3)
    block.register_child(child, "extra")
    assert block._children["extra"] is child
    assert "extra.weight" in block.collect_params()


@method("params", "", "a dictionary of the block's own parameters")
def params_own(case):
    block = case.new(parameters=True)
    own = [n for n in block.collect_params() if "." not in n]
    assert list(block.params) == own
    assert all(block.params[n] is getattr(block, n) for n in own)


@method("collect_params", "select", "a regular expression for the start of the names")
def collect_select(case):
    block = case.new(parameters=True)
    names = list(block.collect_params())
    assert names
    assert list(block.collect_params(".*")) == names
    assert list(block.collect_params("nothing")) == []
    for name in names:
        assert name in block.collect_params(re.escape(name))
        ends = ".*" + re.escape(name.rsplit(".", 1)[-1]) + "$"
        assert list(block.collect_params(ends)) == [n for n in names if re.match(ends, n)]
        inside = name[1:]  # names match from their start
        assert list(block.collect_params(inside)) == [n for n in names if n.startswith(inside)]
    two = "|".join(map(re.escape, (names[0], names[-1])))
    assert {names[0], names[-1]} <= set(block.collect_params(two))
    with pytest.raises(re.error):
        block.collect_params("(")


# ---- values -----------------------------------------------------------------------------------
@method("initialize", "init", "an initializer or its name; those of parameters go before it")
def initialize_init(case):
    for init, value in (("zeros", 0), (mx.init.Constant(0.25), 0.25)):
        block = case.new(parameters=True)
        assert block.initialize(init) is None
        block(case.x())
        weights = [p for n, p in block.collect_params().items() if n.endswith("weight")]
        for p in weights:
            close(p.data(), onp.full(p.shape, value))
        for n, p in block.collect_params().items():
            if n.endswith(("bias", "beta", "running_mean")):
                close(p.data() if p._cells else onp.zeros(1), onp.zeros(p.shape))
            if n.endswith(("gamma", "running_var")):
                close(p.data(), onp.ones(p.shape))
    for wrong in ("nosuch", 3, mx.init.One):
        with pytest.raises(AssertionError):
            case.new(parameters=True).initialize(wrong)


@method("initialize", "device", "one device or several: a copy of the values on each")
def initialize_device(case):
    block = case.ready(parameters=True, device=TWO)
    outs = [block(case.x(device=d)) for d in TWO]
    assert [o.device for o in outs] == TWO
    close(outs[0], outs[1])
    for p in block.collect_params().values():
        assert p.list_device() == TWO
        assert p.data(TWO[0]) is not p.data(TWO[1])
        close(p.data(TWO[0]), p.data(TWO[1]))
    with pytest.raises(AttributeError, match="device"):
        case.new(parameters=True).initialize(device="cpu")


@method("initialize", "verbose", "logs each parameter that gets its values (level INFO of the "
        "logger symgluon)", differs="a TypeError in NumPy mode there")  # fmt: skip
def initialize_verbose(case):
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    log, keep = logging.getLogger("symgluon"), Keep()
    level = log.level
    log.addHandler(keep)
    log.setLevel(logging.INFO)
    try:
        for verbose in (False, True):
            block = case.new(parameters=True)
            block.initialize("ones", verbose=verbose)
            block(case.x())
            names = list(block.collect_params())
            assert len(lines) == (len(names) if verbose else 0)
    finally:
        log.removeHandler(keep)
        log.setLevel(level)
    assert {line.split()[1] for line in lines} == set(names)
    assert all(line.startswith("Initialized ") for line in lines)


@method("initialize", "force_reinit", "False: a warning, and values stay")
def initialize_force(case):
    block = case.ready(parameters=True)
    before = arrays(block)
    with pytest.warns(UserWarning, match="already initialized"):
        block.initialize("zeros")
    equal(arrays(block), before)
    block.initialize(mx.init.Constant(9), force_reinit=True)
    changed = arrays(block)
    assert all(not onp.array_equal(changed[n], before[n]) for n in before)


@method("cast", "dtype", "of parameters, gradients and the arithmetic",
        differs="stays hybridized; an unknown dtype is an error")  # fmt: skip
def cast_dtype(case):
    block = case.ready(parameters=True)
    assert block.cast("float64") is None
    for p in block.collect_params().values():
        assert p.dtype == p.data().dtype == onp.float64
        if p.grad_req != "null":
            assert p.grad().dtype == onp.float64
    x = case.x("float64")
    out = block(x)
    assert out.dtype == onp.float64
    close(out, case.expected(block), 1e-9)
    with pytest.raises(TypeError, match="foo"):
        block.cast("foo")
    if case.name in ("BatchNorm", "SyncBatchNorm"):
        block.cast("float16")
        assert {p.dtype.name for p in block.collect_params().values()} == {"float32"}
        assert block(case.x("float16")).dtype == onp.float16


@method("setattr", "name", "of all parameters below the block")
def setattr_name(case):
    block = case.ready(parameters=True)
    assert block.setattr("lr_mult", 0.5) is None
    assert {p.lr_mult for p in block.collect_params().values()} == {0.5}
    with pytest.raises(AttributeError):
        block.setattr("name", "x")


@method("setattr", "value", "grad_req='null' ends gradients, and a wrong one is refused")
def setattr_value(case):
    block = case.ready(parameters=True)
    block.setattr("grad_req", "null")
    with mx.autograd.record():
        block(case.x())
    for p in block.collect_params().values():
        assert p.grad_req == "null"
        with pytest.raises(RuntimeError, match="grad_req"):
            p.grad()
    with pytest.raises(AssertionError):
        block.setattr("grad_req", "foo")


def _gradients(case, block):
    with mx.autograd.record():
        loss = (block(case.x()) * 3).sum()
    for child in block._children.values():
        if case.bare:  # the probe is not called: give it a gradient by hand
            with mx.autograd.record():
                loss = loss + child(mx.np.ones((2, 3))).sum()
    with mx.autograd.record():
        total = loss * 1
    total.backward()
    return {n: p.grad() for n, p in block.collect_params().items() if p.grad_req != "null"}


@method("zero_grad", "", "sets gradients to zero in place; those that are not wanted are skipped")
def zero_grad_zeroes(case):
    block = case.ready(parameters=True)
    grads = _gradients(case, block)
    assert any(onp.abs(g.asnumpy()).sum() > 0 for g in grads.values())
    assert block.zero_grad() is None
    for name, g in grads.items():
        close(g, onp.zeros(g.shape))
        assert block.collect_params()[name].grad() is g
    block.setattr("grad_req", "null")
    block.zero_grad()


@method("share_parameters", "shared", "the same Parameter objects from then on; returns the block",
        differs="warns of names the block does not have")  # fmt: skip
def share(case):
    one, other = case.ready(parameters=True), case.new(parameters=True)
    assert other.share_parameters(one.collect_params()) is other
    for name, p in one.collect_params().items():
        assert other.collect_params()[name] is p
    close(other(case.x()), one(case.x()))
    fill(one, 3)
    close(other(case.x()), case.expected(one))
    assert other.share_parameters(None) is other
    with pytest.raises(ValueError, match="dictionary"):
        other.share_parameters([1])
    name = next(iter(one.collect_params()))
    with pytest.raises(TypeError, match="Parameter"):
        other.share_parameters({name: 3})
    assert other.collect_params()[name] is one.collect_params()[name]
    if case.name == "Dense":  # of another size: told by the next call
        wide = nn.Dense(5, in_units=3)
        wide.initialize()
        other.share_parameters(wide.collect_params())
        with pytest.raises(mx.MXNetError, match="shape"):
            other(case.x())


# ---- devices ----------------------------------------------------------------------------------
@method("reset_device", "device", "moves parameters; a list makes a copy on each")
def reset_device(case):
    block = case.ready(parameters=True)
    before = arrays(block)
    assert block.reset_device(mx.cpu(1)) is None
    assert {tuple(p.list_device()) for p in block.collect_params().values()} == {(mx.cpu(1),)}
    equal(arrays(block), before)
    close(block(case.x(device=mx.cpu(1))), case.expected(block))
    block.reset_device(TWO)
    for device in TWO:
        close(block(case.x(device=device)), case.expected(block))
    with pytest.raises(ValueError, match="not been"):
        case.new(parameters=True).reset_device(mx.cpu(1))


@method("reset_ctx", "ctx", "reset_device with a DeprecationWarning",
        differs="no warning there in 2.0.0b1")  # fmt: skip
def reset_ctx(case):
    block = case.ready(parameters=True)
    with pytest.warns(DeprecationWarning, match="reset_device"):
        block.reset_ctx(mx.cpu(1))
    assert {tuple(p.list_device()) for p in block.collect_params().values()} == {(mx.cpu(1),)}


# ---- calling ----------------------------------------------------------------------------------
@method("forward", "x", "what NumPy computes; `data` in the normalisations")
def forward_x(case):
    block = case.ready()
    out = case.same(block)
    close(block.forward(case.x()), out)
    for size in (1, 6) if case.name not in ("GroupNorm", "InstanceNorm") else (1,):
        x = onp.concatenate([case.layer.inputs()] * 2)[:size]
        close(block(mx.np.array(x)), case.expected(block, x))
    if case.name not in PLAIN:
        with pytest.raises(ValueError, match="array"):
            block(None)


@method("forward", "*args", "further arguments: of the first child, of the function",
        only=("Sequential", "HybridSequential", "Lambda", "HybridLambda"))  # fmt: skip
def forward_args(case):
    cls = getattr(nn, case.name)
    if case.container:
        net = cls()
        net.add(nn.HybridLambda(lambda x, y: (x + y, x - y)), nn.HybridLambda("multiply"))
    else:
        net = cls(lambda x, y: (x + y) * (x - y))
    if case.hybridized:
        case.hybridize(net)
    x, y = case.x(), case.x() * 0.5
    close(net(x, y), (x + y) * (x - y))


@method("infer_shape", "x", "sets the shapes that are not known yet")
def infer_shape_x(case):
    block = case.new()
    block.initialize()
    assert block.infer_shape(case.x()) is None
    found = {n: p.shape for n, p in block.params.items()}
    assert all(-1 not in shape for shape in found.values())
    block(case.x())
    assert {n: p.shape for n, p in block.params.items()} == found


@method("infer_shape", "*args", "further inputs are looked at where the layer has them")
def infer_shape_args(case):
    block = case.new()
    block.initialize()
    block.infer_shape(*[case.x(), case.x()][: 2 if block.params else 1])
    assert all(-1 not in p.shape for p in block.params.values())


@method("infer_type", "*args", "parameters take the dtype of the first input",
        differs="also before initialize(); nothing else than an array is accepted")  # fmt: skip
def infer_type_args(case):
    block = case.new(parameters=True)
    block.infer_type(case.x("float64"))
    assert {p.dtype.name for p in block.collect_params().values()} == {"float64"}
    block.initialize()
    assert block(case.x("float64")).dtype == onp.float64
    for wrong in ((), ("foo",)):
        with pytest.raises(ValueError, match="array"):
            block.infer_type(*wrong)


@method("summary", "*inputs", "a row a layer in the order of calls; shared parameters once",
        differs="a container with parameters of its own has a row", modes=EAGER)  # fmt: skip
def summary_inputs(case):
    import contextlib
    import io

    block = case.ready()
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert block.summary(case.x()) is None
    lines = text.getvalue().splitlines()
    rows = [line.split()[0] for line in lines[3:] if line[:1] == " " and "params" not in line]
    rows = [r for r in rows if r != "Input"]
    if case.container:
        assert rows == ["Activation-1", "Dense-2", "Dense-3"]
    else:
        assert rows == [f"{case.name}-1"]
    count = sum(p.data().size for p in block.collect_params().values())
    wanted = sum(p.data().size for p in block.collect_params().values() if p.grad_req != "null")
    assert f"   Total params: {count}" in lines
    assert f"   Trainable params: {wanted}" in lines
    assert f"Unique parameters in model: {count}" in lines
    shown = (4, 2) if case.container else tuple(block(case.x()).shape)
    assert str(shown) in text.getvalue()
    assert not block._forward_hooks
    if not case.plain:
        block.hybridize()
        with pytest.raises(AssertionError, match="hybridized"):
            block.summary(case.x())
    if not block.params and not case.container:
        return
    pair, twin = case.new(), case.new()
    pair.initialize()
    pair(case.x())
    twin.share_parameters(pair.collect_params())
    net = nn.Concatenate(axis=0)
    net.add(pair, twin)
    table = summary_text(net, [case.x()]).splitlines()
    assert f"   Total params: {2 * count}" in table
    assert f"Shared params in forward computation graph: {count}" in table
    assert f"Unique parameters in model: {count}" in table


# ---- hooks ------------------------------------------------------------------------------------
@method("register_forward_hook", "hook", "hook(block, inputs, output) after each call; its result "
        "is ignored; the handle detaches, also as a context manager",
        differs="hybridized, at every call and not at the first alone")  # fmt: skip
def forward_hook(case):
    block = case.ready()
    seen = []

    def hook(*given):
        seen.append(given)
        return 0

    x = case.x()
    with block.register_forward_hook(hook):
        outs = [block(x), block(x)]
    block(x)
    assert [(b, i[0] is x, o is out) for (b, i, o), out in zip(seen, outs, strict=True)] == [
        (block, True, True)
    ] * 2
    assert isinstance(seen[0][1], tuple)
    handle = block.register_forward_hook(hook)
    handle.detach()
    handle.detach()
    block(x)
    assert len(seen) == 2


@method("register_forward_pre_hook", "hook", "hook(block, inputs) before each call; as above")
def forward_pre_hook(case):
    block = case.ready()
    seen = []
    x = case.x()
    with block.register_forward_pre_hook(lambda b, i: seen.append((b, i))):
        block.register_forward_hook(lambda *_: seen.append("after"))
        block(x)
    block(x)
    assert seen[0] == (block, (x,))
    assert seen[1:] == ["after", "after"]


def _operators(case):
    """Operators a monitored call reports: none for what has none, or is not hybrid."""
    return 0 if case.name in ("Identity", "Lambda") else 1


@method("register_op_hook", "callback", "callback(name, operator, array) sees every intermediate "
        "of hybridized calls", differs="names CHILD_OPERATOR_output and our names of operators; "
        "several callbacks; an exception in one is not swallowed")  # fmt: skip
def op_hook(case):
    block = case.ready()
    seen = []
    block.register_op_hook(lambda *given: seen.append(given))
    out = case.same(block)
    if not case.hybridized:
        assert seen == []
        return
    assert len(seen) >= _operators(case)
    for name, operator, array in seen:
        assert isinstance(name, str)
        assert operator in name
        assert "_output" in name
        assert isinstance(array, mx.np.ndarray)
    if seen and case.name not in ("Concatenate", "Sequential", "Dropout"):
        close(seen[-1][2], out)
    x = case.x()
    with mx.autograd.record():  # a monitored call is recorded as any other
        if case.name not in ("Embedding", "Identity", "Lambda"):
            x.attach_grad()
            block(x).sum().backward()
            assert x.grad.shape == x.shape
    with pytest.raises(TypeError):
        block.register_op_hook(3)


@method("register_op_hook", "monitor_all", "operands of each operator too")
def op_hook_all(case):
    counts = []
    for monitor_all in (False, True):
        block = case.ready()
        seen = []
        block.register_op_hook(lambda name, *_, seen=seen: seen.append(name), monitor_all)
        block(case.x())
        counts.append(len(seen))
    if case.hybridized and _operators(case):
        assert counts[1] > counts[0]
    else:
        assert counts == [0, 0]


# ---- files --------------------------------------------------------------------------------------
@method("save_parameters", "filename", "a file MXNet reads too")
def save_parameters_filename(case, tmp_path):
    block = case.ready(parameters=True)
    path = str(tmp_path / "net.params")
    assert block.save_parameters(path) is None
    found = mx.npx.load(path)
    assert sorted(found) == sorted(block.collect_params())
    equal({n: found[n].asnumpy() for n in block.collect_params()}, arrays(block))
    with pytest.raises(RuntimeError):
        case.new(parameters=True).save_parameters(path)
    with pytest.raises(mx.MXNetError, match="folder"):
        block.save_parameters(str(tmp_path / "no" / "net.params"))


@method("save_parameters", "deduplicate", "a parameter of several names once",
        differs="under its first name; both read both")  # fmt: skip
def save_parameters_deduplicate(case, tmp_path):
    def tied():
        pair = nn.Sequential()
        pair.add(case.new(parameters=True), case.new(parameters=True))
        pair[1].share_parameters(pair[0].collect_params())
        return pair

    pair = tied()
    pair.initialize()
    pair[0](case.x())
    fill(pair)
    path = str(tmp_path / "pair.params")
    pair.save_parameters(path)
    assert len(mx.npx.load(path)) == len(pair.collect_params())
    pair.save_parameters(path, deduplicate=True)
    assert len(mx.npx.load(path)) == len(pair[0].collect_params())
    again = tied()
    again.load_parameters(path)
    equal(arrays(again), arrays(pair))


def _saved(case, tmp_path, dtype="float32"):
    block = case.ready(parameters=True, seed=11)
    for p in block.collect_params().values():
        p.cast(dtype)
    path = str(tmp_path / "net.params")
    block.save_parameters(path)
    return block, path


@method("load_parameters", "filename", "parameters need not be initialized")
def load_filename(case, tmp_path):
    block, path = _saved(case, tmp_path)
    for other in (case.new(parameters=True), case.ready(parameters=True)):
        assert other.load_parameters(path) is None
        equal(arrays(other), arrays(block))
        case.same(other)
    with pytest.raises(FileNotFoundError):
        block.load_parameters(str(tmp_path / "none"))


@method("load_parameters", "device", "where the parameters live afterwards",
        differs="moves what is initialized elsewhere, an AssertionError there")  # fmt: skip
def load_device(case, tmp_path):
    block, path = _saved(case, tmp_path)
    for other in (case.new(parameters=True), case.ready(parameters=True)):
        other.load_parameters(path, device=TWO)
        for p in other.collect_params().values():
            assert p.list_device() == TWO
        close(other(case.x(device=TWO[1])), case.expected(block))


def _fewer(path):
    """Take one parameter out of a file, and return its name."""
    found = mx.npx.load(path)
    name = next(iter(found))
    rest = {k: v for k, v in found.items() if k != name}
    mx.npx.savez(path, **rest) if rest else mx.npx.save(path, {"other": mx.np.ones(1)})
    return name, rest


@method("load_parameters", "allow_missing", "False: an error that names what the file lacks")
def load_allow_missing(case, tmp_path):
    _, path = _saved(case, tmp_path)
    missing, rest = _fewer(path)
    other = case.ready(parameters=True)
    before = arrays(other)
    with pytest.raises(AssertionError, match=re.escape(missing)):
        other.load_parameters(path, ignore_extra=True)
    equal(arrays(other), before)
    other.load_parameters(path, allow_missing=True, ignore_extra=True)
    for name, values in arrays(other).items():
        close(values, rest[name] if name in rest else before[name])


@method("load_parameters", "ignore_extra", "False: an error that names what the block lacks")
def load_ignore_extra(case, tmp_path):
    block, path = _saved(case, tmp_path)
    mx.npx.save(path, {**mx.npx.load(path), "surplus": mx.np.ones(3)})
    other = case.ready(parameters=True)
    with pytest.raises(AssertionError, match="surplus"):
        other.load_parameters(path)
    other.load_parameters(path, ignore_extra=True)
    equal(arrays(other), arrays(block))


@method("load_parameters", "cast_dtype", "False: another dtype is an AssertionError")
def load_cast(case, tmp_path):
    _, path = _saved(case, tmp_path, "float64")
    other = case.ready(parameters=True)
    with pytest.raises(AssertionError, match="float64"):
        other.load_parameters(path)
    other.load_parameters(path, cast_dtype=True)
    assert {p.dtype.name for p in other.collect_params().values()} == {"float32"}
    case.same(other)


@method("load_parameters", "dtype_source", "'current': the dtype of the block, 'saved': of the file",
        differs="an unknown one is refused without cast_dtype too")  # fmt: skip
def load_source(case, tmp_path):
    _, path = _saved(case, tmp_path, "float64")
    other = case.ready(parameters=True)
    other.load_parameters(path, cast_dtype=True, dtype_source="saved")
    assert {p.dtype.name for p in other.collect_params().values()} == {"float64"}
    close(other(case.x("float64")), case.expected(other), 1e-9)
    with pytest.raises(AssertionError, match="foo"):
        other.load_parameters(path, cast_dtype=True, dtype_source="foo")


@method("load_dict", "param_dict", "arrays of this library or NumPy's, by name; they are copied")
def load_dict_values(case):
    block = case.ready(parameters=True, seed=11)
    given = {n: p.data().copy() for n, p in block.collect_params().items()}
    other = case.new(parameters=True)
    assert other.load_dict(given) is None
    for value in given.values():
        value[:] = 100
    equal(arrays(other), arrays(block))
    case.same(other)
    other.load_dict({n: a * 2 for n, a in arrays(block).items()})
    for name, values in arrays(block).items():
        close(other.collect_params()[name].data(), values * 2)
    wrong = {n: onp.ones((*a.shape, 1), "float32") for n, a in arrays(block).items()}
    with pytest.raises(AssertionError, match="shape"):
        other.load_dict(wrong)


@method("load_dict", "device", "where the parameters live afterwards")
def load_dict_device(case):
    block = case.ready(parameters=True)
    other = case.new(parameters=True)
    other.load_dict(arrays(block), device=mx.cpu(1))
    assert {tuple(p.list_device()) for p in other.collect_params().values()} == {(mx.cpu(1),)}
    close(other(case.x(device=mx.cpu(1))), case.expected(block))


@method("load_dict", "allow_missing", "False: an error that names what the dictionary lacks")
def load_dict_missing(case):
    block = case.ready(parameters=True)
    given = arrays(block)
    missing = next(iter(given))
    del given[missing]
    other = case.ready(parameters=True, seed=5)
    before = arrays(other)
    with pytest.raises(AssertionError, match=re.escape(missing)):
        other.load_dict(given)
    other.load_dict(given, allow_missing=True)
    close(other.collect_params()[missing].data(), before[missing])
    for name, values in given.items():
        close(other.collect_params()[name].data(), values)


@method("load_dict", "ignore_extra", "False: an error that names what the block lacks")
def load_dict_extra(case):
    block = case.ready(parameters=True)
    given = {**arrays(block), "surplus": onp.ones(3, "float32")}
    other = case.ready(parameters=True, seed=5)
    with pytest.raises(AssertionError, match="surplus"):
        other.load_dict(given)
    other.load_dict(given, ignore_extra=True)
    equal(arrays(other), arrays(block))


@method("load_dict", "cast_dtype", "False: another dtype is an AssertionError")
def load_dict_cast(case):
    other = case.ready(parameters=True)
    given = {n: a.astype("float64") for n, a in arrays(other).items()}
    with pytest.raises(AssertionError, match="float64"):
        other.load_dict(given)
    other.load_dict(given, cast_dtype=True)
    assert {p.dtype.name for p in other.collect_params().values()} == {"float32"}


@method("load_dict", "dtype_source", "'current' or 'saved', as load_parameters")
def load_dict_source(case):
    other = case.ready(parameters=True)
    given = {n: a.astype("float64") for n, a in arrays(other).items()}
    other.load_dict(given, cast_dtype=True, dtype_source="saved")
    assert {p.dtype.name for p in other.collect_params().values()} == {"float64"}
    with pytest.raises(AssertionError, match="foo"):
        other.load_dict(given, cast_dtype=True, dtype_source="foo")


@method("save", "prefix", "PREFIX-model.json and PREFIX-model.params",
        differs="the JSON is our own; files of MXNet's Block.save are not read")  # fmt: skip
def save_prefix(case, tmp_path):
    block = case.ready(parameters=True)
    assert block.save(str(tmp_path / "m")) is None
    assert sorted(os.listdir(tmp_path)) == ["m-model.json", "m-model.params"]
    with pytest.raises(RuntimeError):
        case.new(parameters=True).save(str(tmp_path / "m"))


@method("load", "prefix", "into a block of the same structure; it is hybridized as the saved one")
def load_prefix(case, tmp_path):
    block = case.ready(parameters=True)
    block.save(str(tmp_path / "m"))
    other = case.new(parameters=True, hybridize=False)
    assert other.load(str(tmp_path / "m")) is None
    equal(arrays(other), arrays(block))
    case.same(other)
    for mine, theirs in zip(hybrid_blocks(other), hybrid_blocks(block), strict=True):
        assert mine._flags == theirs._flags
    other.register_child(nn.Dense(1), "more")
    with pytest.raises(KeyError, match="more"):
        other.load(str(tmp_path / "m"))


@method("export", "path", "PATH-symbol.json and PATH-EPOCH.params as MXNet's, and PATH-EPOCH.onnx",
        differs="the ONNX file; a parameter file also where there are no parameters",
        modes=HYBRIDIZED)  # fmt: skip
def export_path(case, tmp_path):
    block = case.ready()
    path = str(tmp_path / "net")
    symbol, params = block.export(path)
    assert (symbol, params) == (f"{path}-symbol.json", f"{path}-0000.params")
    assert os.path.exists(f"{path}-0000.onnx")
    again = gluon.SymbolBlock.imports(symbol, ["data"], params)
    close(again(case.x()), case.expected(block))
    with pytest.raises(RuntimeError, match="call hybridize"):
        case.new().export(path)


@method("export", "epoch", "the number in the names", modes=HYBRIDIZED)
def export_epoch(case, tmp_path):
    block = case.ready()
    symbol, params = block.export(str(tmp_path / "net"), epoch=12)
    assert os.path.basename(symbol) == "net-symbol.json"
    assert os.path.basename(params) == "net-0012.params"
    with pytest.raises(ValueError, match="epoch"):
        block.export(str(tmp_path / "net"), epoch=-1)


@method("export", "remove_amp_cast", "pairs of casts by mixed precision are left out of the ONNX",
        modes=HYBRIDIZED)  # fmt: skip
def export_amp(case, tmp_path):
    import onnx

    kinds = []
    for remove in (True, False):
        net = nn.HybridSequential()
        net.add(case.new(), nn.HybridLambda(lambda x: x.astype("float16").astype("float32")))
        net.initialize()
        net.hybridize()
        net(case.x())
        path = str(tmp_path / f"net{remove}")
        net.export(path, remove_amp_cast=remove)
        model = onnx.load(f"{path}-0000.onnx")
        nodes = [*model.graph.node, *(n for f in model.functions for n in f.node)]
        kinds.append(sum(n.op_type == "Cast" for n in nodes))
    assert kinds[1] == kinds[0] + 2


# ---- hybridize and optimize_for ---------------------------------------------------------------
def _flags(block, name):
    return {getattr(b._flags, name) for b in hybrid_blocks(block)}


@method("hybridize", "active", "calls run compiled; a plain block passes it to its children",
        modes=EAGER)  # fmt: skip
def hybridize_active(case):
    block = case.ready()
    assert block.hybridize is not None
    for active in (True, False, True):
        case.hybridize(block, active)
        assert _flags(block, "active") <= {active}
        assert {b._active for b in hybrid_blocks(block)} <= {active}
        case.same(block)
        compiled = [b for b in hybrid_blocks(block) if b._cache.by_key]
        assert bool(compiled) == (active and bool(hybrid_blocks(block)))
    if case.name == "Sequential":
        with pytest.warns(UserWarning, match="HybridSequential"):
            block.hybridize()


def _flag(name, value, note, wrong=None, differs=""):
    """Checks of one flag: hybridize and optimize_for hand it on, and answers stay."""

    @method("hybridize", name, note, differs=differs, modes=EAGER)
    def hybridized(case):
        block = case.ready()
        case.hybridize(block, **{name: value})
        assert _flags(block, name) <= {value}
        case.same(block)
        x = onp.concatenate([case.layer.inputs()] * 2)
        close(block(mx.np.array(x)), case.expected(block, x))
        if wrong is not None and hybrid_blocks(block):
            with pytest.raises(ValueError, match=name), quiet():
                block.hybridize(**{name: wrong})

    @method("optimize_for", name, "as in hybridize", modes=EAGER)
    def optimized(case):
        block = case.ready()
        block.optimize_for(case.x(), **{name: value})
        assert _flags(block, name) == {value}
        case.same(block)

    hybridized.__name__, optimized.__name__ = f"hybridize_{name}", f"optimize_{name}"


_flag("partition_if_dynamic", False, "False: a graph with sizes that depend on data runs on the "
      "NumPy interpreter as a whole")  # fmt: skip
_flag("static_alloc", True, "the NumPy backend plans one arena for all intermediate arrays")
_flag("static_shape", True, "traced with numbers: one graph a shape", differs="does not need "
      "static_alloc")  # fmt: skip
_flag("inline_limit", 0, "children of at most so many operators are inlined in exported files",
      wrong="a")  # fmt: skip
_flag(
    "forward_bulk_size", 1, "the graph is run in segments of at most so many operators", wrong=-1
)
_flag("backward_bulk_size", 1, "the gradient is run in segments of at most so many operators",
      wrong=-1)  # fmt: skip


@method("hybridize", "**kwargs", "an unknown flag is a TypeError", modes=EAGER)
def hybridize_kwargs(case):
    block = case.ready()
    if not hybrid_blocks(block):
        block.hybridize(nosuch=1)  # there is nothing below that could know it
        return
    with pytest.raises(TypeError, match="nosuch"), quiet():
        block.hybridize(nosuch=1)


@method("optimize_for", "x", "compiled for it at once, and hybridized from then on", modes=EAGER)
def optimize_x(case):
    block = case.new()
    block.initialize()
    block.optimize_for(case.x())
    assert block._active
    assert block._cache.traces == 1
    case.same(block)
    assert block._cache.traces == 1
    with pytest.raises(ValueError, match="array"):
        block.optimize_for(3)


@method("optimize_for", "*args", "further inputs of the block", modes=EAGER)
def optimize_args(case):
    if case.name in ("HybridSequential", "HybridLambda"):
        cls = getattr(nn, case.name)
        net = cls("add") if case.name == "HybridLambda" else cls()
        if case.container:
            net.add(nn.HybridLambda("add"))
        net.optimize_for(case.x(), case.x())
        close(net(case.x(), case.x()), case.layer.inputs() * 2)
        assert net._cache.traces == 1
        return
    with pytest.raises(TypeError):
        case.ready().optimize_for(case.x(), case.x())


@method("optimize_for", "backend", "numpy, onnxruntime or a plug-in's; an unknown one is an error",
        differs="unknown names are ignored there", modes=EAGER)  # fmt: skip
def optimize_backend(case):
    block = case.ready()
    for backend in ("numpy", "onnxruntime"):
        block.optimize_for(case.x(), backend=backend)
        (_, entries), *_ = block._cache.by_key.values()
        assert entries[0].op.options.backend == backend
        case.same(block)
    with pytest.raises(ValueError, match="nosuch"):
        block.optimize_for(case.x(), backend="nosuch")
    assert block._flags.backend == "onnxruntime"


@method("optimize_for", "clear", "drops what was compiled before", modes=EAGER)
def optimize_clear(case):
    block = case.ready()
    block.hybridize()
    block(case.x())
    old = next(iter(block._cache.by_key.values()))[1][0]
    block.optimize_for(case.x())  # the same flags
    assert next(iter(block._cache.by_key.values()))[1] == [old]
    block.optimize_for(case.x(), clear=True)
    assert block._cache.traces == 1
    assert next(iter(block._cache.by_key.values()))[1][0] is not old
    case.same(block)


@method("optimize_for", "**kwargs", "options of the backend; unknown ones are an error that lists "
        "the known", differs="ignored there", modes=EAGER)  # fmt: skip
def optimize_kwargs(case):
    block = case.ready()
    block.optimize_for(case.x(), passes="-fuse_patterns")
    assert block._flags.options == {"passes": "-fuse_patterns"}
    case.same(block)
    with pytest.raises(ValueError, match="nosuch"):
        block.optimize_for(case.x(), nosuch=1)
