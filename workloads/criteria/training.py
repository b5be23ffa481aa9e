"""Criteria of model training, pipelines and tuning: requirement documents, section 2."""

from __future__ import annotations

from workloads.checks import (
    curves,
    features,
    jobs,
    kept,
    manifests,
    pace,
    pipeline_runs,
    pipelines,
    registry,
    stores,
    training,
    tuning,
    utilisation,
)
from workloads.criterion import GPU_POOL, GPU_TENANT, RUNNING_CONTAINERS, TENANT, Criterion, component, image
from workloads.jobs.training import FORMS, SIZES

_CLAUSE = "2 Model Training"
_MACHINE = "PyTorch processes of this machine, over its own loopback interface; no GPU, no second node"
_PIPELINES = "the pipelines' own steps as processes of this machine; no pipeline server"
_SERVER = "the cluster's pipeline server, and the pods of its steps"
_STEPS = (TENANT, RUNNING_CONTAINERS, component("pipelines"), image(pipeline_runs.IMAGE))
_PODS = "pods of the cluster, and what upstream's controllers make of a job"


def _forms() -> tuple[Criterion, ...]:
    """Every form of job, apart from what its containers do; then every size, in containers."""
    reconciled = tuple(
        Criterion(
            id=f"training.{form.lower()}-is-reconciled",
            title=f"A {form} becomes pods that know of each other; a broken one is refused",
            clause=_CLAUSE,
            cluster=jobs.reconciled(form),
            place=_PODS,
            needs=(TENANT,),
            required=False,
        )
        for form in FORMS
    )
    trained = tuple(
        Criterion(
            id=f"training.{form.lower()}-{size.name}",
            title=f"A {form} trains a {size.name} model to the end",
            clause=_CLAUSE,
            cluster=jobs.trains(form, size),
            place=_PODS,
            needs=(TENANT, RUNNING_CONTAINERS),
            required=size.name == "small",
        )
        for form in FORMS
        for size in SIZES.values()
    )
    return (*reconciled, *trained)


TRAINING: tuple[Criterion, ...] = (
    Criterion(
        id="training.manifests-are-accepted",
        title="The API server takes every kind of job, model and search, and refuses its broken twin",
        clause=_CLAUSE,
        cluster=manifests.are_accepted,
        needs=(TENANT,),
        required=False,
    ),
    *_forms(),
    *(
        Criterion(
            id=f"training.distributed-{size}",
            title=f"Two ranks train a {size} model together; the loss falls and the model comes back from the store",
            clause=_CLAUSE,
            cluster=kept.together(size),
            process=training.trains(size),
            place="a PyTorchJob of two pods, a volume of the cluster, and a pod that reads it",
            bench_place=_MACHINE,
            needs=(TENANT, RUNNING_CONTAINERS),
            required=False,
        )
        for size in ("small", "medium")
    ),
    Criterion(
        id="training.scaling",
        title="Distributed training scales linearly: n ranks do nearly n times the work of one",
        clause=_CLAUSE,
        cluster=pace.scaling("training.scaling"),
        process=training.scaling("training.scaling"),
        place="jobs of one node and of several, in turns, by their own results",
        bench_place=_MACHINE,
        needs=(TENANT, RUNNING_CONTAINERS),
        unit="of 1",
        threshold=0.8,
        required=False,
    ),
    Criterion(
        id="training.speed",
        title="Training speed is recorded in models an hour",
        clause="6 Performance Testing",
        cluster=pace.speed,
        process=training.speed,
        place=_PODS,
        bench_place=_MACHINE,
        needs=(TENANT, RUNNING_CONTAINERS),
        required=False,
    ),
    Criterion(
        id="training.gpu-utilisation",
        title="GPUs are busy for at least 85 % of training",
        clause=_CLAUSE,
        cluster=utilisation.gpu_utilisation("training.gpu-utilisation"),
        place="the GPUs of a training job's own pods, as the cluster's Prometheus has them",
        needs=(TENANT, GPU_POOL, GPU_TENANT, RUNNING_CONTAINERS, component("kube-prometheus-stack")),
        unit="of 1",
        threshold=0.85,
    ),
    Criterion(
        id="training.batch-job-ends",
        title="A batch job comes to its end; one that fits nowhere is told apart, with the reason",
        clause=_CLAUSE,
        cluster=jobs.batch_job_ends,
        place=_PODS,
        needs=(TENANT,),
        required=False,
    ),
    Criterion(
        id="pipelines.hello",
        title="The first pipeline greets, and refuses a parameter that it does not have",
        clause=_CLAUSE,
        cluster=pipeline_runs.hello,
        process=pipelines.hello,
        place=_SERVER,
        bench_place=_PIPELINES,
        needs=_STEPS,
    ),
    Criterion(
        id="pipelines.iris",
        title="Preprocessing, training and evaluation give a good model; run and model are registered",
        clause=_CLAUSE,
        cluster=pipeline_runs.iris,
        process=pipelines.iris,
        place=f"{_SERVER}; MLflow",
        bench_place=_PIPELINES,
        needs=(*_STEPS, component("mlflow")),
    ),
    Criterion(
        id="pipelines.preprocessing",
        title="A workflow hands its counts from step to step; one whose step fails is told apart",
        clause=_CLAUSE,
        cluster=pipeline_runs.preprocessing,
        place="pods of an Argo workflow",
        needs=(TENANT, RUNNING_CONTAINERS, component("pipelines")),
        required=False,
    ),
    Criterion(
        id="registry.model",
        title="A registered model is found with version and artifact; nobody else's registry has it",
        clause=_CLAUSE,
        cluster=registry.model,
        place="the tenant's model registry",
        needs=(TENANT, RUNNING_CONTAINERS, component("model-registry")),
        required=False,
    ),
    Criterion(
        id="features.feast",
        title="The feature server has the rows that were written, and says what it does not have",
        clause=_CLAUSE,
        cluster=features.online,
        place="Feast's feature server and its databases",
        needs=(TENANT, RUNNING_CONTAINERS, component("feast-feature-server")),
        required=False,
    ),
    *(
        Criterion(
            id=f"tuning.{algorithm}",
            title=f"A search ({algorithm}) succeeds and reports the best of its own trials",
            clause=_CLAUSE,
            cluster=tuning.searched(algorithm),
            place=_PODS,
            needs=(TENANT, RUNNING_CONTAINERS),
            required=False,
        )
        for algorithm in ("random", "grid")
    ),
    Criterion(
        id="storage.artifacts",
        title="Models are stored in versions and come back as they were, to their owner and to nobody else",
        clause="7 Networking, Egress",
        cluster=stores.artifacts,
        process=training.artifacts,
        place="the object store that the tenant's workflows use, asked by a pod of the tenant",
        bench_place="an S3 server (moto) on this machine; no cloud's object store",
        needs=(TENANT, RUNNING_CONTAINERS),
        required=False,
    ),
    Criterion(
        id="monitoring.tensorboard",
        title="TensorBoard shows the curve that training wrote, and nothing that nobody wrote",
        clause="4 Model Metrics and Monitoring",
        cluster=curves.tensorboard,
        process=training.curves,
        place="a TensorBoard of the cluster over a job's volume",
        bench_place="TensorBoard on this machine",
        needs=(TENANT, RUNNING_CONTAINERS, component("tensorboard-controller")),
        required=False,
    ),
)
