"""Trains one classifier of iris flowers until it is good enough, and writes the model and what is known about it.

FOLDER/model.SUFFIX   the model
FOLDER/about.json     accuracy, sizes, hash, the mean row, and golden rows with the answers that the library gives here
FOLDER/events*        the training's curve for TensorBoard
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import formats
import numpy as np
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

Told = Callable[[int, float], None]  # step, loss


def svc(rows: Any, labels: Any, seed: int, told: Told) -> tuple[str, Any]:
    """Support vectors."""
    model = SVC(probability=True, random_state=seed).fit(rows, labels)
    told(1, 1 - model.score(rows, labels))
    return "sklearn", model


def forest(rows: Any, labels: Any, seed: int, told: Told) -> tuple[str, Any]:
    """A random forest of 100 trees, grown in ten parts."""
    model = RandomForestClassifier(n_estimators=0, warm_start=True, random_state=seed)
    for trees in range(10, 101, 10):
        model.set_params(n_estimators=trees).fit(rows, labels)
        told(trees, 1 - model.score(rows, labels))
    return "sklearn", model


def boosted(rows: Any, labels: Any, seed: int, told: Told) -> tuple[str, Any]:
    """Fifty boosted trees."""
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=50, max_depth=3, random_state=seed, n_jobs=1)
    model.fit(rows, labels, eval_set=[(rows, labels)], verbose=False)
    for step, loss in enumerate(model.evals_result()["validation_0"]["mlogloss"], start=1):
        told(step, loss)
    return "xgboost", model


def network(rows: Any, labels: Any, seed: int, told: Told) -> tuple[str, Any]:
    """A small neural network."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model, loss = formats.network(), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, wanted = torch.from_numpy(rows), torch.from_numpy(labels)
    for step in range(1, 301):
        optimizer.zero_grad()
        now = loss(model(inputs), wanted)
        now.backward()
        optimizer.step()
        told(step, now.item())
    return "torch", model


MODELS = {"svc": svc, "forest": forest, "xgboost": boosted, "torch": network}


def main() -> int:
    """Train; fails if the model is worse than asked for on flowers that it has not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--golden", type=int, default=50, help="flowers whose answers are written down")
    parser.add_argument("--target", type=float, default=0.9, help="accuracy that must be reached")
    options = parser.parse_args()
    began = time.monotonic()
    rows, labels = load_iris(return_X_y=True)
    seen, unseen, seen_labels, unseen_labels = train_test_split(
        rows.astype(np.float32), labels, test_size=0.2, stratify=labels, random_state=options.seed
    )
    options.out.mkdir(parents=True, exist_ok=True)
    curve = EventFileWriter(str(options.out))

    def told(step: int, loss: float) -> None:
        value = Summary.Value(tag="loss", simple_value=loss)
        curve.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))

    kind, model = MODELS[options.model](seen, seen_labels, options.seed, told)
    curve.close()
    file = options.out / f"model.{formats.KINDS[kind].suffix}"
    formats.KINDS[kind].save(model, file)
    accuracy = float((_asked(kind, model, unseen)[0] == unseen_labels).mean())
    golden = _golden(rows, options.golden, options.seed)
    classes, shares = _asked(kind, model, golden)
    about = {
        "model": options.model,
        "kind": kind,
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "accuracy": accuracy,
        "seconds": time.monotonic() - began,
        "mean": rows.mean(axis=0).tolist(),
        "golden": {"rows": golden.tolist(), "classes": classes.tolist(), "probabilities": shares.tolist()},
    }
    (options.out / "about.json").write_text(json.dumps(about), encoding="utf-8")
    return 0 if accuracy >= options.target else 1


def _golden(rows: Any, count: int, seed: int) -> Any:
    """Flowers like the known ones, but not the same: each measure is moved a little."""
    chance = np.random.default_rng(seed)
    near = rows[chance.integers(len(rows), size=count)] + chance.normal(0, 0.1, size=(count, rows.shape[1]))
    return near.round(2).astype(np.float32)


def _asked(kind: str, model: Any, rows: Any) -> tuple[Any, Any]:
    """The library's own answer, without the file and without a server between."""
    if kind == "torch":
        import torch

        with torch.inference_mode():
            shares = torch.softmax(model(torch.from_numpy(rows)), dim=1).numpy()
    else:
        shares = model.predict_proba(rows)
    return shares.argmax(axis=1), shares


if __name__ == "__main__":
    sys.exit(main())
