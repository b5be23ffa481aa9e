"""Criteria of model training, pipelines and tuning: requirement documents, section 2."""

from __future__ import annotations

from workloads.checks import jobs, pipelines, training, tuning
from workloads.criterion import GPU_POOL, RUNNING_CONTAINERS, TENANT, Criterion
from workloads.jobs.training import FORMS, SIZES

_CLAUSE = "2 Model Training"
_MACHINE = "PyTorch processes of this machine, over its own loopback interface; no GPU, no second node"
_PIPELINES = "the pipelines' own steps as processes of this machine; no pipeline server"
_PODS = "pods of the cluster, and what upstream's controllers make of a job"
_MEASURED_ON_BENCH = (
    "is measured on this machine only: the job that would do it on several nodes has not run anywhere yet"
)


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
        cluster=jobs.manifests_are_accepted,
        needs=(TENANT,),
        required=False,
    ),
    *_forms(),
    *(
        Criterion(
            id=f"training.distributed-{size}",
            title=f"Two ranks train a {size} model together; the loss falls and the model comes back from the store",
            clause=_CLAUSE,
            process=training.trains(size),
            bench_place=_MACHINE,
            unmeasured=_MEASURED_ON_BENCH,
            required=False,
        )
        for size in ("small", "medium")
    ),
    Criterion(
        id="training.scaling",
        title="Distributed training scales linearly: n ranks do nearly n times the work of one",
        clause=_CLAUSE,
        process=training.scaling("training.scaling"),
        bench_place=_MACHINE,
        unmeasured=_MEASURED_ON_BENCH,
        unit="of 1",
        threshold=0.8,
        required=False,
    ),
    Criterion(
        id="training.speed",
        title="Training speed is recorded in models an hour",
        clause="6 Performance Testing",
        process=training.speed,
        bench_place=_MACHINE,
        unmeasured=_MEASURED_ON_BENCH,
        required=False,
    ),
    Criterion(
        id="training.gpu-utilisation",
        title="GPUs are busy for at least 85 % of training",
        clause=_CLAUSE,
        needs=(TENANT, GPU_POOL, RUNNING_CONTAINERS),
        unit="of 1",
        threshold=0.85,
        unmeasured="needs the DCGM series of a training run on real GPUs; no such run was possible yet",
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
        process=pipelines.hello,
        bench_place=_PIPELINES,
        unmeasured="runs on this machine only: no client of the pipeline server is built yet",
    ),
    Criterion(
        id="pipelines.iris",
        title="Preprocessing, training and evaluation give a good model; run and model are registered",
        clause=_CLAUSE,
        process=pipelines.iris,
        bench_place=_PIPELINES,
        unmeasured="runs on this machine only: no client of the pipeline server is built yet",
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
        process=training.artifacts,
        bench_place="an S3 server (moto) on this machine; no cloud's object store",
        unmeasured="is measured on this machine only: the cloud's own store has not been asked yet",
        required=False,
    ),
    Criterion(
        id="monitoring.tensorboard",
        title="TensorBoard shows the curve that training wrote, and nothing that nobody wrote",
        clause="4 Model Metrics and Monitoring",
        process=training.curves,
        bench_place="TensorBoard on this machine",
        unmeasured="is measured on this machine only",
        required=False,
    ),
)
