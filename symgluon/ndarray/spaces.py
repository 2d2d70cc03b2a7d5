"""Sub-namespaces of `mx.nd`: operators whose names carry a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from symgluon.errors import UnsupportedOpError
from symgluon.ndarray import updates
from symgluon.ndarray.front import function
from symgluon.ndarray.ndarray import NDArray
from symgluon.ops.mx import table

#: the dictionary of a module itself
_made = vars(ModuleType)["__dict__"].__get__


class Space(ModuleType):
    """A namespace of the operators whose names begin with one of some prefixes.

    Parameters
    ----------
    name : str
        Name of the namespace.
    *prefixes : str
        The first that has an operator of the asked name counts.
    make : callable, optional
        Name of an operator and public name to the function; that of `nd` if left out.
    **own : object
        Further attributes.
    """

    def __init__(
        self,
        name: str,
        *prefixes: str,
        make: Callable[[str, str], Callable[..., Any]] | None = None,
        **own: Any,
    ) -> None:
        super().__init__(name)
        for key, value in own.items():
            setattr(self, key, value)
        self._prefixes = prefixes
        self._make = make or _array_function

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        for prefix in self._prefixes:
            if prefix + name in table():
                found = self._make(prefix + name, name)
                setattr(self, name, found)
                return found
        raise AttributeError(f"{self.__name__} has no operator {name!r}")

    def __dir__(self) -> list[str]:
        names = [n[len(p) :] for p in self._prefixes for n in table() if n.startswith(p)]
        return sorted({*_made(self), *names})

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        """All names: programs ask ``"box_decode" in F.contrib.__dict__``."""
        return _Contents(self)


class _Contents(Mapping[str, Any]):
    """What a namespace holds; functions are made when they are asked for."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._space, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(dir(self._space))

    def __len__(self) -> int:
        return len(dir(self._space))


def _array_function(op: str, public: str) -> Callable[..., Any]:
    return function(op, NDArray, public)


def _control(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        from symgluon.ops import control_flow

        return getattr(control_flow, name)(*args, **kwargs)

    call.__name__ = name
    return call


def _sparse(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise UnsupportedOpError(
            f"nd.sparse.{name}: sparse arrays are not supported", hint="use dense arrays"
        )

    return refuse


contrib = Space(
    "nd.contrib", "_contrib_",
    **{n: _control(n) for n in ("foreach", "while_loop", "cond")},
    **{n: getattr(updates, n) for n in updates.__all__},
)  # fmt: skip
linalg = Space("nd.linalg", "_linalg_", "linalg_")
image = Space("nd.image", "_image_")
op = Space("nd.op", "")
_internal = Space("nd._internal", "")
sparse = Space(
    "nd.sparse", "_sparse_",
    **{n: _sparse(n) for n in ("csr_matrix", "row_sparse_array", "array", "zeros", "empty")},
)  # fmt: skip


class CSRNDArray(NDArray):
    """Class of sparse arrays in MXNet; nothing is an instance of it here.

    Parameters
    ----------
    data : object
        Never given.
    """


class RowSparseNDArray(NDArray):
    """Class of sparse arrays in MXNet; nothing is an instance of it here.

    Parameters
    ----------
    data : object
        Never given.
    """


class BaseSparseNDArray(NDArray):
    """Class of sparse arrays in MXNet; nothing is an instance of it here.

    Parameters
    ----------
    data : object
        Never given.
    """


for _cls in (CSRNDArray, RowSparseNDArray, BaseSparseNDArray):
    setattr(sparse, _cls.__name__, _cls)


def __getattr__(name: str) -> Any:
    if name == "random":
        import importlib

        return importlib.import_module("symgluon.random")
    raise AttributeError(f"module 'symgluon.ndarray.spaces' has no attribute {name!r}")
