"""A transformer: turns flowers with named measures in millimetres into the rows that the predictor knows."""

from __future__ import annotations

import argparse
from typing import Any

import kserve
import serve

FIELDS = ("sepal_length_mm", "sepal_width_mm", "petal_length_mm", "petal_width_mm")
MILLIMETRES = 10.0


class Flowers(kserve.Model):
    """Stands before a predictor; predicting itself is the base class's call to --predictor_host."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ready = True

    def preprocess(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Rows in centimetres, in the order of training."""
        try:
            rows = [[flower[field] / MILLIMETRES for field in FIELDS] for flower in payload["instances"]]
        except (KeyError, TypeError) as error:
            raise kserve.errors.InvalidInput(
                f"every flower needs the numbers {', '.join(FIELDS)}: {error!r}"
            ) from error
        return {"instances": rows}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser], description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - pods are reached so
    options = parser.parse_args()
    serve.forever(Flowers(options.model_name), options)


if __name__ == "__main__":
    main()
