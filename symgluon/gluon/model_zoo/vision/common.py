"""What the models share."""

from __future__ import annotations

from symgluon.errors import SymgluonError


def pretrained_error(name: str) -> SymgluonError:
    """Return the error for pretrained weights, which are not hosted any more."""
    return SymgluonError(
        f"there are no pretrained weights of {name} to download: MXNet's model store is closed",
        hint="make the model without pretrained=True and load_parameters() a file you have",
    )
