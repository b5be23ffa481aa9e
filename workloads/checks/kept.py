"""Two nodes train a model together; what they have learned is on a volume afterwards, and comes back from it."""

from __future__ import annotations

import json
from collections.abc import Callable

from workloads.api import Json
from workloads.backends.cluster.diagnosis import logs
from workloads.backends.cluster.following import End, follow
from workloads.checks import jobs, pace
from workloads.checks.training import agreed, came_back, fell
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import kept
from workloads.jobs.training import SIZES
from workloads.outcome import Attachment, NotMeasurableError, Probes, SkippedError

Check = Callable[[Target, Visit], Probes]

_READ_SECONDS = 900  # the volume goes from one node to another, and an image may be pulled


def together(size_name: str) -> Check:
    """The check that a job of this size learns as one, and that its model outlives it."""

    def check(target: Target, visit: Visit) -> Probes:
        jobs.need_containers(target, "training runs")
        if pace.form(target) != "PyTorchJob":
            raise SkippedError("needs PyTorchJobs: all pods of a TrainJob are alike, and a volume is of one node only")
        size = SIZES[size_name]
        probes, here, name = Probes(), jobs.home(target, size.nodes * size.amounts.gpus), f"proof-kept-{size_name}"
        for body in (kept.claim(here, name), kept.scripts(name)):
            visit.submit(here.namespace, body)
        made = jobs.created(probes, visit, here, kept.trainer(here, size, name))
        if made is None:
            return probes
        course = follow(visit, made, wanted=End.SUCCEEDED, seconds=jobs.DEADLINES[size_name])
        probes.positive(f"a {size_name} PyTorchJob succeeds", held=course.end is End.SUCCEEDED, saw=str(course))
        for one in course.pods[:1]:
            text = logs(visit, one, here.namespace, "pytorch")
            probes.attachments.append(Attachment(name=f"{one.name}.log", text=text))
        if course.end is not End.SUCCEEDED:
            agreed(probes, 1, 1, "no rank told its weights")
            return probes
        told, done = _words(course.message), pace.result(name, course)
        probes.positive(f"{size.nodes} nodes train together", held=done.world >= size.nodes, saw=f"{done.world} ranks")
        method = "the last ten steps against the first ten"
        fell(probes, int(told.get("parameters", 0)), done.loss_left, n=size.steps, method=method)
        agreed(probes, int(done.agree is not True), 1, "sum of every rank's weights")
        pace.free(visit, made)
        course = follow(
            visit, visit.submit(here.namespace, kept.reader(here, name)), wanted=End.SUCCEEDED, seconds=_READ_SECONDS
        )
        found = _words(course.message) if course.end is End.SUCCEEDED else {}
        came_back(probes, f"the {size_name} model", str(found.get("sha256", "")), str(told.get("sha256", "none")))
        probes.note(f"stored on a volume of class {target.storage.block}; {course}")
        return probes

    return check


def _words(message: str) -> Json:
    try:
        return dict(json.loads(message))
    except (ValueError, TypeError) as error:
        raise NotMeasurableError(f"a job ended without a result that can be read: {message!r}") from error
