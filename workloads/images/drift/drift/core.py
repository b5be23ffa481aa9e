"""Whether a window of rows differs from the reference: tests for each feature, corrected for their number. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

_BINS = 10  # of the population stability index, by deciles of the reference
_LEAST_SHARE = 1e-4  # of a bin, so that an empty one does not make the index infinite
_EXPECTED = 5  # fewest expected rows of a category for the chi-square approximation (Cochran 1954)

stats: Any = scipy_stats  # has no types

Numbers = NDArray[np.float64]


class Kind(Enum):
    """How a feature is compared."""

    NUMBER = "number"  # Kolmogorov-Smirnov
    CATEGORY = "category"  # chi-square


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """When a difference is drift: it must be unlikely by chance and large enough to matter."""

    alpha: float = 0.01  # share of false discoveries among the features called drifted, by window
    effect: float = 0.1  # smallest distance that matters: KS statistic, or total variation of categories
    share: float = 0.0  # of features that must have drifted before the model has; 0 means any


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureDrift:
    """One feature of one window."""

    feature: str
    method: str
    score: float  # distance from 0 to 1
    p_value: float  # corrected for the number of features
    stability: float  # population stability index, for people
    divergence: float  # Jensen-Shannon distance, for people
    drifted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What one window came to."""

    rows: int
    features: tuple[FeatureDrift, ...]
    limits: Limits

    @property
    def share(self) -> float:
        """Of the features that drifted."""
        return sum(one.drifted for one in self.features) / len(self.features)

    @property
    def detected(self) -> bool:
        """Whether the model's input has drifted."""
        return self.share > 0 and self.share >= self.limits.share


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Rows that the model was trained on, a column for each feature."""

    kinds: Mapping[str, Kind]
    columns: Mapping[str, Sequence[float] | Sequence[str]]


def compare(reference: Reference, window: Mapping[str, Sequence[float] | Sequence[str]], limits: Limits) -> Drift:
    """Judge a window that has the reference's features."""
    compared = [
        _category(reference.columns[name], window[name])
        if kind is Kind.CATEGORY
        else _number(reference.columns[name], window[name])
        for name, kind in reference.kinds.items()
    ]
    corrected = stats.false_discovery_control([one.p_value for one in compared], method="bh")
    features = tuple(
        FeatureDrift(
            feature=name,
            method=one.method,
            score=one.score,
            p_value=float(p_value),
            stability=one.stability,
            divergence=one.divergence,
            drifted=bool(p_value < limits.alpha and one.score >= limits.effect),
        )
        for name, one, p_value in zip(reference.kinds, compared, corrected, strict=True)
    )
    return Drift(rows=len(next(iter(window.values()))), features=features, limits=limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    method: str
    score: float
    p_value: float
    stability: float
    divergence: float


def _number(reference: Sequence[float] | Sequence[str], window: Sequence[float] | Sequence[str]) -> _Compared:
    before, now = np.asarray(reference, dtype=np.float64), np.asarray(window, dtype=np.float64)
    tested = stats.ks_2samp(before, now, method="auto")
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return _Compared(
        method="ks",
        score=float(tested.statistic),
        p_value=float(tested.pvalue),
        **_distances(_binned(before, edges), _binned(now, edges)),
    )


def _binned(values: Numbers, edges: Numbers) -> Numbers:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).astype(np.float64)


def _category(reference: Sequence[float] | Sequence[str], window: Sequence[float] | Sequence[str]) -> _Compared:
    """Categories that are rare in the reference, or new, are counted together."""
    before, now = [str(value) for value in reference], [str(value) for value in window]
    known, counts = np.unique(before, return_counts=True)
    share = len(now) / (len(before) + len(now))
    frequent = [str(name) for name, count in zip(known, counts, strict=True) if count * share >= _EXPECTED]
    table = np.array([[*(side.count(name) for name in frequent), 0] for side in (before, now)], dtype=np.float64)
    table[:, -1] = [len(before), len(now)] - table.sum(axis=1)
    table = table[:, table.sum(axis=0) > 0]
    p_value = float(stats.chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
    shares = table / table.sum(axis=1, keepdims=True)
    return _Compared(
        method="chi2",
        score=float(np.abs(shares[0] - shares[1]).sum() / 2),
        p_value=p_value,
        **_distances(table[0], table[1]),
    )


def _distances(before: Numbers, now: Numbers) -> dict[str, float]:
    """Figures that people know, from counts in the same bins."""
    first = np.maximum(before / before.sum(), _LEAST_SHARE)
    second = np.maximum(now / now.sum(), _LEAST_SHARE)
    first, second = first / first.sum(), second / second.sum()
    middle = (first + second) / 2
    divergence = (stats.entropy(first, middle, base=2) + stats.entropy(second, middle, base=2)) / 2
    return {
        "stability": float(((second - first) * np.log(second / first)).sum()),
        "divergence": float(np.sqrt(max(divergence, 0.0))),
    }
