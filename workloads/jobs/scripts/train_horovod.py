# pyright: basic, reportMissingImports=false
"""Trains a dense network on invented data with Horovod; rank 0 prints the result, which the launcher passes on."""

import json
import os
import time

import horovod.torch as hvd
import torch
from torch import nn

INPUTS, CLASSES = 64, 10
AGREEMENT = 1e-3  # between ranks, over the sum of all parameters
WIDTH, LAYERS, STEPS, BATCH = (int(os.environ[name]) for name in ("WIDTH", "LAYERS", "STEPS", "BATCH"))


def main() -> None:
    """All steps, then one line of result."""
    hvd.init()
    device = torch.device("cuda", hvd.local_rank()) if torch.cuda.is_available() else torch.device("cpu")
    torch.manual_seed(0)
    truth = torch.randn(INPUTS, CLASSES)
    sizes = [INPUTS, *[WIDTH] * LAYERS]
    layers = [part for one, two in zip(sizes, sizes[1:]) for part in (nn.Linear(one, two), nn.ReLU())]  # noqa: B905, RUF007 - the image has Python 3.8
    model = nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES)).to(device)
    optimizer = hvd.DistributedOptimizer(
        torch.optim.AdamW(model.parameters(), lr=1e-3), named_parameters=model.named_parameters()
    )
    hvd.broadcast_parameters(model.state_dict(), root_rank=0)
    torch.manual_seed(1 + hvd.rank())
    losses, durations = [], []
    for _ in range(STEPS):
        rows = torch.randn(BATCH, INPUTS)
        labels = (rows @ truth).argmax(dim=1)
        began = time.perf_counter()
        loss = nn.functional.cross_entropy(model(rows.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        durations.append(time.perf_counter() - began)
    checksums = hvd.allgather(torch.tensor([sum(float(one.detach().double().sum()) for one in model.parameters())]))
    if hvd.rank() == 0:
        steady = sorted(durations[STEPS // 10 :])
        result = {
            "world": hvd.size(),
            "parameters": sum(one.numel() for one in model.parameters()),
            "loss": {"first": sum(losses[:10]) / 10, "last": sum(losses[-10:]) / 10},
            "samplesPerSecond": BATCH * hvd.size() / steady[len(steady) // 2],
            "ranksAgree": bool((checksums - checksums[0]).abs().max() < AGREEMENT),
        }
        print(json.dumps(result), flush=True)  # noqa: T201 - kept with the evidence


if __name__ == "__main__":
    main()
