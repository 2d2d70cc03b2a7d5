"""Models whose layers are known."""

from symgluon.gluon.model_zoo import vision

__all__ = ["vision"]
