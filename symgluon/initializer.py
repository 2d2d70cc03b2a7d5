"""Initializers of parameters (seed: ``mx.init``)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.array import Array, wrap
from symgluon.ops.generator import generator
from symgluon.ops.kernels.rnn import RnnConfig, param_size, unpack_params


class InitDesc(str):
    """Name of a parameter, with its attributes and the initializer of the whole net."""

    attrs: dict[str, Any]
    global_init: Any

    def __new__(
        cls, name: str, attrs: Mapping[str, Any] | None = None, global_init: Any = None
    ) -> InitDesc:
        """Make the description of a parameter called `name`."""
        made = super().__new__(cls, name)
        made.attrs = dict(attrs or {})
        made.global_init = global_init
        return made


_REGISTRY: dict[str, Any] = {}
#: ends of names that say what an array begins with
_ONES = ("gamma", "running_var", "moving_var", "max")
_ZEROS = ("beta", "running_mean", "moving_mean", "moving_avg", "moving_inv_var", "min")
C = TypeVar("C", bound=type)


def register(cls: C) -> C:
    """Let the class be created by its name in lower case."""
    _REGISTRY[cls.__name__.lower()] = cls
    return cls


def alias(*names: str) -> Callable[[C], C]:
    """Let the class be created by further names."""

    def declare(cls: C) -> C:
        for name in names:
            _REGISTRY[name] = cls
        return cls

    return declare


def create(init: Any, **kwargs: Any) -> Any:
    """Return an initializer: itself, or made from its name.

    Raises
    ------
    ValueError
        For an unknown name; the known ones are listed.
    """
    if not isinstance(init, str):
        return init
    if init.startswith("["):
        name, given = json.loads(init)
        return create(name, **given)
    cls = _REGISTRY.get(init.lower())
    if cls is None:
        raise _NameError(
            f"there is no initializer {init!r}", hint=f"known: {', '.join(sorted(_REGISTRY))}"
        )
    return cls(**kwargs)


class _NameError(AttributeValueError, AssertionError):
    """An initializer or a parameter nobody knows: an AssertionError in MXNet."""


class _LoadedShapeError(ShapeError, AssertionError):
    """A loaded value of another shape: an AssertionError in MXNet."""


def _fill(array: Any, values: Any) -> None:
    """Write values into a handle or a NumPy array."""
    if isinstance(array, Array):
        content = np.empty(array.shape, array.dtype)
        content[...] = values
        array._assign(wrap(content))
    else:
        array[...] = values


class Initializer:
    """Base class; subclasses define ``_init_weight(self, name, array)``.

    A parameter is initialised by that rule whatever its name is.  Called directly, as
    ``init(InitDesc("fc_bias"), array)``, the end of the name decides: weight is the rule, bias,
    beta, running_mean and moving_mean are 0, gamma, running_var and moving_var are 1.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Any = None

    def set_verbosity(self, verbose: bool = False, print_func: Any = None) -> Initializer:
        """Report what is initialised."""
        self._verbose, self._print_func = verbose, print_func
        return self

    def dumps(self) -> str:
        """Return name and arguments as JSON."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self.__dict__) == repr(other.__dict__)

    def __hash__(self) -> int:
        return hash((type(self), repr(self._kwargs)))

    def __call__(self, desc: Any, arr: Any) -> None:
        """Initialise `arr` by the rule its name asks for.

        Raises
        ------
        ValueError
            If the name says nothing.
        """
        if not isinstance(desc, str):
            raise TypeError(f"the name must be a string, received {type(desc).__name__}")
        desc = desc if isinstance(desc, InitDesc) else InitDesc(str(desc))
        own = desc.attrs.get("__init__")
        if own:
            create(own)._init_weight(desc, arr)
            return
        self._dispatch(desc, arr)
        if self._verbose and self._print_func:
            self._print_func(arr)

    def _dispatch(self, desc: InitDesc, arr: Any) -> None:
        """Choose by the end of the name."""
        if desc.endswith("weight"):
            self._init_weight(desc, arr)
        elif desc.endswith("bias"):
            self._init_bias(desc, arr)
        elif desc.endswith(_ONES):
            _fill(arr, 1)
        elif desc.endswith(_ZEROS):
            _fill(arr, 0)
        else:
            raise AttributeValueError(
                f"Unknown initialization pattern for {desc}",
                hint='names end in "weight", "bias", "gamma" (1) or "beta" (0); give the parameter '
                "an initializer of its own",
            )

    def init_weight_directly(self, desc: Any, arr: Any) -> None:
        """Initialise `arr` by this initializer whatever its name is."""
        self._init_weight(desc, arr)

    def _init_bias(self, desc: Any, arr: Any) -> None:
        _fill(arr, 0)

    def _init_weight(self, desc: Any, arr: Any) -> None:
        raise NotImplementedError(
            f"{type(self).__name__} must define _init_weight(self, name, array)"
        )

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r}" for k, v in self._kwargs.items())
        return f"{type(self).__name__}({inner})"


@register
class Load:
    """Take values from a dictionary (or file) of arrays.

    Parameters
    ----------
    param : dict or str
        Arrays by name, or a parameter file.
    default_init : Initializer, optional
        For parameters that are not in it.
    """

    def __init__(self, param: Any, default_init: Any = None, verbose: bool = False) -> None:
        if isinstance(param, str):
            from symgluon.formats.params import load_params

            loaded = load_params(param)
            param = loaded if isinstance(loaded, dict) else {}
        self.param = {k[4:] if k.startswith(("arg:", "aux:")) else k: v for k, v in param.items()}
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name: str, arr: Any) -> None:
        """Initialise `arr` called `name`."""
        if name in self.param:
            value = self.param[name]
            values = value.asnumpy() if hasattr(value, "asnumpy") else np.asarray(value)
            if tuple(values.shape) != tuple(arr.shape):
                raise _LoadedShapeError(
                    f"parameter {name} has shape {tuple(arr.shape)}, the loaded value "
                    f"{tuple(values.shape)}"
                )
            _fill(arr, values)
        elif self.default_init is not None:
            self.default_init(name, arr)
        else:
            raise _NameError(
                f"Cannot Initialize parameter {name}: it is not loaded and there is no default_init"
            )

    init_weight_directly = __call__


@register
class Mixed:
    """Choose an initializer by patterns (regular expressions) of the name."""

    def __init__(self, patterns: list[str], initializers: list[Any]) -> None:
        if len(patterns) != len(initializers):
            raise AssertionError(f"{len(patterns)} patterns for {len(initializers)} initializers")
        self.map = [
            (re.compile(p), create(i)) for p, i in zip(patterns, initializers, strict=True)
        ]

    def __call__(self, name: str, arr: Any) -> None:
        """Initialise `arr` by the first pattern that matches."""
        for pattern, init in self.map:
            if pattern.match(name):
                init(name, arr)
                return
        raise ValueError(
            f"Parameter name {name} did not match any pattern. Consider adding a '.*' pattern at "
            "the end with default Initializer"
        )

    init_weight_directly = __call__


@register
@alias("zeros")
class Zero(Initializer):
    """Zeros."""

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, 0)


@register
@alias("ones")
class One(Initializer):
    """Ones."""

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, 1)


@register
class Constant(Initializer):
    """A number, or an array of the shape of the parameter."""

    def __init__(self, value: Any) -> None:
        plain = value.tolist() if hasattr(value, "tolist") else value
        super().__init__(value=plain)
        self.value = value

    def _init_weight(self, desc: Any, arr: Any) -> None:
        value = self.value
        _fill(arr, value.asnumpy() if hasattr(value, "asnumpy") else value)

    def _init_bias(self, desc: Any, arr: Any) -> None:
        _fill(arr, 0)


@register
class Uniform(Initializer):
    """Uniform in ``[-scale, scale]``."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, generator().uniform(-self.scale, self.scale, arr.shape))


@register
class Normal(Initializer):
    """Normal with mean 0 and standard deviation `sigma`."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, generator().standard_normal(arr.shape) * self.sigma)


@register
class Orthogonal(Initializer):
    """Orthogonal rows (or columns) times `scale` (arXiv:1312.6120)."""

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale, self.rand_type = scale, rand_type

    def _init_weight(self, desc: Any, arr: Any) -> None:
        rows = arr.shape[0]
        columns = int(np.prod(arr.shape[1:]))
        if self.rand_type == "uniform":
            drawn = generator().uniform(-1.0, 1.0, (rows, columns))
        else:
            drawn = generator().standard_normal((rows, columns))
        u, _, v = np.linalg.svd(drawn, full_matrices=False)
        found = u if u.shape == (rows, columns) else v
        _fill(arr, self.scale * found.reshape(arr.shape))


@register
class Xavier(Initializer):
    """Scale by the numbers of inputs and outputs (Glorot and Bengio, 2010)."""

    def __init__(
        self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3
    ) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type, self.factor_type, self.magnitude = rnd_type, factor_type, float(magnitude)

    def _init_weight(self, desc: Any, arr: Any) -> None:
        shape = arr.shape
        if len(shape) < 2:
            raise ValueError(
                f"Xavier initializer cannot be applied to vector {desc!s}. It requires at least 2D."
            )
        area = float(np.prod(shape[2:])) if len(shape) > 2 else 1.0
        fan_in, fan_out = shape[1] * area, shape[0] * area
        factors = {"avg": (fan_in + fan_out) / 2.0, "in": fan_in, "out": fan_out}
        if self.factor_type not in factors:
            raise ValueError("Incorrect factor type")
        scale = math.sqrt(self.magnitude / factors[self.factor_type])
        if self.rnd_type == "uniform":
            _fill(arr, generator().uniform(-scale, scale, shape))
        elif self.rnd_type == "gaussian":
            _fill(arr, generator().standard_normal(shape) * scale)
        else:
            raise ValueError("Unknown random type")


@register
class MSRAPrelu(Xavier):
    """He initialisation for rectifiers of a given slope (arXiv:1502.01852)."""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        magnitude = 2.0 / (1 + slope**2)
        super().__init__("gaussian", factor_type, magnitude)
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """Weights of bilinear upsampling."""

    def _init_weight(self, desc: Any, arr: Any) -> None:
        shape = arr.shape
        factor = np.ceil(shape[3] / 2.0)
        centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
        y, x = np.meshgrid(np.arange(shape[2]), np.arange(shape[3]), indexing="ij")
        plane = (1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre))
        _fill(arr, np.broadcast_to(plane, shape))


@register
class LSTMBias(Initializer):
    """Zeros, with `forget_bias` for the forget gate."""

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, desc: Any, arr: Any) -> None:
        values = np.zeros(arr.shape)
        size = arr.shape[0] // 4
        values[size : 2 * size] = self.forget_bias
        _fill(arr, values)


@register
class RNNFused(Initializer):
    """Initialise the flat vector of a fused recurrent layer part by part.

    Parameters
    ----------
    mode : str
        ``rnn_relu``, ``rnn_tanh``, ``lstm`` or ``gru``.
    num_layers, state_size, bidirectional, projection_size
        Those of the layer.
    i2h_weight_initializer, h2h_weight_initializer, h2r_weight_initializer : optional
        Of the weights; default: what `set_initializer` was given.
    i2h_bias_initializer, h2h_bias_initializer : optional
        Of the biases; default: zeros.
    """

    def __init__(
        self,
        mode: str,
        num_layers: int,
        state_size: int,
        bidirectional: bool = False,
        projection_size: int | None = None,
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = None,
        h2h_bias_initializer: Any = None,
        h2r_weight_initializer: Any = None,
    ) -> None:
        super().__init__(
            mode=mode, num_layers=num_layers, state_size=state_size, bidirectional=bidirectional,
            projection_size=projection_size,
        )  # fmt: skip
        self.mode, self.num_layers, self.state_size = mode, num_layers, state_size
        self.bidirectional, self.projection_size = bidirectional, projection_size
        self._parts = (
            i2h_weight_initializer, h2h_weight_initializer, h2r_weight_initializer,
            "zeros" if i2h_bias_initializer is None else i2h_bias_initializer,
            "zeros" if h2h_bias_initializer is None else h2h_bias_initializer,
        )  # fmt: skip
        self._default: Any = None

    def set_initializer(self, init: Any) -> None:
        """Set what weights without an initializer of their own are initialised by."""
        self._default = init

    def _init_weight(self, desc: Any, arr: Any) -> None:
        kind: Any = self.mode
        config = RnnConfig(
            kind, self.state_size, self.num_layers, self.bidirectional, self.projection_size
        )
        fixed = param_size(config, 0)
        rows = param_size(config, 1) - fixed
        flat = np.zeros(arr.shape, arr.dtype)
        parts = unpack_params(flat, config, (arr.shape[0] - fixed) // rows)
        default = Uniform() if self._default is None else create(self._default)
        for each in parts:
            for part, init in zip(each, self._parts, strict=True):
                if part is not None:
                    rule = default if init is None else create(init)
                    _write(rule, desc, part)
        _fill(arr, flat)


def _write(rule: Any, desc: Any, part: np.ndarray) -> None:
    """Initialise a part of an array by `rule`, which sees a handle of its own."""
    handle = wrap(np.zeros(part.shape, part.dtype))
    handle._owned = True
    rule.init_weight_directly(desc, handle)
    part[...] = handle._content()
