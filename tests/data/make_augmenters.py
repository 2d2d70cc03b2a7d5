"""Record what MXNet 1.9.1's augmenters make of an image: ``python make_augmenters.py augmenters.json``.

Each gets a copy: MXNet's change the image that they are given.
"""

import json
import random
import sys

import mxnet as mx
import numpy as np

CODES = [
    "BrightnessJitterAug(.3)",
    "ContrastJitterAug(.3)",
    "SaturationJitterAug(.3)",
    "HueJitterAug(.3)",
    "ColorJitterAug(.3,.2,.1)",
    "LightingAug(.3,np.array([55.46,4.794,1.148]),np.array([[-0.5675,0.7192,0.4009],"
    "[-0.5808,-0.0045,-0.8140],[-0.5836,-0.6948,0.4203]]))",
    "RandomGrayAug(.9)",
    "ColorNormalizeAug(mx.nd.array([1,2,3]),mx.nd.array([2,2,2]))",
    "CastAug()",
    "HorizontalFlipAug(.9)",
    "RandomCropAug((3,2))",
    "RandomSizedCropAug((3,3),(.3,.8),(.7,1.4),1)",
    "ResizeAug(4,1)",
    "ForceResizeAug((4,3),1)",
    "ForceResizeAug((9,8),2)",
    "ForceResizeAug((3,2),3)",
    "CenterCropAug((3,2))",
    "RandomOrderAug([mx.image.HorizontalFlipAug(1),mx.image.CastAug()])",
    "SequentialAug([mx.image.CenterCropAug((3,3)),mx.image.CastAug()])",
]
GEOMETRY = ("Crop", "Resize", "Flip")


def main():
    image = np.random.RandomState(0).randint(0, 255, (5, 7, 3))
    found = []
    for code in CODES:
        whole = any(word in code for word in GEOMETRY)
        source = mx.nd.array(image, dtype="uint8" if whole else "float32")
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        augment = eval("mx.image." + code)
        result = augment(source).asnumpy()
        dumps = augment.dumps()
        found.append({"code": code, "result": result.astype("float64").round(3).tolist(),
                      "dtype": str(result.dtype), "dumps": dumps})  # fmt: skip
    with open(sys.argv[1], "w") as file:
        json.dump({"image": image.tolist(), "augmenters": found}, file)


main()
