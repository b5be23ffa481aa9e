# pyright: basic, reportMissingImports=false
"""Trains a dense network on invented data with DistributedDataParallel; the last line of its log is its result."""

import json
import os
import time
from itertools import pairwise
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

INPUTS, CLASSES = 64, 10
AGREEMENT = 1e-3  # between ranks, over the sum of all parameters
WIDTH, LAYERS, STEPS, BATCH = (int(os.environ[name]) for name in ("WIDTH", "LAYERS", "STEPS", "BATCH"))


def main() -> None:
    """All steps, then one line of result."""
    cuda = torch.cuda.is_available()
    distributed.init_process_group("nccl" if cuda else "gloo")
    rank, world = distributed.get_rank(), distributed.get_world_size()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    torch.manual_seed(0)
    truth = torch.randn(INPUTS, CLASSES)
    sizes = [INPUTS, *[WIDTH] * LAYERS]
    layers = [part for one, two in pairwise(sizes) for part in (nn.Linear(one, two), nn.ReLU())]
    model = DistributedDataParallel(nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES)).to(device))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    torch.manual_seed(1 + rank)
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
    checksum = torch.tensor([sum(float(one.detach().double().sum()) for one in model.parameters())])
    every = [torch.zeros(1) for _ in range(world)]
    distributed.all_gather_object(every, checksum)
    if rank == 0:
        steady = sorted(durations[STEPS // 10 :])
        result = {
            "world": world,
            "parameters": sum(one.numel() for one in model.parameters()),
            "loss": {"first": sum(losses[:10]) / 10, "last": sum(losses[-10:]) / 10},
            "samplesPerSecond": BATCH * world / steady[len(steady) // 2],
            "ranksAgree": all(abs(float(one) - float(checksum)) < AGREEMENT for one in every),
        }
        print(json.dumps(result), flush=True)  # noqa: T201 - kept with the evidence
        Path("/dev/termination-log").write_text(json.dumps(result), encoding="utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
