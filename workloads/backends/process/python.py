"""The Python environment of the machine-learning software: finds it and runs programs in it. Installs nothing."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from workloads.backends.process import processes
from workloads.backends.process.bench import Bench
from workloads.outcome import SkippedError

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / ".venv-models"
PYTHON = VENV / "bin" / "python"
PROGRAMS = ROOT / "workloads" / "images" / "models"
PIPELINES = ROOT / "workloads" / "jobs" / "pipelines"
# One thread each, because several of them share this machine; and nothing that asks the outside world.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore",
}


def require(*modules: str, venv: Path = VENV) -> None:
    """Raise SkippedError unless the environment is there and holds these modules."""
    if not (venv / "bin" / "python").exists():
        raise SkippedError(f"needs the environment {venv.name}, which `make tools` brings")
    missing = [name for name in modules if not list(venv.glob(f"lib/python*/site-packages/{name}"))]
    if missing:
        raise SkippedError(f"needs {' and '.join(missing)} in {venv.name}, which was installed without")


def finish(
    bench: Bench, name: str, command: Sequence[str | Path], *, seconds: float, env: Mapping[str, str] | None = None
) -> float:
    """Run a program of that environment to its good end and tell how long it took; anything else is a SoftwareError."""
    return sum(finish_all(bench, {name: command}, seconds=seconds, envs={name: env or {}}).values())


def finish_all(
    bench: Bench,
    commands: Mapping[str, Sequence[str | Path]],
    *,
    seconds: float,
    envs: Mapping[str, Mapping[str, str]],
) -> dict[str, float]:
    """Run several at the same time; all must end well."""
    began = time.monotonic()
    took = dict[str, float]()
    with contextlib.ExitStack() as stack:
        programs = [
            stack.enter_context(
                processes.running(
                    name, [PYTHON, *command], folder=bench.folder / "logs", ready=lambda: True,
                    env=ENVIRONMENT | dict(envs.get(name, {})),
                )
            )
            for name, command in commands.items()
        ]  # fmt: skip
        for program in programs:
            try:
                code = program.process.wait(max(began + seconds - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                raise processes.SoftwareError(
                    f"{program.name} has not ended after {seconds:.0f} s:\n{processes.tail(program.log)}"
                ) from None
            took[program.name] = time.monotonic() - began
            if code != 0:
                program.check()
    return took
