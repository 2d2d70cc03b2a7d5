"""``import mxnet`` for code that cannot be changed: :func:`install` lets it mean symgluon."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from symgluon.gluon.naming import set_dialect
from symgluon.util import set_np, set_np_array, set_np_shape

__all__ = ["install", "uninstall"]

#: what ``mxnet.__version__`` says, by the release whose defaults are installed
_VERSIONS = {"1": "1.9.1", "2": "2.0.0"}


#: modules that `import mxnet` loads, and that code written for it uses without importing them
_ALSO_IMPORTED = ("multiprocessing.pool",)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``mxnet.x.y`` as ``symgluon.x.y``: the same module under a second name."""

    def __init__(self, version: str) -> None:
        self.version = version

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a spec for mxnet and its submodules, None for anything else."""
        if fullname != "mxnet" and not fullname.startswith("mxnet."):
            return None
        if fullname != "mxnet" and _ours(fullname) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Return the facade for mxnet itself; submodules are made by `exec_module`."""
        return _Facade("mxnet", self.version) if spec.name == "mxnet" else None

    def exec_module(self, module: ModuleType) -> None:
        """Put our module under the name that was asked for."""
        name = module.__spec__.name if module.__spec__ is not None else module.__name__
        if name == "mxnet":
            return
        ours = _ours(name)
        if ours is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.modules[name] = ours


class _Facade(ModuleType):
    """``mxnet``: symgluon with MXNet's version."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(name, importlib.import_module("symgluon").__doc__)
        self.__version__ = version
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("symgluon"), name)

    def __dir__(self) -> list[str]:
        return dir(importlib.import_module("symgluon"))


def _ours(name: str) -> ModuleType | None:
    """Our module for ``mxnet.x.y``: an attribute of the package, or a submodule; None without."""
    found: Any = importlib.import_module("symgluon")
    for part in name.split(".")[1:]:
        inner = getattr(found, part, None)
        if not isinstance(inner, ModuleType):
            try:
                inner = importlib.import_module(f"{found.__name__}.{part}")
            except ModuleNotFoundError:
                return None
        found = inner
    return found  # type: ignore[no-any-return]


def install(release: str = "1") -> None:
    """Let ``import mxnet``, and imports of its submodules, mean symgluon.

    Parameters
    ----------
    release : str
        ``"1"``: the defaults of MXNet 1.x in this thread (Gluon gives `mx.nd` arrays, shapes of
        1.x), version 1.9.1; blocks made from now on have its names (prefixes).  ``"2"``: those of
        MXNet 2.0.

    Raises
    ------
    ValueError
        For another release.
    RuntimeError
        If real MXNet is imported already.

    Examples
    --------
    >>> from symgluon import compat
    >>> compat.install()
    >>> import mxnet as mx
    >>> from mxnet.gluon import nn
    >>> mx.__version__, type(mx.nd.ones((2,))).__name__
    ('1.9.1', 'NDArray')
    >>> compat.uninstall()
    """
    version = _VERSIONS.get(str(release))
    if version is None:
        raise ValueError(f"release is '1' or '2', received {release!r}")
    known = sys.modules.get("mxnet")
    if known is not None and not isinstance(known, _Facade):
        raise RuntimeError(
            "mxnet is imported already, and it is not symgluon: call compat.install() before"
        )
    uninstall()
    for name in _ALSO_IMPORTED:
        importlib.import_module(name)
    sys.meta_path.insert(0, _Finder(version))
    set_dialect(version[0])
    if version.startswith("1"):
        set_np_array(False)
        set_np_shape(False)
    else:
        set_np()


def uninstall() -> None:
    """Undo `install`: names imported before stay, the defaults are those of MXNet 2.0 again."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _Finder)]
    for name in [n for n in sys.modules if n == "mxnet" or n.startswith("mxnet.")]:
        del sys.modules[name]
    set_dialect("2")
    set_np()
