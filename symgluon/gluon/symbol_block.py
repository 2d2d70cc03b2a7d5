"""`SymbolBlock`: a block made from a symbol, such as a file that MXNet exported."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgluon import dtypes
from symgluon.errors import DeferredInitializationError, FormatError
from symgluon.formats.params import load_params
from symgluon.formats.symbol_json import (
    SymbolProgram,
    stated_dtype,
    stated_shape,
    strip_prefixes,
)
from symgluon.gluon.hybrid import HybridBlock
from symgluon.gluon.naming import Scope
from symgluon.gluon.parameter import Parameter
from symgluon.gluon.parameter_dict import ParameterDict
from symgluon.gluon.serialization import ParameterFileError
from symgluon.ir.dims import DimScope
from symgluon.ir.types import TensorType
from symgluon.ops.array import Array, wrap
from symgluon.ops.region import Region


class SymbolBlock(HybridBlock):
    """Block that runs a symbol, such as a file that MXNet exported.

    Its parameters are the variables of the symbol that are not inputs, under their own names.

    Parameters
    ----------
    outputs : Symbol, list of Symbol, or SymbolProgram
        What is computed.
    inputs : Symbol or str, or a list of those
        Variables that are inputs, in call order.
    params : dict of str to array or Parameter, or ParameterDict, optional
        Values of parameters; a `Parameter` is shared.  Names that the symbol does not have are left
        out, so the parameters of a whole net do for a part of it.

    Raises
    ------
    ValueError
        If the symbol has no such variable.
    TypeError
        If `outputs` is no symbol.

    Notes
    -----
    Source: seed ``gluon.SymbolBlock``.

    Examples
    --------
    >>> import symgluon as mx
    >>> net = mx.gluon.nn.Dense(2, in_units=2)
    >>> net.initialize(init="ones")
    >>> net.hybridize()
    >>> _ = net(mx.np.ones((1, 2)))
    >>> symbol, params = net.export("dense")
    >>> back = mx.gluon.SymbolBlock.imports(symbol, ["data"], params)
    >>> back
    SymbolBlock(
      dense-symbol.json : 4 nodes, 2 parameters, inputs data
    )
    >>> back(mx.np.array([[1.0, 2.0]]))
    array([[3., 3.]])
    """

    _program: SymbolProgram
    _keys: dict[str, str]  # variable -> name of its parameter in the block

    def __init__(self, outputs: Any, inputs: Any, params: dict[str, Any] | None = None) -> None:
        super().__init__()
        program = outputs if isinstance(outputs, SymbolProgram) else _program_of(outputs)
        single = isinstance(inputs, str) or (hasattr(inputs, "records") and len(inputs) == 1)
        names = [_name_of(i) for i in ([inputs] if single else inputs)]
        shared = params if self._scope is not None and isinstance(params, ParameterDict) else None
        if self._scope is not None:
            scope = Scope("", ParameterDict("", shared), silent=False)
            object.__setattr__(self, "_scope", scope)
        self._build(program, names)
        if shared is None:
            self._take(params or {})

    def _take(self, params: Mapping[str, Any]) -> None:
        """Take values of parameters, or parameters themselves, by the names of variables."""
        if not isinstance(params, Mapping):
            raise TypeError(
                "params of a SymbolBlock is a ParameterDict, such as net.collect_params(), or a "
                f"dictionary of arrays or Parameters by name; received {type(params).__name__}"
            )
        for key, value in params.items():
            name = key[4:] if key.startswith(("arg:", "aux:")) else key
            if name not in self._keys:
                continue
            if isinstance(value, Parameter):
                self._reg_params[self._keys[name]] = value
                if self._scope is not None:
                    self._scope.params[name] = value
                continue
            own = self._reg_params[self._keys[name]]
            numbers = value.numpy_content() if isinstance(value, Array) else np.asarray(value)
            own.dtype = numbers.dtype
            own._load(numbers, None, name)

    @property
    def _variables(self) -> dict[str, Parameter]:
        """Parameters by the names of their variables."""
        return {variable: self._reg_params[key] for variable, key in self._keys.items()}

    def _build(self, program: SymbolProgram, names: Sequence[str]) -> None:
        variables = program.variables
        unknown = [n for n in names if n not in variables]
        dead = {n.name for n in program.records.nodes if n.op == "null"}
        missing = [n for n in unknown if n not in dead]
        if missing:
            raise ValueError(
                f"{program.where or 'the symbol'} has no variable {', '.join(map(repr, missing))}; "
                f"its variables are {', '.join(variables[:20])}"
            )
        set_ = object.__setattr__
        set_(self, "_program", program)
        set_(self, "_input_names", list(names))
        left_out = {*names, *program.labels}
        own = [v for v in variables if v not in left_out]
        strip = 0
        if self._scope is not None:  # 1.x: states last; what all names begin with is left out
            own.sort(key=program.auxiliary.__contains__)
            strip = len(os.path.commonprefix(own))  # noqa: RUF071
        set_(self, "_keys", {variable: variable[strip:] for variable in own})
        for variable in own:
            self._reg_params[self._keys[variable]] = self._parameter_of(variable)

    def _parameter_of(self, variable: str) -> Parameter:
        """Make the parameter of a variable, or find it among those that are shared (1.x)."""
        node = self._program.record(variable)
        shape = stated_shape(node)
        if shape is not None:
            shape = tuple(n if n > 0 else -1 for n in shape)  # 0 is unknown in 1.x files
        auxiliary = variable in self._program.auxiliary
        stated: dict[str, Any] = {
            "shape": shape,
            "dtype": stated_dtype(node) or "float32",
            "allow_deferred_init": True,
            "grad_req": "null" if auxiliary else "write",
        }
        if self._scope is None:
            return Parameter(variable, **stated)
        params = self._scope.params
        return params._find(variable) or params.get(variable, **stated)

    @staticmethod
    def imports(
        symbol_file: str,
        input_names: str | Sequence[str],
        param_file: str | None = None,
        device: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        ctx: Any = None,
    ) -> SymbolBlock:
        """Open a model that MXNet 1.x or 2.x exported, or that :meth:`export` wrote.

        Parameters
        ----------
        symbol_file, param_file : str
            ``NAME-symbol.json`` and ``NAME-0000.params``; without parameters call `initialize`.
        input_names : str or list of str
            Variables of the symbol that are inputs, in call order.
        device : Device or list of Device, optional
            Where the parameters go.
        allow_missing, ignore_extra : bool
            Accept variables that the parameter file lacks, and names the symbol lacks.
        ctx : Device or list of Device, optional
            Old name of `device`.

        Returns
        -------
        SymbolBlock
            The model.

        Raises
        ------
        FormatError
            If a file is damaged.
        AssertionError
            If the parameter file lacks variables, or holds others.
        UnsupportedOpError
            Naming every operator of the model that is not supported.
        """
        names = [input_names] if isinstance(input_names, str) else list(input_names)
        block = SymbolBlock(SymbolProgram.load(symbol_file), names)
        if param_file is not None:
            block._load_file(param_file, ctx if device is None else device, allow_missing,
                             ignore_extra)  # fmt: skip
        return block

    @staticmethod
    def inputs_of(symbol_file: str, param_file: str) -> dict[str, tuple[int, ...] | None]:
        """Variables that the parameter file does not hold, with the shapes the symbol states.

        Parameters
        ----------
        symbol_file, param_file : str
            ``NAME-symbol.json`` and ``NAME-0000.params``.

        Returns
        -------
        dict of str to tuple of int or None
            None where the symbol states no full shape.

        Raises
        ------
        FormatError
            If a file is damaged.
        """
        program = SymbolProgram.load(symbol_file)
        known = set(strip_prefixes(_named(param_file)).values())
        shapes: dict[str, tuple[int, ...] | None] = {}
        for variable in program.variables:
            if variable not in known:
                shape = stated_shape(program.record(variable))
                full = shape if shape and all(n > 0 for n in shape) else None
                shapes[variable] = full
        return shapes

    def _load_file(self, path: str, device: Any, allow_missing: bool, ignore_extra: bool) -> None:
        arrays = _named(path)
        plain = {new: arrays[old] for old, new in strip_prefixes(arrays).items()}
        own = self._variables
        missing = [n for n in own if n not in plain]
        if missing and not allow_missing:
            raise ParameterFileError(
                f"{path} lacks parameters of {self._program.where}: {', '.join(missing[:8])}",
                hint="name them as inputs if they are, or pass allow_missing=True",
            )
        known = set(self._program.variables)
        known |= {n.name for n in self._program.records.nodes if n.op == "null"}
        extra = [n for n in plain if n not in known]
        if extra and not ignore_extra:
            raise ParameterFileError(
                f"{path} holds parameters that {self._program.where} does not have: "
                f"{', '.join(extra[:8])}",
                hint="check that the two files belong together, or pass ignore_extra=True",
            )
        for name, parameter in own.items():
            if name in plain:
                parameter.dtype = plain[name].dtype
                parameter._load(plain[name], device, name)

    # ---- calling ---------------------------------------------------------------------------
    def forward(self, x: Any, *args: Any) -> Any:
        """Run the symbol.

        Parameters
        ----------
        x : array
            First input.
        *args : array
            Further inputs.

        Returns
        -------
        array or list of array
            A list where the symbol has several outputs.

        Raises
        ------
        ValueError
            For another number of inputs.
        """
        given = (x, *args)
        if len(given) != len(self._input_names or ()):
            raise ValueError(
                f"the symbol has inputs {', '.join(self._input_names or ())}; received "
                f"{len(given)} arrays"
            )
        values: dict[str, Any] = dict.fromkeys(self._program.labels)
        values.update({n: p.data() for n, p in self._variables.items()})
        values.update(zip(self._input_names or (), given, strict=True))
        outs = [_as(r, type(x)) for r in self._program.run(values)]
        return outs[0] if len(outs) == 1 else outs

    def infer_shape(self, *args: Any) -> None:
        """Find the shapes of parameters from those of the inputs, through the operators.

        Parameters
        ----------
        *args : array
            Inputs of the call.

        Raises
        ------
        DeferredInitializationError
            If a shape cannot be found so.
        """
        if all(p._shape_known for p in self._reg_params.values()):
            return
        scope = DimScope()
        region = Region("infer_shape", scope)
        with region.active():
            values: dict[str, Any] = dict.fromkeys(self._program.labels)
            for name, parameter in self._variables.items():
                values[name] = region.argument(name, _type_of(parameter))
            for name, arg in zip(self._input_names or (), args, strict=True):
                values[name] = region.argument(name, arg.type)
            self._program.run(values)
        unknown = []
        for name, parameter in self._variables.items():
            found = values[name]._data.type
            if found.shape is None or not found.is_known:
                unknown.append(name)
            else:
                parameter.shape = tuple(int(n) for n in found.shape)
        if unknown:
            raise DeferredInitializationError(
                f"the shapes of {', '.join(unknown)} cannot be found from the inputs",
                hint="load parameters, or set the shapes: block.params['NAME'].shape = (...)",
            )

    def _symbol_records(self, exported: Any, names: Sequence[str]) -> Any:
        """The symbol itself: it is written as it was read."""
        return self._program.records

    def cast(self, dtype: Any) -> None:
        """Cast the parameters to `dtype`, statistics of batch normalisation included."""
        super().cast(dtype)

    def __repr__(self) -> str:
        count = len(self._program.live)
        inputs = ", ".join(self._input_names or ())
        return (
            f"SymbolBlock(\n  {self._program.where or 'symbol'} : {count} nodes, "
            f"{len(self._reg_params)} parameters, inputs {inputs}\n)"
        )


def _named(path: str) -> dict[str, np.ndarray]:
    arrays = load_params(path)
    if isinstance(arrays, list):
        if arrays:
            raise FormatError(
                f"{len(arrays)} arrays without names: not the parameters of a symbol", path=path
            )
        return {}
    return arrays


def _type_of(parameter: Parameter) -> TensorType:
    dtype = dtypes.resolve(parameter.dtype)
    shape = parameter.shape
    if shape is None:
        return TensorType(None, dtype)
    return TensorType([None if n in (-1, 0) else n for n in shape], dtype)


def _as(handle: Array, cls: type[Array]) -> Array:
    if type(handle) is cls:
        return handle
    if handle._owner is not None or handle._base is not None:
        return wrap(handle._content(), cls)
    handle.__class__ = cls
    return handle


def _program_of(outputs: Any) -> SymbolProgram:
    if isinstance(outputs, list | tuple) and outputs:
        from symgluon.symbol.functions import Group

        outputs = Group(outputs)
    records = getattr(outputs, "records", None)
    if records is None:
        raise TypeError(
            f"SymbolBlock expects a symbol, received {type(outputs).__name__}; files are opened "
            "with SymbolBlock.imports(symbol_file, input_names, param_file)"
        )
    return SymbolProgram(records)


def _name_of(item: Any) -> str:
    if hasattr(item, "list_inputs") and item.list_inputs() != [item.name]:
        raise ValueError(
            f"inputs of a SymbolBlock are variables, but {item!r} is the output of an operator; give "
            'mx.sym.var(name) that it is computed from, or cut the net at get_internals()["NAME"]'
        )
    return item if isinstance(item, str) else os.fspath(getattr(item, "name", str(item)))
