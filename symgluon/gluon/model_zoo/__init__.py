"""Models whose layers are known."""

from symgluon.gluon.model_zoo import model_store, vision

__all__ = ["model_store", "vision"]
