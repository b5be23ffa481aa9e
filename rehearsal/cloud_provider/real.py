"""Which resource types are made for real instead of invented: randomness always, keys and certificates if possible."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.cloud_provider.wire import Object

Maker = Callable[[Object], tuple[str, Object]]
_NEEDS = {"random": "bcrypt", "tls": "cryptography"}


def makers(package: str) -> Mapping[str, Maker]:
    """Type -> function from plain inputs to id and outputs, for what this interpreter can make."""
    needed = _NEEDS.get(package)
    if needed is None or importlib.util.find_spec(needed) is None:
        return {}
    module: Any = importlib.import_module(f"rehearsal.cloud_provider.real_{package}")
    return module.MAKERS
