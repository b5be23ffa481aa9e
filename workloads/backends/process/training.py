"""Training on this machine: ranks are processes that talk over loopback with gloo. No GPU, no network between nodes."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads.backends.process import processes, python, storage
from workloads.backends.process.bench import Bench

_SECONDS = 480.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One uninterrupted stretch of training by some ranks."""

    ranks: int
    samples_per_second: float
    losses: tuple[float, ...]
    waited_shares: tuple[float, ...]  # of each rank: how much of the time it was ready but had no core
    sums_of_ranks: tuple[float, ...]  # what each rank's all-reduce of rank + 1 came to
    weights: tuple[str, ...]  # hash of each rank's weights at the end


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What came of one program."""

    size: str
    parameters: int
    batch: int
    turns: tuple[Turn, ...]
    seconds: float
    key: str
    stored_version: str
    sha256: str
    folder: Path

    def speeds(self, ranks: int) -> tuple[float, ...]:
        """Samples a second of every turn with so many ranks, in order."""
        return tuple(turn.samples_per_second for turn in self.turns if turn.ranks == ranks)


def train(
    bench: Bench, size: str, *, ranks: tuple[int, ...], repetitions: int, steps: int, program: Path | None = None
) -> Training:
    """Train in turns with these numbers of ranks, and put the last model into the store."""
    python.require("torch", "tensorboard")
    bucket, folder = bench.use(storage.artifacts), bench.folder / "training" / size
    world, port = max(ranks), str(processes.free_port())
    command = [
        program or python.PROGRAMS / "ddp.py", "--size", size, "--ranks", ",".join(map(str, ranks)),
        "--repetitions", str(repetitions), "--steps", str(steps), "--out", folder,
    ]  # fmt: skip
    names = [f"train-{size}-{rank}" for rank in range(world)]
    envs = {
        name: {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
            "MASTER_ADDR": processes.HOST, "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo",
        }
        for rank, name in enumerate(names)
    }  # fmt: skip
    took = python.finish_all(bench, dict.fromkeys(names, command), seconds=_SECONDS, envs=envs)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    key = f"models/ddp-{size}/model.pt"
    return Training(
        size=size,
        parameters=result["parameters"],
        batch=result["batch"],
        turns=tuple(_turn(one) for one in result["turns"]),
        seconds=max(took.values()),
        key=key,
        stored_version=bucket.put(key, (folder / "model.pt").read_bytes()),
        sha256=result["sha256"],
        folder=folder,
    )


def _turn(one: dict[str, Any]) -> Turn:
    every: list[dict[str, Any]] = one["by_rank"]
    return Turn(
        ranks=one["ranks"],
        samples_per_second=one["samples_per_second"],
        losses=tuple(one["losses"]),
        waited_shares=tuple(rank["waited_share"] for rank in every),
        sums_of_ranks=tuple(rank["sum_of_ranks"] for rank in every),
        weights=tuple(rank["weights"] for rank in every),
    )


@contextmanager
def tensorboard(bench: Bench) -> Generator[str]:
    """TensorBoard over everything that models have written while they were trained; its address."""
    python.require("tensorboard")
    logs, port = bench.folder / "models", processes.free_port()
    logs.mkdir(parents=True, exist_ok=True)
    url = f"http://{processes.HOST}:{port}"
    command = [
        python.PYTHON, "-m", "tensorboard.main", "--logdir", logs, "--host", processes.HOST, "--port", str(port),
        "--load_fast", "false", "--reload_interval", "1",
    ]  # fmt: skip
    with processes.running(
        "tensorboard", command, folder=bench.folder / "logs", env=python.ENVIRONMENT, within=120,
        ready=processes.answers(f"{url}/data/plugin/scalars/tags"),
    ):  # fmt: skip
        yield url
