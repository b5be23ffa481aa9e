"""Training on a real control plane, to its end: upstream's operator makes the pods, two nodes run upstream's script.

The nodes are stand-ins on one machine, so that what is measured says nothing; how it comes about is real.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from infra.local.control_plane import ControlPlane
from kubeflow.distribution import CacheMissingError
from tests.support import containers, controllers, edge, meters
from tests.support.cluster import Api as Plain
from tests.support.cluster import standing
from tests.support.managers import TRAINING_OPERATOR
from tests.support.model_bench import needs
from tests.support.pretend import Pretend, pretend
from tests.support.stack_outputs import outputs
from workloads import runner
from workloads.api import Api, Json
from workloads.backends.cluster.forward import Forward
from workloads.backends.cluster.prometheus import Monitor
from workloads.backends.process import python
from workloads.backends.process.processes import free_port
from workloads.checks import kept, monitored, pace
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.jobs import training
from workloads.jobs.images import PYTHON, PYTORCH
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import Outcome

pytestmark = pytest.mark.engine

SPACE = "check-vision"
SECONDS = 60.0
CLASS = "standard"  # as the outputs name it
NODES = ("containers-0", "containers-1")
# What upstream's init container of a worker calls until the name of the master is known.
LOOKUP = '#!/bin/sh\nexec getent hosts "$1"\n'


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    needs("torch")
    if reason := controllers.missing(TRAINING_OPERATOR) or containers.unavailable():
        pytest.skip(reason)
    with standing(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="module")
def target(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A tenant, upstream's training operator, and two nodes that run what is scheduled on them."""
    api, folder = Plain(plane.kubeconfig), tmp_path_factory.mktemp("nodes")
    cluster = controllers.Cluster(api)
    try:
        cluster.define(TRAINING_OPERATOR.component)
        cluster.prepare(TRAINING_OPERATOR.component, lambda body: body)
    except CacheMissingError as error:
        pytest.skip(str(error))
    api.namespace(SPACE)
    (folder / "bin").mkdir()
    (folder / "bin" / "nslookup").write_text(LOOKUP, encoding="utf-8")
    (folder / "bin" / "nslookup").chmod(0o755)
    pythons = {PYTORCH.name: python.PYTHON, PYTHON.name: Path(sys.executable), "alpine": folder / "bin" / "python"}
    turns = [f"scaling-{nodes}-{turn}" for nodes in (1, 2) for turn in range(4)]
    jobs = [f"proof-{name}" for name in (*turns, "speed-0", "speed-1", "speed-broken", "kept-small")]
    hosts = {f"{job}-master-0": "127.0.0.1" for job in jobs}  # all pods share this machine's network
    with contextlib.ExitStack() as stack:
        stack.enter_context(controllers.running(cluster, TRAINING_OPERATOR, tmp_path_factory.mktemp("managers")))
        for node in NODES:
            stack.enter_context(
                containers.runtime(
                    api,
                    pool="general",
                    folder=folder / node,
                    node=node,
                    hosts=hosts,
                    pythons=pythons,
                    storage_class=CLASS,
                )
            )
        pool = {**outputs()["cluster"]["pools"]["general"], "max": len(NODES)}
        tenant = {**outputs()["platform"]["tenants"][SPACE], "gpus": 0}
        described = outputs(
            kubeconfig=plane.kubeconfig.read_text(encoding="utf-8"),
            cluster__pools={"general": pool},
            cluster__accelerator=None,
            cluster__capabilities=["containers", "webhooks"],
            platform__tenants={SPACE: tenant},
            platform__priorityClasses={},
        )
        yield parse(described, source="test")


@pytest.fixture(autouse=True)
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes share this machine's network, perhaps with those of another test: every job has a port of its own."""
    build = training.FORMS["PyTorchJob"]

    def with_port(here: Surroundings, size: training.Size, name: str) -> list[Json]:
        (job,) = build(here, size, name)
        ports = [{"name": "pytorchjob-port", "containerPort": free_port()}]
        for replica in job["spec"]["pytorchReplicaSpecs"].values():
            replica["template"]["spec"]["containers"][0]["ports"] = ports
        return [job]

    monkeypatch.setitem(training.FORMS, "PyTorchJob", with_port)
    monkeypatch.setattr(training, "pytorch_job", with_port)


@pytest.fixture
def visit(target: Target, tmp_path: Path) -> Iterator[Visit]:
    api = Api.from_kubeconfig(target.kubeconfig)
    with edge.bench(tmp_path, limits={"scaling": 0.01, "alerting.received": 30.0}) as bench:
        bench.profile = dataclasses.replace(bench.profile, repetitions=2, training_steps=12)
        with Visit(api, run="test", timeout_seconds=SECONDS, terms=bench) as visit:
            yield visit
    api.close()


def test_ranks_of_two_nodes_are_compared_with_one(target: Target, visit: Visit) -> None:
    probes = pace.scaling("scaling")(target, visit)
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    assert probes.measurements[0].n == 2
    assert [nodes for nodes, _ in probes.series[0].points] == [1.0, 2.0, 1.0, 2.0]
    agree = next(one for one in probes.all if one.claim.startswith("no rank ends with other weights"))
    assert agree.held


def test_whole_jobs_are_timed_and_one_that_cannot_train_is_not_counted(target: Target, visit: Visit) -> None:
    outcome, reason = runner.judge(probes := pace.speed(target, visit))
    assert outcome is Outcome.PASS, reason
    assert probes.measurements[0].n == 2


def test_what_two_nodes_have_learned_comes_back_from_its_volume(target: Target, visit: Visit) -> None:
    outcome, reason = runner.judge(kept.together("small")(target, visit))
    assert outcome is Outcome.PASS, reason


@pytest.mark.skipif(bool(reason := edge.missing("prometheus", "alertmanager")), reason=reason)
def test_a_job_that_crashes_is_told_by_the_platforms_own_rule(target: Target, visit: Visit) -> None:
    """The operator says that it failed; an exporter tells Prometheus what kube-state-metrics would make of that."""

    def lines(_: Pretend) -> Iterable[str]:
        return meters.conditions(visit.api.items("/apis/kubeflow.org/v1/pytorchjobs"))

    with pretend() as beside:
        there = meters.Place(cluster=beside, target=target, visit=visit)
        api = Api.from_kubeconfig(beside.kubeconfig)
        with meters.monitored(there, lines, [meters.shipped("PyTorchJobFailed")]):
            one = Monitor(Forward(api, beside.kubeconfig))

            def connect(_: Target, __: Visit) -> Monitor:
                return one

            outcome, said = runner.judge(monitored.received(target, visit, connect=connect))
        api.close()
    assert outcome is Outcome.PASS, said
