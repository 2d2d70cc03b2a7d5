"""`mx.sym.np`: symbols with NumPy's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from symgluon.ndarray.spaces import Space
from symgluon.ops.mx import table
from symgluon.ops.mx_schema import signature
from symgluon.symbol.arithmetic import NUMPY, compute
from symgluon.symbol.compose import function, make
from symgluon.symbol.symbol import Symbol


class _Symbol(Symbol):
    """A symbol whose arithmetic is NumPy's: operands broadcast, comparisons give booleans.

    Parameters
    ----------
    outputs : list of (Node, int)
        Nodes and numbers of their outputs.
    """

    _numpy = True

    def __getattr__(self, name: str) -> Any:
        """Methods are functions of ``mx.sym.np``: ``x.sum(axis=1)``."""
        if not name.startswith("_"):
            found = _find(name)
            if found is not None:
                return found.__get__(self)
        return super().__getattr__(name)

    def __getitem__(self, index: Any) -> Any:
        """Choose an output by name, or part of the array by numbers and slices."""
        if isinstance(index, str) or len(self) > 1:
            return super().__getitem__(index)
        return _index(self, index if isinstance(index, tuple) else (index,))

    @property
    def T(self) -> Any:
        """The transpose."""
        return self.transpose()

    def transpose(self, *axes: Any) -> Any:
        """Permute the axes.

        Parameters
        ----------
        *axes : int, or tuple of int
            New order; reversed if left out.

        Returns
        -------
        Symbol
            The transposed.
        """
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes or None
        return make("_npi_transpose", [self], {"axes": order}, hint="transpose")

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Give another shape.

        Parameters
        ----------
        *shape : int, or tuple of int
            The shape; -1 is what remains.
        **kwargs : object
            ``order``.

        Returns
        -------
        Symbol
            The reshaped.
        """
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        attrs = {"newshape": tuple(new), "order": kwargs.get("order", "C")}
        return make("_np_reshape", [self], attrs, hint="reshape")

    def flatten(self) -> Any:
        """Return one axis.

        Returns
        -------
        Symbol
            Of rank 1.
        """
        return self.reshape(-1)


def _index(x: Any, index: tuple[Any, ...]) -> Any:
    """Slice, then drop the axes that numbers chose."""
    if not all(isinstance(i, int | slice) for i in index):
        raise IndexError(f"symbols are indexed by numbers and slices, not {index!r}")
    begin = [i if isinstance(i, int) else i.start for i in index]
    end = [(i + 1 or None) if isinstance(i, int) else i.stop for i in index]
    step = [None if isinstance(i, int) else i.step for i in index]
    found = make("slice", [x], {"begin": tuple(begin), "end": tuple(end), "step": tuple(step)})
    if not any(isinstance(i, int) for i in index):
        return found
    codes = [-3 if isinstance(i, int) else -2 for i in index]
    return make("_npx_reshape", [found], {"newshape": (*codes, -4)}, hint="reshape")


def _as_numpy(op: str, public: str) -> Callable[..., Any]:
    return function(op, public, _Symbol)


def _find(name: str, *prefixes: str) -> Callable[..., Any] | None:
    """Function of the operator `name`; files have 2.0's name of it, where there are several."""
    names = [p + name for p in prefixes or ("_npi_", "_np_", "_npx_") if p + name in table()]
    known = [n for n in names if (found := signature(n)) is not None and "2" in found.releases]
    chosen = known or names
    return _as_numpy(chosen[0], name) if chosen else None


class _Space(Space):
    """A namespace of functions on symbols with NumPy's rules."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = None if name.startswith("__") else _find(name, *self._prefixes)
        if found is None:
            raise AttributeError(f"{self.__name__} has no operator {name!r}")
        setattr(self, name, found)
        return found


def _concatenate(seq: Sequence[Any], axis: int | None = 0, **kwargs: Any) -> Any:
    """Join symbols along an axis; None flattens them first."""
    return make("_npi_concatenate", list(seq), {"dim": axis}, own_name=kwargs.get("name"),
                hint="concatenate", cls=_Symbol)  # fmt: skip


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def both(x1: Any, x2: Any) -> Any:
        found = compute(name, x1, x2, numpy=True)
        if found is NotImplemented:
            raise TypeError(f"sym.np.{name}: give symbols and numbers")
        return found

    both.__name__ = name
    return both


def _where(condition: Any, x: Any, y: Any) -> Any:
    """Choose elements of `x` where the condition holds, else of `y`; each symbol or number."""
    left, right = isinstance(x, Symbol), isinstance(y, Symbol)
    if left and right:
        return make("_npi_where", [condition, x, y], hint="where")
    if left or right:
        op = "_npi_where_rscalar" if left else "_npi_where_lscalar"
        attrs = {"scalar": float(y if left else x)}
        return make(op, [condition, x if left else y], attrs, hint=op[5:])
    return make("_npi_where_scalar2", [condition], {"x": float(x), "y": float(y)}, hint="where")


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into equal parts, or at indices."""
    from symgluon.symbol.functions import split_v2

    found = split_v2(ary, indices_or_sections, axis)
    return [_Symbol([entry]) for entry in found._outputs]


def _created(op: str, public: str) -> Callable[..., Any]:
    def create(shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        dims: Sequence[int] = (shape,) if isinstance(shape, int) else tuple(shape)
        attrs = {"shape": dims, "dtype": dtype or "float32"}
        return make(op, [], attrs, own_name=kwargs.get("name"), hint=public, cls=_Symbol)

    create.__name__ = public
    return create


_space = _Space(
    "sym.np", "_npi_", "_np_", concatenate=_concatenate, where=_where, split=_split,
    zeros=_created("_npi_zeros", "zeros"), ones=_created("_npi_ones", "ones"),
    linalg=_Space("sym.np.linalg", "_npi_", "_np_linalg_"),
    random=_Space("sym.np.random", "_npi_"),
    **{name: _binary(name) for name in NUMPY},
    true_divide=_binary("divide"), mod=_binary("modulo"),
)  # fmt: skip


def __getattr__(name: str) -> Any:
    return getattr(_space, name)
