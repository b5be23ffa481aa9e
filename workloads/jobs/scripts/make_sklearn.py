# pyright: basic, reportMissingImports=false
"""Trains the random forest of the requirement document and stores it where KServe's scikit-learn server looks."""

import os
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

if __name__ == "__main__":
    rows, labels = load_iris(return_X_y=True)
    model = RandomForestClassifier(n_estimators=100, random_state=42).fit(rows, labels)
    joblib.dump(model, Path(os.environ["MODELS"]) / "model.joblib")
