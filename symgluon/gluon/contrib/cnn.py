"""``gluon.contrib.cnn`` of MXNet 1.x: convolutions that 2.0 has in `gluon.nn`."""

from symgluon.gluon.nn import DeformableConvolution, ModulatedDeformableConvolution

__all__ = ["DeformableConvolution", "ModulatedDeformableConvolution"]
