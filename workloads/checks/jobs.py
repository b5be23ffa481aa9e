"""Jobs of every form: accepted, turned into pods by upstream's controllers, trained to the end, gone afterwards.

What controllers do is checked apart from what containers do: the first holds on simulated nodes too, where controllers
run beside them; the second is skipped there, for nothing runs in their pods.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

from workloads.api import Answer, Json, UnexpectedAnswerError
from workloads.backends.cluster.diagnosis import logs
from workloads.backends.cluster.following import Course, End, follow, select
from workloads.cluster import Visit
from workloads.contract import CONTAINERS, Target, Tenant
from workloads.jobs import batch, training
from workloads.jobs.surroundings import Surroundings, config_map
from workloads.outcome import Attachment, Better, Measurement, NotMeasurableError, Probes, SkippedError

WEBHOOKS = "webhooks"  # the capability of clusters whose controllers really run
LEARNED = 0.5  # share of the first loss that must be left at most
SECONDS_AN_HOUR = 3600
DEADLINES = {"small": 900, "medium": 1800, "large": 5400}  # seconds, pulling images of several GiB included
UNKNOWN_SECONDS = 10  # until a webhook has heard of an object that was just made
UNPLACED_SECONDS = 10  # a scheduler says much sooner that nothing fits
NOWHERE = "4096"  # CPUs that no machine has

Check = Callable[[Target, Visit], Probes]

# What the controller of a form writes into pods, so that the ranks find each other.
_PLACE = {
    "PyTorchJob": "WORLD_SIZE",
    "TFJob": "TF_CONFIG",
    "MPIJob": "OMPI_MCA_orte_default_hostfile",
    "TrainJob": "PET_NNODES",
}
_CONTAINER = {"PyTorchJob": "pytorch", "TFJob": "tensorflow", "MPIJob": "mpi", "TrainJob": "node"}
_CHECKED = ("PyTorchJob", "TFJob")  # whose webhook looks at the names of containers


def home(target: Target, gpus: int = 0) -> Surroundings:
    """The tenant with most GPUs, in whose namespace jobs are tried."""
    tenant: Tenant = max(target.tenants.values(), key=lambda one: one.gpus)
    if tenant.gpus < gpus:
        raise SkippedError(f"needs a tenant with {gpus} GPUs; {tenant.namespace} has most, and may use {tenant.gpus}")
    return Surroundings(target=target, tenant=tenant)


def need_controllers(target: Target) -> None:
    """Skip where upstream's controllers are pods that only pretend to run."""
    if WEBHOOKS not in target.capabilities:
        raise SkippedError("upstream's controllers run in containers, and this cluster's nodes are simulated")


def need_containers(target: Target, what: str) -> None:
    """Skip what happens inside of containers where none runs."""
    if CONTAINERS not in target.capabilities:
        raise SkippedError(f"{what} inside of containers, and this cluster's nodes are simulated")


def reconciled(form: str) -> Check:
    """The check that upstream's controller turns a form of job into pods that know of each other."""

    def check(target: Target, visit: Visit) -> Probes:
        need_controllers(target)
        probes, here = Probes(), home(target)
        name, size = f"proof-{form.lower()}", training.SMALL
        made = started(probes, visit, here, form=form, size=size, name=name)
        if made is None:
            return probes
        count = training.pods(form, size)
        course = follow(visit, made, wanted=End.RUNNING, seconds=visit.timeout_seconds)
        placed = [one for one in course.pods if one.node]
        held = course.end in {End.RUNNING, End.SUCCEEDED} and len(placed) == count
        probes.positive(f"a {form} becomes {count} pods that run", held=held, saw=str(course))
        told = _told(visit, made, _PLACE[form])
        needed = 1 if form == "MPIJob" else count  # its launcher alone starts the ranks
        claim = f"the controller tells {needed} of the {count} pods where the others are ({_PLACE[form]})"
        probes.positive(claim, held=len(told) == needed, saw=f"told: {', '.join(told) or 'none'}")
        _refused(probes, visit, here, form)
        visit.remove(made)
        left = visit.watch(lambda: _pods(visit, made), lambda found: not found)
        names = ", ".join(one["metadata"]["name"] for one in left)
        probes.negative(f"no pod outlives its {form}", held=not left, saw=names or "none")
        return probes

    return check


def trains(form: str, size: training.Size) -> Check:
    """The check that a job of some form and size learns, and says so in its last words."""

    def check(target: Target, visit: Visit) -> Probes:
        need_containers(target, f"a {form} trains")
        probes, here = Probes(), home(target, size.nodes * size.amounts.gpus)
        made = started(probes, visit, here, form=form, size=size, name=f"proof-{form.lower()}-{size.name}")
        if made is None:
            return probes
        course = follow(visit, made, wanted=End.SUCCEEDED, seconds=DEADLINES[size.name])
        probes.positive(f"a {size.name} {form} succeeds", held=course.end is End.SUCCEEDED, saw=str(course))
        for one in course.pods[:1]:
            text = logs(visit, one, here.namespace, _CONTAINER[form])
            probes.attachments.append(Attachment(name=f"{one.name}.log", text=text))
        restarted = [one.name for one in course.pods if one.restarts]
        probes.negative("no container is restarted", held=not restarted, saw=", ".join(restarted) or "none")
        if course.end is End.SUCCEEDED:
            learned(probes, form, size, course)
        return probes

    return check


def learned(probes: Probes, form: str, size: training.Size, course: Course) -> None:
    """Read the result that a job has left, and compare it with what was asked for."""
    try:
        result: Json = json.loads(course.message)
        first, last = float(result["loss"]["first"]), float(result["loss"]["last"])
        world, parameters, speed = result["world"], result["parameters"], float(result["samplesPerSecond"])
    except (ValueError, KeyError, TypeError) as error:
        raise NotMeasurableError(f"the {form} ended without a result that can be read: {course.message!r}") from error
    saw = f"loss {first:.3f} -> {last:.3f}"
    probes.positive(f"the loss falls to {LEARNED:.0%} or less", held=last <= LEARNED * first, saw=saw)
    saw = f"{world} ranks, {parameters} parameters"
    held = world >= size.nodes and parameters == size.parameters
    probes.positive(f"{size.nodes} nodes train {size.parameters} parameters", held=held, saw=saw)
    if "ranksAgree" in result:
        held = result["ranksAgree"] is True
        probes.negative("no rank has learned anything else than the others", held=held, saw=str(result["ranksAgree"]))
    kinds = {"models per hour": (SECONDS_AN_HOUR / course.seconds, "/h"), "samples per second": (speed, "/s")}
    for metric, (value, unit) in kinds.items():
        figure = Measurement(metric=metric, value=value, unit=unit, n=1, method="one run", better=Better.HIGHER)
        probes.measured(f"{metric} of a {size.name} {form} are recorded", figure, held=True)


def batch_job_ends(target: Target, visit: Visit) -> Probes:
    """A batch job comes to its end; one that fits nowhere is told apart from it, with the reason."""
    probes, here = Probes(), home(target)
    visit.submit(here.namespace, config_map("proof-batch", "trial.py"))
    command = ["python", "/scripts/trial.py", "--learning-rate=0.1", "--depth=4"]
    container = here.container("batch", batch.images.PYTHON, batch.AMOUNTS, command=command)
    job = batch.job(here, "proof-batch", container, deadline_seconds=SECONDS_AN_HOUR)
    course = follow(visit, visit.submit(here.namespace, job), wanted=End.SUCCEEDED, seconds=visit.timeout_seconds)
    probes.positive("a batch job comes to its end", held=course.end is End.SUCCEEDED, saw=str(course))
    big = copy.deepcopy(batch.job(here, "proof-giant", container, deadline_seconds=SECONDS_AN_HOUR))
    asked = big["spec"]["template"]["spec"]["containers"][0]["resources"]
    asked.update({part: {**asked[part], "cpu": NOWHERE} for part in ("requests", "limits")})
    course = follow(visit, visit.submit(here.namespace, big), wanted=End.SUCCEEDED, seconds=UNPLACED_SECONDS)
    told = any(word in course.why for word in ("unschedulable", "exceeded quota", "Insufficient", "suspended"))
    claim = f"a job of {NOWHERE} CPUs does not run, and it is said why"
    probes.negative(claim, held=course.end is End.WAITING and told, saw=str(course))
    return probes


def started(
    probes: Probes, visit: Visit, here: Surroundings, *, form: str, size: training.Size, name: str
) -> Json | None:
    """Create a job with its scripts; a refusal is what was seen, not an error of the check."""
    visit.submit(here.namespace, config_map(name, training.SCRIPT[form]))
    made: Json | None = None
    for body in training.FORMS[form](here, size, name):
        made = created(probes, visit, here, body)
        if made is None:
            return None
    return made


def _is_known(answer: Answer) -> bool:
    """Whether a webhook has heard of what the object names: its own cache comes a moment later."""
    return "must be created before" not in answer.message


def created(probes: Probes, visit: Visit, here: Surroundings, body: Json) -> Json | None:
    """Create one object, and record whether it was accepted."""
    claim = f"{body['kind']} {body['metadata']['name']} is accepted in {here.namespace}"
    visit.watch(lambda: visit.ask(here.namespace, body), _is_known, UNKNOWN_SECONDS)
    try:
        made = visit.submit(here.namespace, body)
    except UnexpectedAnswerError as refusal:
        probes.positive(claim, held=False, saw=str(refusal))
        return None
    probes.positive(claim, held=True, saw="accepted")
    return made


def refused(probes: Probes, visit: Visit, here: Surroundings, *, claim: str, body: Json, words: str) -> None:
    """Record that an object must be refused by the webhook whose words these are."""
    answer = visit.ask(here.namespace, body)
    held = not answer.ok and "admission webhook" in answer.message and words in answer.message
    probes.negative(claim, held=held, saw="accepted" if answer.ok else str(answer))


def _refused(probes: Probes, visit: Visit, here: Surroundings, form: str) -> None:
    broken = training.FORMS[form](here, training.SMALL, f"proof-{form.lower()}-broken")[-1]
    if form == "TrainJob":
        broken["spec"]["runtimeRef"]["name"] = "proof-nowhere"
        refused(
            probes,
            visit,
            here,
            claim="a TrainJob of a runtime that is not there is refused",
            body=broken,
            words="proof-nowhere",
        )
        return
    for spec in next(value for key, value in broken["spec"].items() if key.endswith("ReplicaSpecs")).values():
        spec["template"]["spec"]["containers"][0]["name"] = "misnamed"
    if form in _CHECKED:
        words = f"must have at least one container with name {_CONTAINER[form]}"
        refused(probes, visit, here, claim=f"a {form} whose container is misnamed is refused", body=broken, words=words)
        return
    # Upstream has no webhook for version 1 of MPIJob: its controller waits for a launcher that is never described.
    del broken["spec"]["mpiReplicaSpecs"]["Launcher"]
    course = follow(visit, visit.submit(here.namespace, broken), wanted=End.RUNNING, seconds=visit.timeout_seconds / 2)
    held = course.end in {End.FAILED, End.WAITING}
    probes.negative(f"a {form} without a launcher never counts as running", held=held, saw=str(course))


def _pods(visit: Visit, made: Json) -> list[Json]:
    path = f"/api/v1/namespaces/{made['metadata']['namespace']}/pods"
    return visit.api.items(path, labelSelector=select(made))


def _told(visit: Visit, made: Json, variable: str) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in _pods(visit, made)
        if any(one["name"] == variable for container in pod["spec"]["containers"] for one in container.get("env", []))
    ]
