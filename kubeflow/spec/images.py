"""What a human decides about container images: where they are pulled from, and how exactly they are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PREFIX = r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagesSpec:
    """Where images come from."""

    mirrors: Mapping[str, str] = field(
        default_factory=dict[str, str],
        metadata={
            "help": "registry (or registry and folders) of upstream's images -> where they are pulled from instead; "
            "the longest match counts, and docker.io stands for names without a registry",
            "keys": _PREFIX,
            "pattern": _PREFIX,
        },
    )
    digests: bool = field(
        default=False,
        metadata={
            "help": "refuse images without a known digest; write the file of digests with `python -m "
            "kubeflow.distribution digests`"
        },
    )
    pull_secret: str | None = field(
        default=None,
        metadata={
            "help": "name of the secret configuration key that holds the registry's credentials, as the text of a "
            "Docker config.json",
            "pattern": "[A-Za-z][A-Za-z0-9-]*",
            "example": "registryCredentials",
        },
    )
