"""A model server on KServe's own base class, V1 and V2: scikit-learn, XGBoost or PyTorch. Trains nothing.

The official servers for scikit-learn and XGBoost exist as images only; this is the same with PyTorch, a version in
every answer, probabilities beside the classes, and the caller's id given back.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import formats
import kserve
import numpy as np
import serve
from kserve.utils.utils import get_predict_input, get_predict_response


class Classifier(kserve.Model):
    """One version of one model."""

    def __init__(self, name: str, kind: str, artifact: Path, version: str) -> None:
        super().__init__(name)
        self._model, self._version = formats.load(kind, artifact), version
        self.ready = True

    def predict(
        self,
        payload: dict[str, Any] | kserve.InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002 - the base class passes it
        response_headers: dict[str, str] | None = None,  # noqa: ARG002 - the base class passes it
    ) -> dict[str, Any] | kserve.InferResponse:
        """Classes of some rows; V1 answers also say how sure the model is, which version answered, and the given id."""
        rows = np.asarray(get_predict_input(payload), dtype=np.float32)
        if rows.ndim != 2:  # noqa: PLR2004 - a table has two dimensions
            raise kserve.errors.InvalidInput(f"expected a list of rows, found {rows.ndim} dimension(s)")
        if rows.shape[1] != self._model.features:
            raise kserve.errors.InvalidInput(f"expected {self._model.features} features, found {rows.shape[1]}")
        classes, shares = self._model.classify(rows)
        known = payload.get("id") if isinstance(payload, dict) else payload.id
        answer = get_predict_response(payload, classes, self.name)
        if isinstance(answer, dict):
            more = {"probabilities": shares.tolist(), "model_version": self._version}
            return {**answer, **more, **({"id": known} if known else {})}
        answer.model_version = self._version
        return answer


def main() -> None:
    """Serve one model until told to stop."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser], description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - pods are reached so
    parser.add_argument("--kind", choices=sorted(formats.KINDS), required=True)
    parser.add_argument("--artifact", type=Path, required=True, help="file that train.py has written")
    parser.add_argument("--version", default="1", help="what V1 and V2 answers say as model version")
    options = parser.parse_args()
    serve.forever(Classifier(options.model_name, options.kind, options.artifact, options.version), options)


if __name__ == "__main__":
    main()
