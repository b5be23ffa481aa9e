"""The vendors' own SDKs: optional, imported when the first check looks, and never by anything else."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from .checks import CannotLookError

# What looks into each environment; requirements/preflight-NAME.in holds the same.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "eks": ("boto3==1.44.5",),
    "aks": ("azure-core==1.41.0", "azure-identity==1.27.0"),
    "gke": ("google-auth==2.62.2", "requests==2.34.2"),
    "ack": ("alibabacloud_credentials==1.0.12", "alibabacloud_tea_openapi==0.4.6"),
    "vsphere": ("pyvmomi==9.1.1.0",),
}


def load(environment: str, module: str) -> Any:  # noqa: ANN401 - there may be no SDK whose types could be named
    """A module of an environment's SDK; says how to get it where it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        remedy = f"pip install {' '.join(PACKAGES[environment])}"
        raise CannotLookError(f"Python package {error.name or module} is not installed", remedy) from error
