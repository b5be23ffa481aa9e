from __future__ import annotations

import numpy as np
import pytest

from workloads.backends.process.drift import CATEGORIES, FEATURES, rows
from workloads.images.drift.drift.core import Drift, Kind, Limits, Reference, compare

WINDOWS = 200  # of 500 rows each: enough to tell one false alarm in a hundred from one in ten


def columns(found: list[list[float | str]]) -> dict[str, list[float | str]]:
    return {name: list(values) for name, values in zip(FEATURES, zip(*found, strict=True), strict=True)}


KINDS = {name: Kind.CATEGORY if name in CATEGORIES else Kind.NUMBER for name in FEATURES}
TRAINED_ON = Reference(kinds=KINDS, columns=columns(rows(3_000, np.random.default_rng(0))))  # type: ignore[arg-type]


def judged(random: np.random.Generator, limits: Limits | None = None, **change: object) -> Drift:
    window = columns(rows(500, random, **change))  # type: ignore[arg-type]
    return compare(TRAINED_ON, window, limits or Limits())  # type: ignore[arg-type]


def test_windows_without_drift_raise_hardly_any_alarm() -> None:
    random = np.random.default_rng(1)
    alarms = sum(judged(random).detected for _ in range(WINDOWS))
    assert alarms <= WINDOWS * 0.03


def test_without_the_correction_for_many_features_there_would_be_alarms() -> None:
    random = np.random.default_rng(1)
    lax = Limits(alpha=0.3, effect=0.0)
    assert sum(judged(random, lax).detected for _ in range(50)) >= 5


def test_half_a_standard_deviation_on_two_features_is_found_on_exactly_these() -> None:
    drift = judged(np.random.default_rng(2), shift=0.5, shifted=2)
    assert [one.feature for one in drift.features if one.drifted] == list(FEATURES[:2])
    assert drift.share == pytest.approx(2 / len(FEATURES))


def test_a_flipped_category_is_found() -> None:
    drift = judged(np.random.default_rng(3), flipped=True)
    assert [one.feature for one in drift.features if one.drifted] == ["plan"]


def test_a_difference_that_is_certain_but_small_is_no_drift() -> None:
    random = np.random.default_rng(4)
    many = columns(rows(50_000, random, shift=0.1, shifted=1))
    found = compare(TRAINED_ON, many, Limits()).features[0]  # type: ignore[arg-type]
    assert found.p_value < 0.01
    assert not found.drifted


def test_a_share_of_features_can_be_asked_for() -> None:
    one_of_eight = judged(np.random.default_rng(5), Limits(share=0.2), shift=0.5, shifted=1)
    assert one_of_eight.share > 0
    assert not one_of_eight.detected


def test_a_category_that_the_model_never_saw_is_drift() -> None:
    window = columns(rows(500, np.random.default_rng(6)))
    window["country"] = ["br"] * 200 + window["country"][200:]
    found = compare(TRAINED_ON, window, Limits()).features[-1]  # type: ignore[arg-type]
    assert (found.feature, found.drifted) == ("country", True)


def test_distances_of_known_distributions() -> None:
    reference = Reference(kinds={"x": Kind.CATEGORY}, columns={"x": ["a"] * 500 + ["b"] * 500})
    found = compare(reference, {"x": ["a"] * 900 + ["b"] * 100}, Limits()).features[0]
    assert found.score == pytest.approx(0.4)  # half of |0.5 - 0.9| + |0.5 - 0.1|
    assert found.stability == pytest.approx(0.4 * np.log(1.8) - 0.4 * np.log(0.2))


def test_a_constant_feature_is_no_drift() -> None:
    reference = Reference(kinds={"x": Kind.NUMBER, "y": Kind.CATEGORY}, columns={"x": [1.0] * 100, "y": ["a"] * 100})
    drift = compare(reference, {"x": [1.0] * 50, "y": ["a"] * 50}, Limits())
    assert not drift.detected
