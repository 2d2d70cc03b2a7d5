"""Image classifiers, with the names, layers and parameters of MXNet's (MXNet's ``model_zoo.vision``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgluon.errors import AttributeValueError
from symgluon.gluon.model_zoo.vision.alexnet import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.densenet import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.inception import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.mobilenet import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.resnet import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.squeezenet import *  # noqa: F403
from symgluon.gluon.model_zoo.vision.vgg import *  # noqa: F403


def _names() -> dict[str, str]:
    """Name of each model for `get_model` -> name of its function."""
    found = {"alexnet": "alexnet", "inceptionv3": "inception_v3"}
    found |= {f"densenet{n}": f"densenet{n}" for n in (121, 161, 169, 201)}
    found |= {f"vgg{n}{t}": f"vgg{n}{t}" for n in (11, 13, 16, 19) for t in ("", "_bn")}
    found |= {f"squeezenet1.{n}": f"squeezenet1_{n}" for n in (0, 1)}
    found |= {f"resnet{n}_v{v}": f"resnet{n}_v{v}" for n in (18, 34, 50, 101, 152) for v in (1, 2)}
    for size in ("1.0", "0.75", "0.5", "0.25"):
        text = size.replace(".", "_")
        found[f"mobilenet{size}"] = f"mobilenet{text}"
        found[f"mobilenetv2_{size}"] = f"mobilenet_v2_{text}"
    return found


def get_model(name: str, **kwargs: Any) -> Any:
    """Return a model by name: ``resnet18_v1``, ``mobilenetv2_1.0``, ...

    Parameters
    ----------
    name : str
        The name, of any case.
    **kwargs : object
        ``classes``, ``pretrained``, ``device``, ``root``, and what the model takes.

    Returns
    -------
    HybridBlock
        The model.

    Raises
    ------
    AttributeValueError
        For an unknown name; the known ones are listed.

    Examples
    --------
    >>> import symgluon as mx
    >>> net = mx.gluon.model_zoo.vision.get_model("squeezenet1.1", classes=10)
    >>> type(net).__name__, len(net.collect_params())
    ('SqueezeNet', 52)
    """
    names = _names()
    wanted = name.lower()
    by_function = {v: v for v in names.values()}
    function = names.get(wanted) or by_function.get(wanted)
    if function is None:
        known = "\n\t".join(sorted(names))
        raise AttributeValueError(
            f"Model {name} is not supported. Available options are\n\t{known}"
        )
    make: Callable[..., Any] = globals()[function]
    return make(**kwargs)
