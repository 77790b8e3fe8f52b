"""Runs in a process of its own, without the type checks that pytest switches on: torch.compile cannot trace those.

Prints one JSON object: what compiling an adapted transformer costs and changes.
"""

import json
import sys

import torch
from torch._dynamo.testing import CompileCounterWithBackend

from adapters.examples import KINDS, random_c2w, run


def main(name: str, backend: str, num_layers: int) -> None:
    torch.set_num_threads(1)
    kind = KINDS[name]
    transformer = kind.transformer(num_layers=num_layers).requires_grad_(False)
    adapter, inputs, cameras = kind.random(transformer), kind.inputs(2), random_c2w(2, 2)
    counter = CompileCounterWithBackend(backend)
    report: dict[str, float] = {}

    def gradients() -> list[torch.Tensor]:
        adapter.zero_grad()
        run(transformer, inputs).square().mean().backward()
        return [parameter.grad.clone() for parameter in adapter.parameters()]

    with adapter.attach(transformer), kind.cameras(adapter, cameras):
        with torch.no_grad(), adapter.disabled():
            stock = run(transformer, inputs)
        with torch.no_grad():
            eager = run(transformer, inputs)
        eager_gradients = gradients()
        if type(transformer)._repeated_blocks:
            transformer.compile_repeated_blocks(fullgraph=True, backend=counter)
        else:  # diffusers offers it for other classes only; this is all it does
            for site in kind.sites(transformer):
                site.block.compile(fullgraph=True, backend=counter)
        with torch.no_grad():
            report["difference"] = (run(transformer, inputs) - eager).abs().max().item()
            report["graphs"] = counter.frame_count
            with kind.cameras(adapter, random_c2w(2, 2, seed=6)):
                report["other_cameras"] = (run(transformer, inputs) - eager).abs().max().item()
            report["graphs_after_other_cameras"] = counter.frame_count
            if backend == "inductor":  # slow: every further graph takes ten seconds
                return print(json.dumps(report))
            with adapter.disabled():
                report["disabled"] = (run(transformer, inputs) - stock).abs().max().item()
        pairs = zip(gradients(), eager_gradients, strict=True)
        report["gradient_difference"] = max((got - expected).abs().max().item() for got, expected in pairs)
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
