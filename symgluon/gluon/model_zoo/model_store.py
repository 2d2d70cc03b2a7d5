"""Files of pretrained weights (MXNet's ``model_zoo.model_store``).

MXNet's store is closed, so nothing is downloaded: files that are there already are found.
"""

from __future__ import annotations

import glob
import os

from symgluon.errors import SymgluonError

__all__ = ["get_model_file", "purge"]

#: MXNet's check sums of pretrained weights: the store is closed, so there are none
_model_sha1: dict[str, str] = {}
_ROOT = os.path.join("~", ".mxnet", "models")


def get_model_file(name: str, root: str = _ROOT) -> str:
    """Return the path of the weights of a model: ``name.params`` or ``name-HASH.params``.

    Parameters
    ----------
    name : str
        The model.
    root : str
        Folder in which to look.

    Returns
    -------
    str
        Path of the file.

    Raises
    ------
    MXNetError
        If there is no such file.
    """
    folder = os.path.expanduser(root)
    plain = os.path.join(folder, f"{name}.params")
    found = [plain] if os.path.exists(plain) else []
    pattern = os.path.join(glob.escape(folder), f"{glob.escape(name)}-{'[0-9a-f]' * 8}.params")
    found += sorted(glob.glob(pattern))
    if not found:
        raise SymgluonError(
            f"there are no pretrained weights of {name} in {folder}, and MXNet's model store, from "
            "which they were downloaded, is closed",
            hint=f"put a file you have at {plain}, or make the model without pretrained=True and "
            "call load_parameters(path)",
        )
    return found[0]


def purge(root: str = _ROOT) -> None:
    """Remove all parameter files in the folder `root` of pretrained weights."""
    folder = os.path.expanduser(root)
    for path in glob.glob(os.path.join(glob.escape(folder), "*.params")):
        os.remove(path)
