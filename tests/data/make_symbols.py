"""Record symbols of MXNet 1.9.1: JSON, names, shapes and numbers of the expressions of a table.

Run with MXNet's Python: ``python tests/data/make_symbols.py tests/data/symbols.json``.
"""

import json
import sys

import mxnet as mx
import numpy as np

with open(sys.argv[1].replace(".json", "_cases.json")) as cases:
    CASES = json.load(cases)


def numbers(shape, seed):
    return np.random.RandomState(seed).uniform(-1, 1, shape).astype("float32").round(3)


def main():
    out = []
    for case in CASES:
        with mx.name.NameManager():
            a, b, c = (mx.sym.var(n) for n in "abc")
            symbol = eval(case["code"], {"mx": mx, "a": a, "b": b, "c": c})
            if isinstance(symbol, (list, tuple)):
                symbol = mx.sym.Group(list(symbol))
        case["json"] = json.loads(symbol.tojson())
        case["arguments"] = symbol.list_arguments()
        case["outputs"] = symbol.list_outputs()
        case["states"] = symbol.list_auxiliary_states()
        case["internals"] = symbol.get_internals().list_outputs()
        case["attrs"] = symbol.attr_dict()
        if "shapes" in case:
            args, outs, aux = symbol.infer_shape(
                **{k: tuple(v) for k, v in case["shapes"].items()}
            )
            case["inferred"] = [args, outs, aux]
            run = symbol.simple_bind(mx.cpu(), **{k: tuple(v) for k, v in case["shapes"].items()})
            for i, n in enumerate(symbol.list_arguments()):
                run.arg_dict[n][:] = numbers(run.arg_dict[n].shape, i)
            for i, n in enumerate(symbol.list_auxiliary_states()):
                run.aux_dict[n][:] = np.abs(numbers(run.aux_dict[n].shape, 50 + i)) + 0.5
            case["predicted"] = [o.asnumpy().tolist() for o in run.forward(is_train=False)]
            if not case.get("forward_only"):
                outs = run.forward(is_train=True)
                case["trained"] = [o.asnumpy().tolist() for o in outs]
                run.backward([mx.nd.array(numbers(o.shape, 90 + i)) for i, o in enumerate(outs)])
                case["grads"] = {k: v.asnumpy().tolist() for k, v in run.grad_dict.items()}
                case["after"] = {k: v.asnumpy().tolist() for k, v in run.aux_dict.items()}
        out.append(case)
    with open(sys.argv[1], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]\n")


main()
