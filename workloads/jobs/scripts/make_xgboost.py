# pyright: basic, reportMissingImports=false
"""Trains boosted trees on iris and stores them where KServe's XGBoost server looks."""

import os
from pathlib import Path

import xgboost
from sklearn.datasets import load_iris

if __name__ == "__main__":
    rows, labels = load_iris(return_X_y=True)
    settings = {"objective": "multi:softmax", "num_class": 3, "max_depth": 4, "seed": 42}
    model = xgboost.train(settings, xgboost.DMatrix(rows, label=labels), num_boost_round=50)
    model.save_model(Path(os.environ["MODELS"]) / "model.bst")
