"""Write the files of ``params/`` with the MXNet that runs this: ``python make_params.py FOLDER``.

MXNet 1.9.1 writes the ``v2-`` and ``v3-`` files, MXNet 2.0.0b1 the ``zip-`` and ``npy-``
files and ``v2-by-mxnet-2``.
"""

import sys

import mxnet as mx
import numpy as np

TYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8")
GRID = np.arange(6).reshape(2, 3)
SPARSE = np.zeros((4, 3), np.float32)
SPARSE[1] = [1, 0, 2]
SPARSE[3] = [0, 3, 0]


def small_net():
    net = mx.gluon.nn.HybridSequential()
    net.add(mx.gluon.nn.Dense(3, in_units=2), mx.gluon.nn.BatchNorm(in_channels=3))
    net.initialize(mx.init.Constant(0.5))
    return net


def sparse():
    dense = mx.nd.array(SPARSE)
    arrays = {"rows": dense.tostype("row_sparse"), "csr": dense.tostype("csr")}
    for array in arrays.values():
        array.wait_to_read()  # MXNet saves a wrong storage shape of one that is not computed yet
    return arrays


def version_1(folder):
    nd = mx.nd
    arrays = {t: nd.array(GRID, dtype=t) for t in TYPES}
    arrays["bool"] = nd.array([1, 0, 1], dtype="bool")
    arrays["größe:ü"] = nd.array([[1.0], [2.0]])
    nd.save(f"{folder}/v2-dict.params", arrays)
    nd.save(f"{folder}/v2-list.params", [nd.array([1, 2, 3]), nd.ones((2, 1, 2))])
    empty = {f"no_{s}": nd.sparse.zeros(s, (4, 3)) for s in ("row_sparse", "csr")}
    nd.save(f"{folder}/v2-sparse.params", {**sparse(), "dense": nd.array(SPARSE), **empty})
    small_net().save_parameters(f"{folder}/v2-gluon.params")
    with mx.util.np_shape(True):
        shaped = {
            "scalar": mx.np.array(2.5),
            "empty": mx.np.zeros((0, 3)),
            "bool": mx.np.array([True, False], dtype="bool"),
            "matrix": mx.np.array([[1, 2], [3, 4]]),
        }
        nd.save(f"{folder}/v3-np-shape.params", {k: a.as_nd_ndarray() for k, a in shaped.items()})


def version_2(folder):
    npx = mx.npx
    npx.reset_np()
    dense = {"dense": mx.nd.array(SPARSE), "one": mx.nd.array([7.5])}
    mx.nd.save(f"{folder}/v2-by-mxnet-2.params", {**dense, **sparse()})
    npx.savez(f"{folder}/zip-sparse.params", **sparse())
    npx.set_np()
    arrays = {t: mx.np.array(GRID, dtype=t) for t in TYPES}
    arrays["bool"] = mx.np.array([True, False, True], dtype="bool")
    arrays["scalar"] = mx.np.array(2.5)
    arrays["empty"] = mx.np.zeros((0, 3))
    arrays["größe:ü"] = mx.np.array([[1.0], [2.0]])
    npx.savez(f"{folder}/zip-savez.params", **arrays)
    npx.savez(f"{folder}/zip-unnamed.params", mx.np.array([1.0, 2.0]), mx.np.array(3.0))
    npx.save(f"{folder}/npy-array.params", mx.np.array([[1.0, 2.0, 3.0]]))
    small_net().save_parameters(f"{folder}/zip-gluon.params")


if __name__ == "__main__":
    (version_1 if mx.__version__.startswith("1.") else version_2)(sys.argv[1])
