"""What another Python that has MXNet 1.x runs: one network, told what to do by lines of JSON on stdin.

graphnn-bench passes this text with -c. It imports MXNet and nothing of graphnn, and keeps to what Python 3.6 reads.
"""

import json
import os
import sys
import time


class Network:
    """The symbol in MXNet with given arrays, for training by Module or inference by an executor."""

    def __init__(self, request):
        import mxnet as mx

        self.mx = mx
        arrays = mx.nd.load(request["arrays"])
        kinds = {}  # type: dict
        for key, array in arrays.items():
            kind, _, name = key.partition(":")
            kinds.setdefault(kind, {})[name] = array
        self.inputs = kinds["input"]
        self.labels = kinds.get("label", {})
        symbol = mx.sym.load_json(request["symbol"])
        make = self.trainer if request["mode"] == "train" else self.executor
        make(symbol, kinds.get("arg", {}), kinds.get("aux", {}), request)

    def executor(self, symbol, args, aux, request):
        """Bind for inference; `run` waits for the output."""
        shapes = {name: array.shape for name, array in list(self.inputs.items()) + list(self.labels.items())}
        executor = symbol.simple_bind(ctx=self.mx.cpu(), grad_req="null", **shapes)
        executor.copy_params_from(args, aux)

        def run():
            output = executor.forward(is_train=False, **self.inputs)[0]
            output.wait_to_read()
            return output

        self.run, self.outputs = run, lambda: run().asnumpy()

    def trainer(self, symbol, args, aux, request):
        """Bind for training; `run` is a step of SGD with momentum, waited for."""
        mx = self.mx
        module = mx.mod.Module(symbol, list(self.inputs), list(self.labels), context=mx.cpu())
        data, label = list(self.inputs.items()), list(self.labels.items())
        module.bind([(n, a.shape) for n, a in data], [(n, a.shape) for n, a in label])
        module.set_params(args, aux)
        sgd = {"learning_rate": request["rate"], "momentum": request["momentum"], "wd": request["decay"]}
        module.init_optimizer(kvstore=None, optimizer="sgd", optimizer_params=sgd)
        batch = mx.io.DataBatch([a for _, a in data], [a for _, a in label])

        def run():
            module.forward_backward(batch)
            module.update()
            mx.nd.waitall()

        def outputs():
            module.forward(batch, is_train=False)
            return module.get_outputs()[0].asnumpy()

        self.run, self.outputs = run, outputs


def answer(request, made):
    """Do what a request says."""
    if request["do"] == "make":
        if request["cores"] and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, request["cores"])
        made["network"] = Network(request)
        return {"name": "mxnet"}
    network = made["network"]
    if request["do"] == "outputs":
        return {"outputs": network.outputs().tolist()}
    times = []
    for _ in range(request["times"]):
        start = time.perf_counter()
        network.run()
        times.append(time.perf_counter() - start)
    return {"seconds": times}


def main():
    """Answer each line until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    made = {}  # type: dict
    for line in sys.stdin:
        try:
            said = answer(json.loads(line), made)
        except Exception as error:
            said = {"error": "%s: %s" % (type(error).__name__, str(error).strip().split("\n")[0][:300])}  # noqa: UP031
        answers.write(json.dumps(said) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
