"""Distributed training with PyTorch: fixed work for each rank, its speed by the median step. Judges nothing.

One program for every rank, told by RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as torchrun and PyTorchJob do. With
`--ranks 1,2` it takes turns: first one rank trains while the others wait, then two, and again, so that whatever else
happens on the machine falls on both alike. Rank 0 writes OUT/result.json, the model, and the curve for TensorBoard.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter

FEATURES, CLASSES = 32, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """One network and the rows that each rank takes in a step."""

    width: int
    depth: int
    batch: int


# About 0.1, 1, 25 and 300 million parameters.
SIZES = {
    "small": Size(width=208, depth=3, batch=1024),
    "compact": Size(width=704, depth=3, batch=1024),
    "medium": Size(width=2880, depth=4, batch=64),
    "large": Size(width=8192, depth=6, batch=256),
}


def network(size: Size, seed: int) -> nn.Module:
    """The same network with the same weights on every rank."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Linear(FEATURES, size.width), nn.ReLU()]
    for _ in range(size.depth - 1):
        layers += [nn.Linear(size.width, size.width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(size.width, CLASSES))


def rows(size: Size, seed: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """A rank's rows: noise, labelled by a rule that all ranks share and that a network can learn."""
    chance = torch.Generator().manual_seed(seed)
    rule = torch.randn(FEATURES, CLASSES, generator=torch.Generator().manual_seed(0))
    inputs = torch.randn(size.batch, FEATURES, generator=chance)
    return inputs.to(device), (inputs @ rule).argmax(dim=1).to(device)


def waited() -> float:
    """Seconds for which this thread was ready but had no core, as the kernel counts them; 0 where it does not."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def turn(size: Size, steps: int, seed: int, group: Any, device: torch.device) -> tuple[dict[str, Any], nn.Module]:
    """Train for some steps; the first tenth warms up and is not counted."""
    rank = dist.get_rank(group)
    model = DistributedDataParallel(network(size, seed).to(device), process_group=group)
    inputs, labels = rows(size, seed * 1_000 + rank, device)
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), nn.CrossEntropyLoss()
    times: list[float] = []
    losses: list[float] = []
    dist.barrier(group)
    lost, began = waited(), time.monotonic()
    for _ in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        now = loss(model(inputs), labels)
        now.backward()
        optimizer.step()
        losses.append(now.item())
        times.append(time.perf_counter() - start)
    share = (waited() - lost) / (time.monotonic() - began)
    sizes = torch.tensor([float(rank + 1)])
    dist.all_reduce(sizes, group=group)
    weights = torch.cat([one.detach().flatten() for one in model.parameters()]).cpu()
    told = {
        "ranks": dist.get_world_size(group),
        "median_step_seconds": statistics.median(times[max(steps // 10, 1) :]),
        "samples_per_second": dist.get_world_size(group) * size.batch / statistics.median(times[max(steps // 10, 1) :]),
        "losses": losses,
        "waited_share": share,
        "sum_of_ranks": sizes.item(),
        "weights": hashlib.sha256(weights.numpy().tobytes()).hexdigest(),
    }
    return told, model.module


def main() -> None:
    """Take the turns that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--ranks", default="", help="how many ranks train in each turn, by default all: 1,2")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=1, help="of each rank")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cuda = torch.cuda.is_available()
    dist.init_process_group("nccl" if cuda else "gloo")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    rank, world, size = dist.get_rank(), dist.get_world_size(), SIZES[options.size]
    counts = [int(one) for one in options.ranks.split(",") if one] or [world]
    groups = {count: dist.new_group(list(range(count))) for count in counts}
    turns: list[dict[str, Any]] = []
    model: nn.Module | None = None
    for repetition in range(options.repetitions):
        for count in counts:
            if rank < count:
                told, model = turn(size, options.steps, options.seed + repetition, groups[count], device)
                everyone: list[Any] = [None] * count
                dist.all_gather_object(everyone, told, group=groups[count])
                turns.append({"repetition": repetition, "by_rank": everyone, **told})
            dist.barrier()
    if rank == 0 and model is not None:
        _write(options, turns, model)
    dist.destroy_process_group()


def _write(options: argparse.Namespace, turns: list[dict[str, Any]], model: nn.Module) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    with SummaryWriter(str(options.out)) as curve:
        for step, loss in enumerate(turns[-1]["losses"]):
            curve.add_scalar("loss", loss, step)
    file = options.out / "model.pt"
    torch.save(model.state_dict(), file)
    again = network(SIZES[options.size], 0)
    again.load_state_dict(torch.load(file, weights_only=True))  # a model that cannot be read back was not stored
    result = {
        "size": options.size,
        "parameters": sum(one.numel() for one in model.parameters()),
        "batch": SIZES[options.size].batch,
        "turns": turns,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    (options.out / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
