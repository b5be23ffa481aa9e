"""Quantities compare by what they stand for and are written as the human wrote them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeflow.quantity import Quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("1500m", "1.5"),
        ("2Gi", "2147483648"),
        ("1.5k", "1500"),
        ("64", "64"),
        ("1Ki", "1024"),
        ("2M", "2000000"),
    ],
)
def test_a_suffix_scales(text: str, value: str) -> None:
    quantity = Quantity(text)
    assert quantity.value == Decimal(value)
    assert str(quantity) == text


@pytest.mark.parametrize("text", ["", "-1", "4 GB", "4GB", "1e3", "Gi", "0x10", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_quantity_is_refused_with_the_allowed_forms(text: str) -> None:
    with pytest.raises(ValueError, match="64Gi"):
        Quantity(text)


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_a_thousand_milli_is_one(number: int, suffix: str) -> None:
    assert Quantity(f"{number * 1000}m").value == number
    assert Quantity(f"{number}{suffix}").value >= number
