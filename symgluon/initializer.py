"""Initializers of parameters (MXNet's ``mx.init``)."""

from __future__ import annotations

import json
import logging
import math
import re
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from symgluon import registry
from symgluon.errors import AttributeValueError, ShapeError
from symgluon.ops.array import Array, wrap
from symgluon.ops.generator import generator
from symgluon.ops.kernels.rnn import RnnConfig, param_size, unpack_params


class InitDesc(str):
    """Name of a parameter, with its attributes and the initializer of the whole net.

    Parameters
    ----------
    name : str
        The name; an InitDesc is a string.
    attrs : dict, optional
        Attributes; ``__init__`` is an initializer of its own.
    global_init : Initializer, optional
        That of the net.

    Notes
    -----
    Source: MXNet's ``mx.init.InitDesc``.

    Examples
    --------
    >>> import symgluon as mx
    >>> desc = mx.init.InitDesc("fc_weight")
    >>> desc, desc.attrs
    ('fc_weight', {})
    """

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


_REGISTRY: dict[str, type] = {}
_TEMPORARY: dict[str, Callable[[], Any]] = {}
#: ends of names that say what an array begins with
_ONES = ("gamma", "running_var", "moving_var", "max")
_ZEROS = ("beta", "running_mean", "moving_mean", "moving_avg", "moving_inv_var", "min")
C = TypeVar("C", bound=type)


def register(cls: C) -> C:
    """Let the class `cls` be created by its name in lower case; returns it (a class decorator)."""
    _REGISTRY[cls.__name__.lower()] = cls
    return cls


def alias(*names: str) -> Callable[[C], C]:
    """Class decorator: let the class be created by further `names`."""

    def declare(cls: C) -> C:
        for name in names:
            _REGISTRY[name] = cls
        return cls

    return declare


def name_for_now(name: str, owner: Any, initializer_of: Callable[[Any], Any]) -> str:
    """Let an initializer be created by name as long as an object lives.

    Parameters
    ----------
    name : str
        The name.
    owner : object
        Without it the name is unknown again.
    initializer_of : callable
        Gives the initializer of `owner`.

    Returns
    -------
    str
        `name`.
    """
    key, found = name.lower(), weakref.ref(owner)
    _TEMPORARY[key] = lambda: initializer_of(found())
    weakref.finalize(owner, _TEMPORARY.pop, key, None)
    return name


def create(init: Any, *args: Any, **kwargs: Any) -> Any:
    """Return an initializer: itself, or made from its name.

    Parameters
    ----------
    init : Initializer or str
        An initializer; its name in any case; or what `Initializer.dumps` returned.
    *args, **kwargs : object
        Arguments of the class, where `init` is a name.

    Returns
    -------
    Initializer
        The initializer.

    Raises
    ------
    AssertionError
        For an unknown name; the known ones are listed.
    """
    if not isinstance(init, str):
        if isinstance(init, type) or not callable(init):
            raise _KindError(
                f"expected an initializer or the name of one, received {init!r}",
                hint="make an object of the class first" if isinstance(init, type) else None,
            )
        return init
    if init.startswith("["):
        name, given = json.loads(init)
        return create(name, **given)
    cls = _REGISTRY.get(init.lower()) or _TEMPORARY.get(init.lower())
    if cls is None:
        raise _NameError(
            f"there is no initializer {init!r}", hint=f"known: {', '.join(sorted(_REGISTRY))}"
        )
    return cls(*args, **kwargs)


class _NameError(AttributeValueError, AssertionError):
    """An initializer or a parameter nobody knows: an AssertionError in MXNet."""


class _KindError(AttributeValueError, AssertionError, TypeError):
    """Something that is no initializer: an AssertionError in MXNet."""


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

    Parameters
    ----------
    **kwargs : object
        Arguments of the subclass, for `dumps` and ``repr``.

    Notes
    -----
    Source: MXNet's ``mx.init.Initializer``.

    Examples
    --------
    >>> import symgluon as mx
    >>> class Twos(mx.init.Initializer):
    ...     def _init_weight(self, name, array):
    ...         array[:] = 2
    >>> weight = mx.gluon.Parameter(shape=(2,), init=Twos())
    >>> weight.initialize()
    >>> weight.data().asnumpy()
    array([2., 2.], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Any = None

    def set_verbosity(self, verbose: bool = False, print_func: Any = None) -> Initializer:
        """Log each array that is initialised (level INFO of the logger ``symgluon``).

        Parameters
        ----------
        verbose : bool
            Whether to report.
        print_func : callable, optional
            Takes each array and returns what is written of it; left out: the root of the mean of
            its squares.

        Returns
        -------
        Initializer
            The initializer itself.
        """
        self._verbose, self._print_func = verbose, print_func
        return self

    def _report(self, desc: str, rule: Any, arr: Any) -> None:
        """Log what was initialised by `rule`: the root of the mean square, or what the user prints."""
        if self._print_func is not None:
            shown = self._print_func(arr)
        else:
            values = arr.asnumpy().astype(np.float64)
            shown = float(np.sqrt(np.mean(values * values))) if values.size else 0.0
        kind = type(rule).__name__
        logging.getLogger("symgluon").info("Initialized %s as %s: %s", desc, kind, shown)

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
        if self._verbose:
            self._report(desc, self, arr)

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
        """Initialise an array by this initializer whatever its name is.

        Parameters
        ----------
        desc : InitDesc or str
            The name.
        arr : array
            Gets the values.
        """
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


registry.share(Initializer, _REGISTRY)


@register
class Load:
    """Take values from a dictionary (or file) of arrays.

    Parameters
    ----------
    param : dict or str
        Arrays by name, or a parameter file; ``arg:`` and ``aux:`` in front of names are left out.
    default_init : Initializer, optional
        For parameters that are not in it.
    verbose : bool
        Accepted, without effect.

    Raises
    ------
    AssertionError
        When called for a name that it lacks without `default_init`, or an array of another shape.

    Notes
    -----
    Source: MXNet's ``mx.init.Load``.

    Examples
    --------
    >>> import symgluon as mx
    >>> init = mx.init.Load({"a_weight": mx.np.array([1.0, 2.0])}, default_init=mx.init.One())
    >>> array = mx.np.zeros(2)
    >>> init("a_weight", array)
    >>> array
    array([1., 2.])
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
        """Initialise an array by its name.

        Parameters
        ----------
        name : str
            The name.
        arr : array
            Gets the values.

        Raises
        ------
        AssertionError
            If there is no value of that name, or one of another shape.
        """
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
    """Choose an initializer by patterns of the name.

    Parameters
    ----------
    patterns : list of str
        Regular expressions that names must match from their start.
    initializers : list of Initializer or str
        One for each; the first that matches counts.

    Raises
    ------
    AssertionError
        If the lists differ in length.
    ValueError
        When called for a name that no pattern matches.

    Notes
    -----
    Source: MXNet's ``mx.init.Mixed``.

    Examples
    --------
    >>> import symgluon as mx
    >>> init = mx.init.Mixed([".*bias", ".*"], ["zeros", "ones"])
    >>> array = mx.np.zeros(2)
    >>> init("fc_weight", array)
    >>> array
    array([1., 1.])
    """

    def __init__(self, patterns: list[str], initializers: list[Any]) -> None:
        if len(patterns) != len(initializers):
            raise AssertionError(f"{len(patterns)} patterns for {len(initializers)} initializers")
        self.map = [
            (re.compile(p), create(i)) for p, i in zip(patterns, initializers, strict=True)
        ]

    def __call__(self, name: str, arr: Any) -> None:
        """Initialise an array by the first pattern that matches.

        Parameters
        ----------
        name : str
            The name.
        arr : array
            Gets the values.

        Raises
        ------
        ValueError
            If no pattern matches.
        """
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
    """Zeros; also by the name ``zeros``.

    Notes
    -----
    Source: MXNet's ``mx.init.Zero``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.Zero())
    >>> weight.initialize()
    >>> weight.data().asnumpy()
    array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, 0)


@register
@alias("ones")
class One(Initializer):
    """Ones; also by the name ``ones``.

    Notes
    -----
    Source: MXNet's ``mx.init.One``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.One())
    >>> weight.initialize()
    >>> weight.data().asnumpy()
    array([[1., 1., 1.],
           [1., 1., 1.]], dtype=float32)
    """

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, 1)


@register
class Constant(Initializer):
    """A number, or an array of the shape of the parameter.

    Parameters
    ----------
    value : float or array
        The number or array.

    Notes
    -----
    Source: MXNet's ``mx.init.Constant``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.Constant(0.5))
    >>> weight.initialize()
    >>> weight.data().asnumpy()
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]], dtype=float32)
    """

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
    """Uniform in ``[-scale, scale]``.

    Parameters
    ----------
    scale : float
        Bound.

    Notes
    -----
    Source: MXNet's ``mx.init.Uniform``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.Uniform(0.1))
    >>> weight.initialize()
    >>> bool(abs(weight.data().asnumpy()).max() <= 0.1)
    True
    """

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, generator().uniform(-self.scale, self.scale, arr.shape))


@register
class Normal(Initializer):
    """Normal with mean 0.

    Parameters
    ----------
    sigma : float
        Standard deviation.

    Notes
    -----
    Source: MXNet's ``mx.init.Normal``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.Normal(0.1))
    >>> weight.initialize()
    >>> bool(weight.data().asnumpy().std() > 0)
    True
    """

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, desc: Any, arr: Any) -> None:
        _fill(arr, generator().standard_normal(arr.shape) * self.sigma)


@register
class Orthogonal(Initializer):
    """Orthogonal rows (or columns, where there are more rows).

    Parameters
    ----------
    scale : float
        Length of the rows.
    rand_type : str
        ``uniform``, else normal: what the orthogonal basis is drawn from.

    Notes
    -----
    Source: MXNet's ``mx.init.Orthogonal``; arXiv:1312.6120.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.Orthogonal(scale=1))
    >>> weight.initialize()
    >>> w = weight.data().asnumpy()
    >>> abs(w @ w.T).round(3)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

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
    """Scale by the numbers of inputs and outputs.

    Parameters
    ----------
    rnd_type : str
        ``uniform`` in ``[-s, s]``, or ``gaussian`` with standard deviation ``s``.
    factor_type : str
        ``in``, ``out`` or ``avg``: which of the numbers, or their mean, is the divisor.
    magnitude : float
        ``s = sqrt(magnitude / divisor)``.

    Raises
    ------
    ValueError
        When called for a vector, or with another type.

    Notes
    -----
    Source: MXNet's ``mx.init.Xavier``; Glorot and Bengio, 2010.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.Xavier(factor_type="in"))
    >>> weight.initialize()
    >>> bool(abs(weight.data().asnumpy()).max() <= 1)
    True
    """

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
    """Normal, scaled for rectifiers of a given slope.

    Parameters
    ----------
    factor_type : str
        As of `Xavier`.
    slope : float
        Slope of the negative part.

    Notes
    -----
    Source: MXNet's ``mx.init.MSRAPrelu``; arXiv:1502.01852.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(2, 3), init=mx.init.MSRAPrelu())
    >>> weight.initialize()
    >>> weight.init
    MSRAPrelu(factor_type='avg', slope=0.25)
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        magnitude = 2.0 / (1 + slope**2)
        super().__init__("gaussian", factor_type, magnitude)
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """Weights of bilinear upsampling, for a transposed convolution (C, 1, H, W).

    Notes
    -----
    Source: MXNet's ``mx.init.Bilinear``.

    Examples
    --------
    >>> import symgluon as mx
    >>> weight = mx.gluon.Parameter(shape=(1, 1, 4, 4), init=mx.init.Bilinear())
    >>> weight.initialize()
    >>> weight.data().asnumpy()[0, 0, :2]
    array([[0.0625, 0.1875, 0.1875, 0.0625],
           [0.1875, 0.5625, 0.5625, 0.1875]], dtype=float32)
    """

    def _init_weight(self, desc: Any, arr: Any) -> None:
        shape = arr.shape
        factor = np.ceil(shape[3] / 2.0)
        centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
        y, x = np.meshgrid(np.arange(shape[2]), np.arange(shape[3]), indexing="ij")
        plane = (1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre))
        _fill(arr, np.broadcast_to(plane, shape))


@register
class LSTMBias(Initializer):
    """Zeros, with a number for the forget gate.

    Parameters
    ----------
    forget_bias : float
        The number.

    Notes
    -----
    Source: MXNet's ``mx.init.LSTMBias``.

    Examples
    --------
    >>> import symgluon as mx
    >>> bias = mx.gluon.Parameter(shape=(8,), init=mx.init.LSTMBias(1.0))
    >>> bias.initialize()
    >>> bias.data().asnumpy()
    array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)
    """

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
    num_layers, state_size : int
        Of the layer.
    bidirectional : bool
        Of the layer.
    projection_size : int, optional
        Of the layer.
    i2h_weight_initializer, h2h_weight_initializer : Initializer or str, optional
        Of the weights; default: what `set_initializer` was given.
    h2r_weight_initializer : Initializer or str, optional
        Of the projection; default: what `set_initializer` was given.
    i2h_bias_initializer, h2h_bias_initializer : Initializer or str, optional
        Of the biases; default: zeros.

    Notes
    -----
    Source: MXNet's ``mx.init.RNNFused``.

    Examples
    --------
    >>> import symgluon as mx
    >>> init = mx.init.RNNFused("gru", 1, 1, False, None, "ones", "zeros")
    >>> vector = mx.gluon.Parameter(shape=(15,), init=init)  # 3 gates: 2 inputs, 1 state, 2 biases
    >>> vector.initialize()
    >>> vector.data().asnumpy()
    array([1., 1., 1., 1., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0.],
          dtype=float32)
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
        """Set `init`, by which weights without an initializer of their own are initialised."""
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
