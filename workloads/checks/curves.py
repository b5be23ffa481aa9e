"""TensorBoard of the cluster shows what a job has written to a claim, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

from workloads.api import UnexpectedAnswerError
from workloads.backends.cluster.following import End, follow
from workloads.backends.cluster.forward import Forward, Pods, Reply, Spot
from workloads.backends.process.processes import wait_until
from workloads.checks import jobs
from workloads.checks.training import points, scalars, shown
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import batch, curve
from workloads.outcome import NotMeasurableError, Probes, Series

Connect = Callable[[Target, Visit], Pods]

PORT = 6006
SECONDS = 900  # images of several GiB included
_READ_SECONDS = 60  # TensorBoard looks for new files every few seconds
_NEAR = 1e-4  # relative: TensorBoard keeps single precision
_NAME = "proof-board"


def _through(target: Target, visit: Visit) -> Pods:
    return Forward(visit.api, target.kubeconfig)


def tensorboard(target: Target, visit: Visit, *, connect: Connect = _through) -> Probes:
    """A job writes a curve to a claim; a Tensorboard over it answers with every step, and with no curve else."""
    jobs.need_containers(target, "a curve is written")
    probes, pods, here = Probes(), connect(target, visit), jobs.home(target)
    scripts, job = curve.writer(here, _NAME)
    for body in (curve.claim(here, _NAME), scripts):
        visit.submit(here.namespace, body)
    course = follow(visit, visit.submit(here.namespace, job), wanted=End.SUCCEEDED, seconds=SECONDS)
    if course.end is not End.SUCCEEDED:
        raise NotMeasurableError(f"no curve was written: {course}")
    try:
        written = [float(one) for one in json.loads(course.message)["losses"]]
    except (ValueError, KeyError, TypeError) as error:
        raise NotMeasurableError(f"no curve was told: {course.message!r}") from error
    made = jobs.created(probes, visit, here, batch.tensorboard(here, _NAME))
    if made is None:
        return probes
    labels = f"app={_NAME}"  # as tensorboard-controller marks the pods of its Deployment
    course = follow(visit, made, wanted=End.RUNNING, seconds=SECONDS, selector=labels)
    probes.positive("its TensorBoard is ready", held=course.end is End.RUNNING, saw=str(course))
    spot, asked = Spot(namespace=here.namespace, selector=labels, port=PORT), scalars(".")

    def told() -> Reply | None:
        try:
            return pods.call(spot, f"{asked}loss")
        except UnexpectedAnswerError:  # its pod is ready before it listens
            return None

    wait_until(lambda: (reply := told()) is not None and reply.ok, _READ_SECONDS, _READ_SECONDS / 20)
    reply = told()
    found = points(reply.json) if reply is not None and reply.ok else ()
    unknown = pods.call(spot, f"{asked}nothing").status if reply is not None else 0
    shown(probes, found, [float(step) for step in range(len(written))], unknown)
    same = len(found) == len(written) and all(
        abs(value - loss) <= _NEAR * abs(loss) for (_, value), loss in zip(found, written, strict=True)
    )
    last = f"{found[-1][1]:.6g}, written {written[-1]:.6g}" if found else f"nothing, {reply}"
    probes.positive("its values are those that the job wrote", held=same, saw=f"last {last}")
    probes.series.append(Series(name="loss/line", x_unit="steps", y_unit="loss", points=found))
    return probes
