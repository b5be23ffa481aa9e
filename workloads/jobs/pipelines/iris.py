"""Iris flowers: preprocess, train a random forest, evaluate it; the run and the model go to MLflow.

Nothing is installed when a step starts: in a cluster that reaches no package index that could only fail.
"""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

IMAGE = "kubeflow-proof/models:1"  # built from workloads/images/models


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def preprocess(seed: int, held_out: float, seen: Output[Dataset], unseen: Output[Dataset]) -> int:
    """Split the flowers, each species in proportion."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    flowers = load_iris(as_frame=True).frame
    one, other = train_test_split(flowers, test_size=held_out, stratify=flowers["target"], random_state=seed)
    one.to_csv(seen.path, index=False)
    other.to_csv(unseen.path, index=False)
    return len(flowers)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(seen: Input[Dataset], trees: int, seed: int, model: Output[Model]) -> None:
    """Grow the forest."""
    import joblib
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier

    flowers = pd.read_csv(seen.path)
    forest = RandomForestClassifier(n_estimators=trees, random_state=seed)
    forest.fit(flowers.drop(columns="target").to_numpy(), flowers["target"])
    model.metadata["framework"] = "scikit-learn"
    joblib.dump(forest, model.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    model: Input[Model],
    seen: Input[Dataset],
    unseen: Input[Dataset],
    folds: int,
    repeats: int,
    seed: int,
    metrics: Output[Metrics],
) -> float:
    """Accuracy on flowers never seen, and the mean of repeated cross-validation: one split of 30 proves little."""
    import joblib
    import pandas as pd
    from sklearn.base import clone
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

    forest = joblib.load(model.path)
    held_out = pd.read_csv(unseen.path)
    every = pd.concat([pd.read_csv(seen.path), held_out])
    rows, labels = every.drop(columns="target").to_numpy(), every["target"].to_numpy()
    rounds = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    scores = cross_val_score(clone(forest), rows, labels, cv=rounds)
    accuracy = float(forest.score(held_out.drop(columns="target").to_numpy(), held_out["target"]))
    metrics.log_metric("accuracy", accuracy)
    metrics.log_metric("cross_validation_mean", float(scores.mean()))
    metrics.log_metric("cross_validation_rounds", len(scores))
    return accuracy


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    model: Input[Model], metrics: Input[Metrics], tracking: str, experiment: str, name: str, least: float, trees: int
) -> str:
    """Log the run, and register the model if it is good enough: its version, or nothing."""
    import joblib
    import mlflow
    import mlflow.sklearn

    mlflow.set_tracking_uri(tracking)
    mlflow.set_experiment(experiment)
    figures = {key: float(value) for key, value in metrics.metadata.items() if isinstance(value, int | float)}
    with mlflow.start_run():
        mlflow.log_param("trees", trees)
        mlflow.log_metrics(figures)
        logged = mlflow.sklearn.log_model(
            joblib.load(model.path), name="model", pip_requirements=["scikit-learn"], serialization_format="cloudpickle"
        )
        if figures["accuracy"] < least:
            return ""
        return str(mlflow.register_model(logged.model_uri, name).version)


@dsl.pipeline(name="iris", description="Preprocess, train, evaluate, register")
def iris(
    tracking: str,
    experiment: str = "iris",
    name: str = "iris",
    least: float = 0.9,
    trees: int = 100,
    seed: int = 42,
    folds: int = 5,
    repeats: int = 10,
) -> str:
    """The whole way from data to a registered model."""
    data = preprocess(seed=seed, held_out=0.2)
    forest = train(seen=data.outputs["seen"], trees=trees, seed=seed)
    judged = evaluate(
        model=forest.outputs["model"],
        seen=data.outputs["seen"],
        unseen=data.outputs["unseen"],
        folds=folds,
        repeats=repeats,
        seed=seed,
    )
    return register(
        model=forest.outputs["model"],
        metrics=judged.outputs["metrics"],
        tracking=tracking,
        experiment=experiment,
        name=name,
        least=least,
        trees=trees,
    ).output
