"""Model files: how each kind is written, read and asked. It trusts what train.py wrote, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, CLASSES, HIDDEN = 4, 3, 16
Rows = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A model in memory."""

    features: int
    classify: Callable[[Rows], tuple[Rows, Rows]]  # rows -> classes, share of each class


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of model file."""

    suffix: str
    save: Callable[[Any, Path], object]
    load: Callable[[Path], Loaded]


def load(kind: str, file: Path) -> Loaded:
    """Read a model file."""
    return KINDS[kind].load(file)


def network() -> Any:
    """The PyTorch classifier of iris flowers, untrained."""
    from torch import nn

    return nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))


def _save_sklearn(model: Any, file: Path) -> None:
    import joblib

    joblib.dump(model, file)


def _load_sklearn(file: Path) -> Loaded:
    import joblib

    model = joblib.load(file)

    def classify(rows: Rows) -> tuple[Rows, Rows]:
        shares = model.predict_proba(rows)
        return model.classes_[shares.argmax(axis=1)], shares

    return Loaded(features=model.n_features_in_, classify=classify)


def _save_xgboost(model: Any, file: Path) -> None:
    model.save_model(file)


def _load_xgboost(file: Path) -> Loaded:
    import xgboost

    booster = xgboost.Booster(model_file=file)
    booster.set_param({"nthread": 1})

    def classify(rows: Rows) -> tuple[Rows, Rows]:
        shares = booster.inplace_predict(rows)
        return shares.argmax(axis=1), shares

    return Loaded(features=booster.num_features(), classify=classify)


def _save_torch(model: Any, file: Path) -> None:
    import torch

    torch.save(model.state_dict(), file)


def _load_torch(file: Path) -> Loaded:
    import torch

    torch.set_num_threads(1)
    model = network()
    model.load_state_dict(torch.load(file, weights_only=True))
    model.eval()

    def classify(rows: Rows) -> tuple[Rows, Rows]:
        with torch.inference_mode():
            shares = torch.softmax(model(torch.from_numpy(np.array(rows))), dim=1).numpy()
        return shares.argmax(axis=1), shares

    return Loaded(features=FEATURES, classify=classify)


KINDS = {
    "sklearn": Kind(suffix="joblib", save=_save_sklearn, load=_load_sklearn),
    "xgboost": Kind(suffix="ubj", save=_save_xgboost, load=_load_xgboost),
    "torch": Kind(suffix="pt", save=_save_torch, load=_load_torch),
}
