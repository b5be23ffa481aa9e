"""What a human decides about copies: of models, and of the platform's parts that every request passes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoscalingSpec:
    """When models and gateways grow and shrink."""

    scale_to_zero: bool | None = field(
        default=None,
        metadata={
            "help": "a model that nobody calls has no pod; unset, this is so where nodes can go with the pods "
            "(capability autoscaling): elsewhere the machine idles anyway, and the next caller would wait for nothing"
        },
    )
    idle_seconds: int = field(
        default=60, metadata={"help": "how long requests are averaged before copies go", "min": 6, "max": 3600}
    )
    last_pod_seconds: int = field(
        default=300,
        metadata={
            "help": "how long the last copy of a model stays after that, for loading weights is slow",
            "min": 0,
            "max": 86_400,
        },
    )
    replicas: int = field(
        default=2,
        metadata={"help": "fewest copies of gateways, istiod, and Knative's activator and webhook", "min": 1, "max": 5},
    )
