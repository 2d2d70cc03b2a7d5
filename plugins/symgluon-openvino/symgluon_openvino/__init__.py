"""OpenVINO as a backend of symgluon: ``net.optimize_for(x, backend="openvino")``."""

from symgluon_openvino.backend import OpenVinoBackend, OpenVinoExecutable

__all__ = ["OpenVinoBackend", "OpenVinoExecutable"]
__version__ = "0.1.0"
