# pyright: basic, reportMissingImports=false
"""Trains the random forest of the requirement document and stores it where KServe's scikit-learn server looks.

QUICK asks for support vectors instead, which answer in a tenth of the time. What it says at the end are the answers of
the stored model, without a server between.
"""

import json
import os
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

if __name__ == "__main__":
    rows, labels = load_iris(return_X_y=True)
    model = SVC() if os.environ.get("QUICK") else RandomForestClassifier(n_estimators=100, random_state=42)
    folder = Path(os.environ["MODELS"])
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model.fit(rows, labels), folder / "model.joblib")
    some = rows[:: max(len(rows) // int(os.environ["ROWS"]), 1)][: int(os.environ["ROWS"])]
    answers = joblib.load(folder / "model.joblib").predict(some)
    Path(os.environ["SAID"]).write_text(json.dumps({"rows": some.tolist(), "answers": answers.tolist()}))
