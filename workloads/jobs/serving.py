"""Models as services: KServe's own runtimes serve what an init container has trained, so that no model store is needed.

Canary and A/B: by revisions where Knative is there (`canaryTrafficPercent`), by an InferenceGraph's weights elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workloads.jobs import batch, images, surroundings
from workloads.jobs.images import Image
from workloads.jobs.surroundings import (
    SCRIPTS,
    SERVING,
    Amounts,
    Surroundings,
    secure,
    volumes,
)

Json = dict[str, Any]

MODELS = "/mnt/models"  # where KServe's runtimes look
SAID = "/dev/termination-log"  # where a maker leaves the answers that its model gives
MODE = "serving.kserve.io/deploymentMode"
AMOUNTS = Amounts(cpu="250m", memory="1Gi")
LOADED = Amounts(cpu="1", memory="1Gi")  # of a server that a load is offered to
ECHO, ECHOING = "echo.py", Amounts(cpu="500m", memory="256Mi")
_MAKING_SECONDS = 900  # images of several GiB are pulled meanwhile
_KSERVE = ("--model_name={name}", f"--model_dir={MODELS}", "--http_port=8080")


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """One model format: the server that KServe's runtime of 26.03 names, and the script that makes the model."""

    runtime: str
    protocol: str
    image: Image
    arguments: tuple[str, ...]
    maker: Image
    script: str
    command: tuple[str, ...] = ()


SERVED: Mapping[str, Served] = {
    "sklearn": Served(
        runtime="kserve-sklearnserver",
        protocol="v1",
        image=images.SKLEARN,
        arguments=_KSERVE,
        maker=images.SKLEARN,
        script="make_sklearn.py",
    ),
    "xgboost": Served(
        runtime="kserve-xgbserver",
        protocol="v1",
        image=images.XGBOOST,
        arguments=_KSERVE,
        maker=images.XGBOOST,
        script="make_xgboost.py",
    ),
    "tensorflow": Served(
        runtime="kserve-tensorflow-serving",
        protocol="v1",
        image=images.TENSORFLOW_SERVING,
        command=("/usr/bin/tensorflow_model_server",),
        arguments=("--model_name={name}", "--port=9000", "--rest_api_port=8080", f"--model_base_path={MODELS}"),
        maker=images.TENSORFLOW,
        script="make_tensorflow.py",
    ),
    "pytorch": Served(
        runtime="kserve-tritonserver",  # TorchServe is not maintained any more
        protocol="v2",
        image=images.TRITON,
        command=("tritonserver",),
        arguments=(f"--model-store={MODELS}", "--grpc-port=9000", "--http-port=8080", "--allow-http=true"),
        maker=images.PYTORCH,
        script="make_pytorch.py",
    ),
}


def service(here: Surroundings, kind: str, name: str, *, replicas: int = 1) -> Json:
    """A server with a model of its own making. Without a store KServe takes a `model` for a server of many models."""
    served = SERVED[kind]
    maker = here.container(
        "make-model",
        served.maker,
        AMOUNTS,
        command=["python", f"{SCRIPTS}/{served.script}"],
        environment=_making(name, rows=1),
        mounts={"model": MODELS},
    )
    server = here.container("kserve-container", served.image, AMOUNTS, command=served.command, mounts={"model": MODELS})
    server |= {
        "args": [one.format(name=name) for one in served.arguments],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
    }
    if not served.command:
        del server["command"]
    predictor = {**_component(here, name, replicas), "initContainers": [maker], "containers": [server]}
    predictor["volumes"] = [*predictor["volumes"], {"name": "model", "emptyDir": {"sizeLimit": "2Gi"}}]
    return _service(name, {"predictor": predictor}, {MODE: "Standard"})


def stored(
    here: Surroundings, kind: str, name: str, uri: str, *, mode: str = "Standard", amounts: Amounts = AMOUNTS
) -> Json:
    """A model out of a store, served by KServe's own runtime."""
    served = SERVED[kind]
    predictor = _component(here, name, 1, mode)
    predictor["model"] = {
        "modelFormat": {"name": kind},
        "runtime": served.runtime,
        "protocolVersion": served.protocol,
        "storageUri": uri,
        "resources": here.resources(amounts),
    }
    return _service(name, {"predictor": predictor}, {MODE: mode})


def store(here: Surroundings, name: str) -> Json:
    """A volume for one model."""
    return surroundings.claim(name, here.target.storage.block, shared=False, size="1Gi")


def place(name: str) -> str:
    """Where a maker puts its model into the store of this name: not at its top, where file systems keep their own."""
    return f"pvc://{name}/models"


def maker(here: Surroundings, kind: str, name: str, *, rows: int, quick: bool = False) -> Json:
    """A job that makes a model and stores it; it ends by saying what the model answers to so many rows."""
    served = SERVED[kind]
    container = here.container(
        "make-model",
        served.maker,
        LOADED,
        command=["python", f"{SCRIPTS}/{served.script}"],
        environment=_making(name, rows=rows, folder="/store/models", quick=quick),
        mounts={"store": "/store"},
    )
    made = batch.job(here, name, container, deadline_seconds=_MAKING_SECONDS)
    claim = {"name": "store", "persistentVolumeClaim": {"claimName": name}}
    made["spec"]["template"]["spec"]["volumes"].append(claim)
    return made


def echo(here: Surroundings, name: str, *, replicas: tuple[int, int], each: int = 0) -> Json:
    """Something that answers at once, and next to nothing: what stands behind a gateway when that is measured.

    With `each` a replica is wanted for so many requests a second.
    """
    command = ["python", f"{SCRIPTS}/{ECHO}"]
    container = here.container("kserve-container", images.SKLEARN, ECHOING, command=command)
    container["ports"] = [{"containerPort": 8080, "protocol": "TCP"}]
    least, most = replicas
    component = {**_component(here, name, least, "Knative"), "maxReplicas": most, "volumes": volumes(name)}
    component["containers"] = [container]
    if each:
        component |= {"scaleMetric": "rps", "scaleTarget": each}
    return _service(name, {"predictor": component}, {MODE: "Knative"})


def explained(here: Surroundings, name: str) -> Json:
    """The random forest with a transformer before it and an explainer beside it, each a container of its own."""
    return _around(here, service(here, "sklearn", name), "transformer", "explainer", mode="Standard")


def around(here: Surroundings, name: str, part: str) -> Json:
    """The random forest of a store with one part before or beside it, behind the gateway."""
    return _around(here, stored(here, "sklearn", name, place(name), mode="Knative"), part, mode="Knative")


def _around(here: Surroundings, made: Json, *parts: str, mode: str) -> Json:
    name = made["metadata"]["name"]
    for part in parts:
        command = ["python", f"{SCRIPTS}/{part}.py"]
        container = here.container("kserve-container", images.SKLEARN, AMOUNTS, command=command)
        container["args"] = ["--model_name", name]
        component = {**_component(here, name, 1, mode), "volumes": volumes(name)}
        made["spec"][part] = {**component, "containers": [container]}
    return made


def versioned(here: Surroundings, name: str, version: str, *, mode: str) -> Json:
    """A model that names its version in every answer, so that a split of traffic can be counted."""
    container = here.container(
        "kserve-container",
        images.SKLEARN,
        AMOUNTS,
        command=["python", f"{SCRIPTS}/predictor.py"],
        environment={"VERSION": version},
    )
    container["args"] = ["--model_name", name]
    component = {**_component(here, name, 1, mode), "volumes": volumes(name), "containers": [container]}
    if mode == "Knative":
        del component["maxReplicas"]  # two revisions stand side by side
    return _service(name, {"predictor": component}, {MODE: mode})


def canary(made: Json, version: str, percent: int) -> None:
    """Change a service that runs: the new version gets its share, the one before keeps the rest."""
    predictor = made["spec"]["predictor"]
    predictor["canaryTrafficPercent"] = percent
    for one in predictor["containers"][0]["env"]:
        if one["name"] == "VERSION":
            one["value"] = version


def split(here: Surroundings, name: str, weights: Mapping[str, int]) -> Json:
    """One address for several services, each with its share of the requests in percent."""
    if sum(weights.values()) != 100:  # noqa: PLR2004 - percent
        raise ValueError(f"weights of {name}: expected 100 in all, found {sum(weights.values())}")
    steps = [{"serviceName": service, "weight": weight} for service, weight in weights.items()]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "InferenceGraph",
        "metadata": {"name": name, "annotations": {MODE: "Standard"}},
        "spec": {
            "nodes": {"root": {"routerType": "Splitter", "steps": steps}},
            "resources": here.resources(Amounts(cpu="100m", memory="128Mi")),
        },
    }


def _making(name: str, *, rows: int, folder: str = MODELS, quick: bool = False) -> dict[str, str]:
    """What a maker is told. `quick`: a model that answers in less time, where the script knows one."""
    told = {"MODEL": name, "MODELS": folder, "ROWS": str(rows), "SAID": SAID}
    return {**told, "QUICK": "yes"} if quick else told


def _component(here: Surroundings, scripts: str, replicas: int, mode: str = "Standard") -> Json:
    count = {"minReplicas": replicas, "maxReplicas": replicas}
    if mode == "Knative":  # which lets nothing be said about placement, nor of the pod as a whole
        return count
    return {
        **count,
        "volumes": volumes(scripts),
        "securityContext": secure(),
        **here.placement(AMOUNTS),
        **here.priority(SERVING),
    }


def _service(name: str, spec: Json, annotations: Mapping[str, str]) -> Json:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "annotations": dict(annotations)},
        "spec": spec,
    }


def scripts(kind: str) -> tuple[str, ...]:
    """The scripts that a service needs in its ConfigMap."""
    return {
        "explained": ("make_sklearn.py", "transformer.py", "explainer.py"),
        "versioned": ("predictor.py",),
        "echo": (ECHO,),
        "transformer": ("make_sklearn.py", "transformer.py"),
        "explainer": ("make_sklearn.py", "explainer.py"),
    }.get(kind) or (SERVED[kind].script,)
