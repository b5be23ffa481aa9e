# pyright: basic, reportMissingImports=false
"""Trains boosted trees on iris and stores them where KServe's XGBoost server looks; ends with their own answers."""

import json
import os
from pathlib import Path

import xgboost
from sklearn.datasets import load_iris

if __name__ == "__main__":
    rows, labels = load_iris(return_X_y=True)
    settings = {"objective": "multi:softmax", "num_class": 3, "max_depth": 4, "seed": 42}
    folder = Path(os.environ["MODELS"])
    folder.mkdir(parents=True, exist_ok=True)
    model = xgboost.train(settings, xgboost.DMatrix(rows, label=labels), num_boost_round=50)
    model.save_model(folder / "model.bst")
    some = rows[:: max(len(rows) // int(os.environ["ROWS"]), 1)][: int(os.environ["ROWS"])]
    answers = xgboost.Booster(model_file=folder / "model.bst").predict(xgboost.DMatrix(some))
    Path(os.environ["SAID"]).write_text(json.dumps({"rows": some.tolist(), "answers": answers.tolist()}))
