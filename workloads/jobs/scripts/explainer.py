# pyright: basic, reportMissingImports=false
"""Shapley values of one row, exact over all subsets of features: they add up to the prediction's distance from typical.

Stands in the place of KServe's Alibi explainer, which upstream has removed.
"""

import argparse
import itertools
import math

import kserve

TYPICAL = (5.8, 3.0, 4.3, 1.3)  # the means of iris


class Explainer(kserve.Model):
    """Asks the predictor about every mixture of a row and the typical one."""

    def __init__(self, name: str, predictor_host: str) -> None:
        super().__init__(name, predictor_config=kserve.PredictorConfig(predictor_host=predictor_host))
        self.ready = True

    async def explain(self, payload: dict, headers: dict | None = None) -> dict:  # noqa: ARG002 - of the base class
        """All subsets of features at once."""
        row = payload["instances"][0]
        features = range(len(TYPICAL))
        subsets = [frozenset(one) for size in range(len(row) + 1) for one in itertools.combinations(features, size)]
        mixed = [[row[index] if index in subset else TYPICAL[index] for index in features] for subset in subsets]
        answers = (await self.predict({"instances": mixed}))["predictions"]
        value = dict(zip(subsets, map(float, answers), strict=True))
        return {
            "explanations": [shapley(index, value, len(row)) for index in features],
            "base": value[frozenset()],
            "prediction": value[frozenset(features)],
        }


def shapley(feature: int, value: dict[frozenset[int], float], count: int) -> float:
    """The mean of what a feature adds, over all orders in which features may arrive."""
    total = 0.0
    for subset, before in value.items():
        if feature not in subset:
            orders = math.factorial(len(subset)) * math.factorial(count - len(subset) - 1)
            total += orders / math.factorial(count) * (value[subset | {feature}] - before)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    asked, _ = parser.parse_known_args()
    kserve.ModelServer().start([Explainer(asked.model_name, asked.predictor_host)])
