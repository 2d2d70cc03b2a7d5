"""Image classifiers."""

from __future__ import annotations

from typing import Any

from symgluon.gluon.model_zoo.vision.mobilenet import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.resnet import *  # noqa: F403


def get_model(name: str, **kwargs: Any) -> Any:
    """Return a model by name: ``resnet18_v1``, ``mobilenetv2_1.0``, ...

    Raises
    ------
    ValueError
        For an unknown name; the known ones are listed.
    """
    wanted = name.lower().replace(".", "_").replace("mobilenetv2", "mobilenet_v2")
    makers = {k: v for k, v in globals().items() if k.startswith(("resnet", "mobilenet"))
              and callable(v)}  # fmt: skip
    if wanted not in makers:
        known = "\n\t".join(sorted(makers))
        raise ValueError(f"Model {name} is not supported. Available options are\n\t{known}")
    return makers[wanted](**kwargs)
