"""Katib: a random and a grid search whose optimum is known, each parameter mapped to what trials are given."""

from __future__ import annotations

from collections.abc import Callable

from workloads.api import Json
from workloads.backends.cluster.following import End, follow
from workloads.checks.jobs import created, home, need_containers, refused
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import tuning
from workloads.jobs.surroundings import config_map
from workloads.outcome import NotMeasurableError, Probes

SECONDS = 1800  # for all trials, pulling images included
SUCCEEDED_SHARE = 0.9

Check = Callable[[Target, Visit], Probes]


def searched(algorithm: str) -> Check:
    """The check that a search succeeds and reports the best of its own trials."""

    def check(target: Target, visit: Visit) -> Probes:
        need_containers(target, "trials compute")
        probes, here, name = Probes(), home(target), f"proof-{algorithm}"
        visit.submit(here.namespace, config_map(name, "trial.py"))
        broken = tuning.experiment(here, algorithm, f"{name}-broken")
        broken["spec"]["trialTemplate"]["trialParameters"][0]["reference"] = "nothing"
        claim = "an experiment whose trials refer to no parameter is refused"
        refused(probes, visit, here, claim=claim, body=broken, words="trialParameters")
        made = created(probes, visit, here, tuning.experiment(here, algorithm, name))
        if made is None:
            return probes
        course = follow(visit, made, wanted=End.SUCCEEDED, seconds=SECONDS)
        probes.positive(f"the {algorithm} search succeeds", held=course.end is End.SUCCEEDED, saw=str(course))
        if course.end is End.SUCCEEDED and course.body is not None:
            path = f"/apis/kubeflow.org/v1beta1/namespaces/{here.namespace}/trials"
            judged(probes, course.body, visit.api.items(path, labelSelector=f"katib.kubeflow.org/experiment={name}"))
        return probes

    return check


def judged(probes: Probes, experiment: Json, trials: list[Json]) -> None:
    """Compare what the experiment reports with its trials, computed anew."""
    values = {one["metadata"]["name"]: value for one in trials if (value := _objective(one)) is not None}
    if not values:
        raise NotMeasurableError("no trial of the experiment has left a measured objective")
    share = len(values) / len(trials)
    saw = f"{len(values)} of {len(trials)}"
    probes.positive(
        f"at least {SUCCEEDED_SHARE:.0%} of the trials are measured", held=share >= SUCCEEDED_SHARE, saw=saw
    )
    best: Json = experiment["status"].get("currentOptimalTrial") or {}
    reported = values.get(best.get("bestTrialName", ""))
    saw = f"reported {best.get('bestTrialName')}: {reported}; best of all: {max(values.values())}"
    probes.positive("the best trial is the one that is reported", held=reported == max(values.values()), saw=saw)
    given = {
        tuple(sorted((one["name"], one["value"]) for one in trial["spec"]["parameterAssignments"])) for trial in trials
    }
    saw = f"{len(given)} sets of values in {len(trials)} trials"
    probes.negative("the trials do not all try the same", held=len(given) > 1, saw=saw)


def _objective(trial: Json) -> float | None:
    metrics: list[Json] = trial.get("status", {}).get("observation", {}).get("metrics") or []
    for one in metrics:
        if one["name"] == "objective":
            try:
                return float(one["latest"])
            except ValueError:
                return None
    return None
