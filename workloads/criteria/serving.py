"""Criteria of model serving: requirement documents, sections 3 and 6."""

from __future__ import annotations

from workloads.backends.cluster import door
from workloads.backends.process import gateway, models
from workloads.checks import autoscaling, inference, served, serving
from workloads.criterion import DOOR, RUNNING_CONTAINERS, TENANT, Criterion
from workloads.outcome import Better

_CLAUSE = "3 Model Serving"
_MACHINE = "KServe's model server on this machine, over its own loopback interface"
_SERVICES = "InferenceServices, and what KServe makes of them"
_THERE = (TENANT, RUNNING_CONTAINERS, DOOR)
_SERVED = {"sklearn": models.FOREST, "xgboost": models.XGBOOST, "pytorch": models.TORCH}


def _models() -> tuple[Criterion, ...]:
    answers = tuple(
        Criterion(
            id=f"serving.{name}-answers",
            title=f"A {name} model gives its known answers over its protocols, and refuses what is no input",
            clause=_CLAUSE,
            cluster=served.answers(name),
            process=serving.answers(model),
            place=door.PLACE,
            bench_place=_MACHINE,
            needs=_THERE,
        )
        for name, model in _SERVED.items()
    )
    in_time = tuple(
        Criterion(
            id=f"serving.{name}-latency",
            title=f"95 % of the requests to a {name} model are answered within 200 ms",
            clause=_CLAUSE,
            cluster=served.latency(name, f"serving.{name}-latency"),
            process=serving.latency(model, f"serving.{name}-latency"),
            place=door.PLACE,
            bench_place=_MACHINE,
            needs=_THERE,
            unit="ms",
            threshold=200.0,
            better=Better.LOWER,
        )
        for name, model in _SERVED.items()
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
        cluster=served.batch,
        process=serving.batch,
        place=door.PLACE,
        bench_place=_MACHINE,
        needs=_THERE,
        unit="rows/hour",
        threshold=10_000.0,
    ),
    Criterion(
        id="serving.day",
        title="100,000 requests a day, compressed and with bursts, are answered without failure",
        clause="6 Performance Testing",
        cluster=served.day,
        process=serving.day,
        place=door.PLACE,
        bench_place=_MACHINE,
        needs=_THERE,
    ),
    Criterion(
        id="serving.transformer",
        title="A transformer before a model gives what the model gives for the transformed input",
        clause=_CLAUSE,
        cluster=served.transformed,
        process=serving.transformed,
        place=door.PLACE,
        bench_place=_MACHINE,
        needs=_THERE,
        required=False,
    ),
    Criterion(
        id="serving.explainer",
        title="Explanations add up to the model's answer",
        clause=_CLAUSE,
        cluster=served.explained,
        process=serving.explained,
        place=door.PLACE,
        bench_place=_MACHINE,
        needs=_THERE,
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
        cluster=served.split,
        process=serving.split(gateway.between(models.REVISIONS, "/v1/models/iris:predict")),
        place=door.PLACE,
        bench_place="two KServe model servers behind an Envoy on this machine",
        needs=_THERE,
        required=False,
    ),
    Criterion(
        id="serving.autoscaling",
        title="Replicas follow the load, from zero and back",
        clause=_CLAUSE,
        cluster=autoscaling.follows,
        place=door.PLACE,
        needs=_THERE,
        required=False,
    ),
)
