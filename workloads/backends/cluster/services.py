"""Models of a tenant behind the cluster's gateway: made, stored and served for one check, asked with a token from here.

Only what Knative routes is reached through that gateway: KServe's Standard mode gives models no address on it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workloads import load
from workloads.api import Json, UnexpectedAnswerError
from workloads.asked import V1, V2, Asked, Known, Speech
from workloads.backends.cluster import door
from workloads.backends.cluster.door import Bearer, Gate
from workloads.backends.cluster.following import Course, End, follow, select
from workloads.cluster import Visit
from workloads.jobs import serving
from workloads.jobs.surroundings import Surroundings, config_map
from workloads.outcome import NotMeasurableError, Probes, SkippedError
from workloads.reach import Reach

KNATIVE = "/apis/serving.knative.dev/v1"
START_SECONDS = 900  # until a service is Ready: images of several GiB are pulled, nodes may be added
SETTLE_SECONDS = 60  # until the gateway has heard of a service that is Ready
_TIGHT = ("exceeded quota", "unschedulable")  # that there is no room says nothing about serving
_SINGLE = 1e-4  # answers of sums in single precision
_REFUSED = range(400, 501)  # KServe's own servers say 500 to a row that their library cannot read
_NO_SUCH_MODEL = frozenset({400, 404})  # Triton says 400
_NOT_THERE = frozenset({0, 404, 502, 503})  # what a gateway says of a service that it has not heard of


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A service that says that it is Ready: as the API server gave it, and how it is reached from here."""

    made: Json
    reach: Reach

    @property
    def name(self) -> str:
        """What it is called, and its model too."""
        return str(self.made["metadata"]["name"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Behind:
    """A tenant behind the gateway."""

    visit: Visit
    here: Surroundings
    gate: Gate
    bearer: Bearer

    def reach(self, name: str) -> Reach:
        """A service of the tenant, asked as its contributor."""
        self.bearer()
        host = self.gate.model(name, self.here.namespace)
        return self.gate.at(host, token=self.bearer, token_file=str(self.bearer.file))

    def serve(self, probes: Probes, body: Json, scripts: str = "") -> Served | None:
        """Deploy one service and wait until it is Ready; None, with the claims that failed, where it never is."""
        name = str(body["metadata"]["name"])
        if scripts:
            self.visit.submit(self.here.namespace, config_map(name, *serving.scripts(scripts)))
        made, saw = self._followed(body)
        probes.positive(f"the service {name} becomes Ready", held=made is not None, saw=saw)
        if made is None:
            probes.negative(f"nothing keeps {name} from being served", held=False, saw=saw)
            return None
        return Served(made=made, reach=self.reach(name))

    def _followed(self, body: Json) -> tuple[Json | None, str]:
        try:
            made = self.visit.submit(self.here.namespace, body)
        except UnexpectedAnswerError as refusal:
            return None, str(refusal)
        course = follow(self.visit, made, wanted=End.RUNNING, seconds=START_SECONDS)
        if course.end is End.RUNNING:
            return made, str(course)
        if any(word in course.why for word in _TIGHT):
            raise NotMeasurableError(f"there is no room for {body['metadata']['name']}: {course.why}")
        return None, str(course)

    def model(self, probes: Probes, kind: str, *, quick: bool = False) -> tuple[Served, Asked] | None:
        """A model of some kind: made by a job, kept in a volume, served from there by KServe's own runtime."""
        name = f"proof-{kind}"
        known = self.known(kind, name, (serving.SERVED[kind].script,), quick=quick)
        body = serving.stored(
            self.here, kind, name, serving.place(name), mode="Knative", amounts=serving.LOADED
        )  # fmt: skip
        served = self.serve(probes, body)
        return None if served is None else (served, self.asked(kind, served, known))

    def known(self, kind: str, name: str, scripts: tuple[str, ...], *, quick: bool = False) -> Known:
        """Make a model and store it under this name; gives the answers that its library gave right there."""
        self.visit.submit(self.here.namespace, config_map(name, *scripts))
        self.visit.submit(self.here.namespace, serving.store(self.here, name))
        job = serving.maker(self.here, kind, name, rows=self.visit.terms.profile.golden_rows, quick=quick)
        made = self.visit.submit(self.here.namespace, job)
        course = follow(self.visit, made, wanted=End.SUCCEEDED, seconds=START_SECONDS)
        if course.end is not End.SUCCEEDED:
            raise NotMeasurableError(f"no model of {kind} could be made: {course}")
        return _known(course, kind)

    def asked(self, kind: str, served: Served, known: Known) -> Asked:
        """How a model of some kind is asked, once the gateway has heard of it."""
        speeches: tuple[Speech, ...] = (V1(model=served.name), V2(model=served.name))
        if serving.SERVED[kind].protocol == "v2":
            speeches = (V2(model=served.name, tensor="rows__0"),)  # of its own description, in make_pytorch.py
        asked = Asked(
            name=kind, reach=served.reach, speech=speeches[0], others=speeches[1:], named=speeches[-1], known=known,
            refusals=_REFUSED, unknown=_NO_SUCH_MODEL,
        )  # fmt: skip
        self.heard(lambda: asked.ask(asked.speech, [known.rows[0]]).status)
        return asked

    def heard(self, status: Callable[[], int]) -> None:
        """Wait until the gateway has heard of a service; what it answers from then on is what counts."""
        self.visit.watch(status, lambda one: one not in _NOT_THERE, SETTLE_SECONDS)


@contextmanager
def behind(here: Surroundings, visit: Visit) -> Generator[Behind]:
    """A tenant behind the gateway; SkippedError where its models cannot be asked from here."""
    door.need_models(here.target)
    gate = door.gate(here.target, visit)
    if not visit.api.get(KNATIVE).ok:
        raise SkippedError("models get a name at the gateway from Knative only, which is not installed")
    with tempfile.TemporaryDirectory(prefix="proof-") as folder:
        bearer = Bearer(visit, here.namespace, here.tenant.contributor, Path(folder) / "token")
        yield Behind(visit=visit, here=here, gate=gate, bearer=bearer)


class Pods:
    """Sees whether the pods of a service are the ones that began, and whether any of their containers started again."""

    memory: tuple[tuple[float, float], ...] = ()  # nobody tells it here

    def __init__(self, visit: Visit, served: Served) -> None:
        self._visit, self._made = visit, served.made
        self._began = self._now()

    def look(self, progress: load.Progress) -> None:
        """Nothing is to be seen while the load runs that is not there at its end."""

    def same(self) -> tuple[bool, str]:
        """Whether those that began are there, as they were."""
        now = self._now()
        gone, again = sorted(set(self._began) - set(now)), [one for one in now if now[one] > self._began.get(one, 0)]
        saw = f"{len(self._began)} at the beginning, {len(gone)} of them gone, {len(again)} restarted"
        return bool(self._began) and not gone and not again, saw

    def _now(self) -> dict[str, int]:
        path = f"/api/v1/namespaces/{self._made['metadata']['namespace']}/pods"
        pods = self._visit.api.items(path, labelSelector=select(self._made))
        return {
            pod["metadata"]["uid"]: sum(
                one.get("restartCount", 0) for one in pod["status"].get("containerStatuses", [])
            )
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
        }


def _known(course: Course, kind: str) -> Known:
    try:
        said: Json = json.loads(course.message)
        return Known(
            rows=tuple(tuple(float(value) for value in row) for row in said["rows"]),
            answers=tuple(float(one) for one in said["answers"]),
            tolerance=_SINGLE if kind == "pytorch" else 0.0,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NotMeasurableError(f"the maker of a {kind} model left no answers: {course.message!r}") from error
