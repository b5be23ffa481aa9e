"""Kubernetes quantities as values: parsed once, compared by size, written as the human wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

_SCALE = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10) ** 3, "M": Decimal(10) ** 6, "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12, "P": Decimal(10) ** 15, "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10, "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40, "Pi": Decimal(2) ** 50, "Ei": Decimal(2) ** 60,
}  # fmt: skip
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)([numkMGTPE]?|[KMGTPE]i)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A non-negative amount such as `1500m` or `2Gi`; `value` is in base units (cores, bytes)."""

    text: str
    value: Decimal = field(init=False, compare=True)

    def __post_init__(self) -> None:
        """Parse, or raise ValueError with the forms that are allowed."""
        match = _FORM.fullmatch(self.text)
        if match is None:
            raise ValueError(
                f"'{self.text}' is no quantity: write a number with an optional suffix, as 500m, 4, 64Gi or 1.5Ti"
            )
        object.__setattr__(self, "value", Decimal(match[1]) * _SCALE[match[2]])

    def __str__(self) -> str:
        """As written."""
        return self.text
