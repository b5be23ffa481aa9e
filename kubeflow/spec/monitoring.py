"""What a human decides about monitoring: how often, how long, and on how much disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from kubeflow.quantity import Quantity

_SMALLEST_VOLUME = Quantity("1Gi")


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitoringSpec:
    """How metrics, logs and traces are collected and kept."""

    interval_seconds: int = field(
        default=30, metadata={"help": "seconds between two readings of a target", "min": 5, "max": 120}
    )
    retention_days: int = field(default=15, metadata={"help": "days that metrics are kept", "min": 1, "max": 3650})
    storage: Quantity = field(
        default=Quantity("50Gi"),
        metadata={"help": "volume for metrics; the oldest go early when it is nearly full", "example": "50Gi"},
    )
    cpu: Quantity = field(default=Quantity("500m"), metadata={"help": "CPU request of Prometheus"})
    memory: Quantity = field(default=Quantity("2Gi"), metadata={"help": "memory request of Prometheus"})
    memory_limit: Quantity = field(default=Quantity("8Gi"), metadata={"help": "memory limit of Prometheus"})
    logs_days: int = field(default=14, metadata={"help": "days that logs are kept", "min": 1, "max": 365})
    traces_days: int = field(default=3, metadata={"help": "days that traces are kept", "min": 1, "max": 90})

    def __post_init__(self) -> None:
        """Refuse what Prometheus could not start with."""
        if self.memory.value > self.memory_limit.value:
            raise ValueError(f"memory ({self.memory}) is greater than memoryLimit ({self.memory_limit})")
        if self.storage.value < _SMALLEST_VOLUME.value:
            raise ValueError(f"storage ({self.storage}) is less than {_SMALLEST_VOLUME}")
