"""Criteria of model serving: requirement documents, sections 3 and 6."""

from __future__ import annotations

from workloads.backends.process import gateway, models
from workloads.checks import inference, serving
from workloads.criterion import RUNNING_CONTAINERS, TENANT, Criterion
from workloads.outcome import Better

_CLAUSE = "3 Model Serving"
_MACHINE = "KServe's model server on this machine, over its own loopback interface"
_SERVICES = "InferenceServices, and what KServe makes of them"
_NO_REQUESTS = "is measured on this machine only: no load generator has run in a cluster yet"
_SERVED = {"sklearn": models.FOREST, "xgboost": models.XGBOOST, "pytorch": models.TORCH}


def _models() -> tuple[Criterion, ...]:
    answers = tuple(
        Criterion(
            id=f"serving.{name}-answers",
            title=f"A {name} model gives its known answers over V1 and V2, and refuses what is no input",
            clause=_CLAUSE,
            process=serving.answers(served),
            bench_place=_MACHINE,
            unmeasured=_NO_REQUESTS,
        )
        for name, served in _SERVED.items()
    )
    in_time = tuple(
        Criterion(
            id=f"serving.{name}-latency",
            title=f"95 % of the requests to a {name} model are answered within 200 ms",
            clause=_CLAUSE,
            process=serving.latency(served, f"serving.{name}-latency"),
            bench_place=_MACHINE,
            unmeasured=_NO_REQUESTS,
            unit="ms",
            threshold=200.0,
            better=Better.LOWER,
        )
        for name, served in _SERVED.items()
    )
    return (*answers, *in_time)


SERVING: tuple[Criterion, ...] = (
    *(
        Criterion(
            id=f"serving.{kind}-service",
            title=f"A model of {kind} becomes a service that is Ready; a broken one is refused",
            clause=_CLAUSE,
            cluster=inference.ready(kind),
            place=_SERVICES,
            needs=(TENANT,),
            required=False,
        )
        for kind in ("sklearn", "xgboost", "pytorch", "tensorflow")
    ),
    *_models(),
    Criterion(
        id="serving.batch",
        title="10,000 rows an hour are answered, each once and rightly, with minimal downtime",
        clause=_CLAUSE,
        process=serving.batch,
        bench_place=_MACHINE,
        unmeasured=_NO_REQUESTS,
        unit="rows/hour",
        threshold=10_000.0,
    ),
    Criterion(
        id="serving.day",
        title="100,000 requests a day, compressed and with bursts, are answered without failure",
        clause="6 Performance Testing",
        process=serving.day,
        bench_place=_MACHINE,
        unmeasured=_NO_REQUESTS,
    ),
    Criterion(
        id="serving.transformer",
        title="A transformer before a model gives what the model gives for the transformed input",
        clause=_CLAUSE,
        process=serving.transformed,
        bench_place=_MACHINE,
        unmeasured=_NO_REQUESTS,
        required=False,
    ),
    Criterion(
        id="serving.explainer",
        title="Explanations add up to the model's answer",
        clause=_CLAUSE,
        process=serving.explained,
        bench_place=_MACHINE,
        unmeasured=_NO_REQUESTS,
        required=False,
    ),
    Criterion(
        id="serving.explained-service",
        title="A model with its transformer and its explainer becomes three parts with a pod each",
        clause=_CLAUSE,
        cluster=inference.explained,
        place=_SERVICES,
        needs=(TENANT,),
        required=False,
    ),
    Criterion(
        id="serving.canary-service",
        title="A new version gets a share, then everything, then nothing again",
        clause=_CLAUSE,
        cluster=inference.canary,
        place=_SERVICES,
        needs=(TENANT,),
        required=False,
    ),
    Criterion(
        id="serving.versions-service",
        title="Two versions stand behind one address; weights that do not add up are refused",
        clause=_CLAUSE,
        cluster=inference.split,
        place=_SERVICES,
        needs=(TENANT,),
        required=False,
    ),
    Criterion(
        id="serving.canary",
        title="A canary gets the share of the requests that it is given; promoting and rolling back loses none",
        clause=_CLAUSE,
        cluster=inference.split_is_measured,
        process=serving.split(gateway.between(models.REVISIONS, "/v1/models/iris:predict")),
        place=_SERVICES,
        bench_place="two KServe model servers behind an Envoy on this machine",
        needs=(TENANT, RUNNING_CONTAINERS),
        required=False,
    ),
    Criterion(
        id="serving.autoscaling",
        title="Replicas follow the load, from zero and back",
        clause=_CLAUSE,
        needs=(TENANT, RUNNING_CONTAINERS),
        required=False,
        unmeasured="needs pods that run; no cluster with containers was there to build it against",
    ),
)
