"""An explainer: exact Shapley values of a small model's answer, by asking the predictor about every set of features.

KServe's `explainer.alibi` is gone, and Alibi's licence is no longer free. With few features nothing has to be sampled.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import Any

import kserve
import serve


class Shapley(kserve.Model):
    """Compares each row with one reference row, usually the mean of the training data; asks --predictor_host."""

    def __init__(self, name: str, reference: list[float]) -> None:
        super().__init__(name)
        self._reference = reference
        self.ready = True

    async def explain(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        """For each row: its class, the reference's share of that class, and what each feature adds to it."""
        return {"explanations": [await self._row(row, headers) for row in payload["instances"]]}

    async def _row(self, row: list[float], headers: dict[str, str] | None) -> dict[str, Any]:
        count = len(self._reference)
        if len(row) != count:
            raise kserve.errors.InvalidInput(f"expected {count} features, found {len(row)}")
        sets = [frozenset(one) for size in range(count + 1) for one in itertools.combinations(range(count), size)]
        rows = [[row[i] if i in one else self._reference[i] for i in range(count)] for one in sets]
        answer = await self.predict({"instances": rows}, headers)
        shares = answer["probabilities"]
        predicted = max(range(len(shares[-1])), key=lambda index: shares[-1][index])  # the last set has all features
        worth = {one: share[predicted] for one, share in zip(sets, shares, strict=True)}
        added = [
            sum(
                math.factorial(len(one)) * math.factorial(count - len(one) - 1) / math.factorial(count)
                * (worth[one | {feature}] - worth[one])
                for one in sets if feature not in one
            )
            for feature in range(count)
        ]  # fmt: skip
        return {"class": predicted, "base": worth[frozenset()], "contributions": added}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser], description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - pods are reached so
    parser.add_argument("--about", type=Path, required=True, help="the about.json that train.py has written")
    options = parser.parse_args()
    reference = json.loads(options.about.read_text(encoding="utf-8"))["mean"]
    serve.forever(Shapley(options.model_name, reference), options)


if __name__ == "__main__":
    main()
