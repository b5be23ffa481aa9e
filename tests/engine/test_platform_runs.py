"""Pipelines, workflows and features in pods that run our scripts; the services beside them are stand-ins, named so."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import pytest

from infra.local.control_plane import ControlPlane
from kubeflow.distribution import CacheMissingError
from tests.support import containers, stand_in_argo
from tests.support.cluster import Api as Plain
from tests.support.cluster import Object, eventually, standing
from tests.support.containers import Runtime, runtime
from tests.support.controllers import Cluster
from tests.support.podrun import CHECKOUT
from tests.support.stack_outputs import outputs
from tests.support.stand_in import directly, serving
from tests.support.stand_in_feast import FeatureServer, deployment
from tests.support.stand_in_mlflow import TrackingServer
from tests.support.stand_in_pipelines import PipelineServer
from workloads.api import Api, UnexpectedAnswerError
from workloads.backends.cluster import kinds, mlflow, pipelines
from workloads.backends.cluster.forward import Spot
from workloads.checks import features, pipeline_runs
from workloads.cluster import Visit
from workloads.contract import RUN_LABEL, Target, parse
from workloads.jobs import batch
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import NotMeasurableError, Probes, SkippedError

pytestmark = pytest.mark.engine

SPACE, OTHER = "check-vision", "check-nlp"
CLASS = "folders"
SECONDS = 60.0
GOOD = {"accuracy": 0.967, "cross_validation_mean": 0.955, "cross_validation_rounds": 50.0}

Programs = Callable[[str, Mapping[str, Any]], list[str]]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if reason := containers.unavailable():
        pytest.skip(reason)
    with standing(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Plain:
    """Two tenants that may use pipelines, and the namespace of Feast; upstream's definitions of workflows."""
    api = Plain(plane.kubeconfig)
    try:
        Cluster(api).define("pipelines")
    except CacheMissingError as error:
        pytest.skip(str(error))
    for name in (SPACE, OTHER, features.NAMESPACE):
        api.namespace(name)
        api.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default-editor"}})
        for body in rights(name):
            plural = f"{body['kind'].lower()}s"
            api.call("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/{plural}", body)
    return api


def rights(namespace: str) -> list[Object]:
    rule = {"apiGroups": ["pipelines.kubeflow.org"], "resources": ["runs", "experiments"], "verbs": ["*"]}
    metadata = {"name": "pipelines"}
    account = {"kind": "ServiceAccount", "name": "default-editor", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pipelines"}
    return [
        {"kind": "Role", "metadata": metadata, "rules": [rule]},
        {"kind": "RoleBinding", "metadata": metadata, "subjects": [account], "roleRef": role},
    ]


@pytest.fixture(scope="module")
def node(api: Plain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with (
        runtime(api, pool="general", folder=tmp_path_factory.mktemp("node"), storage_class=CLASS) as made,
        stand_in_argo.controlling(api, made, SPACE, CLASS),
    ):
        yield made


@pytest.fixture
def target(plane: ControlPlane) -> Target:
    described = outputs(
        kubeconfig=plane.kubeconfig.read_text(encoding="utf-8"),
        platform__priorityClasses={},
        platform__components=["pipelines", "mlflow"],
        validation__images={"models": "kubeflow-proof/models:1"},
        cluster__capabilities=["containers"],
    )
    return parse(described, source="test")


@pytest.fixture
def visit(node: Runtime, target: Target) -> Iterator[Visit]:  # noqa: ARG001 - the node is there before the run
    client = Api.from_kubeconfig(target.kubeconfig)
    with Visit(client, run="20260101T000000", timeout_seconds=SECONDS) as visit:
        yield visit
    left = [
        f"{kind.kind} {one['metadata']['name']}"
        for kind in kinds.KINDS
        if client.get(kind.everywhere).ok
        for one in client.items(kind.everywhere, labelSelector=RUN_LABEL)
    ]
    client.close()
    assert left == []


def broken(probes: Probes) -> list[str]:
    return [one.claim for one in probes.all if not one.held]


def seen(probes: Probes, claim: str) -> str:
    return next(one.saw for one in probes.all if one.claim == claim)


class Platform:
    """The stand-ins of one test, and checks that ask them."""

    def __init__(self, api: Plain, target: Target, visit: Visit) -> None:
        self.target, self.visit = target, visit
        self.server = PipelineServer(api, self.steps)
        self.tracking = TrackingServer()
        self.metrics: Mapping[str, float] = GOOD
        self.instead: Programs | None = None  # what steps do instead of what they should

    def steps(self, step: str, values: Mapping[str, Any]) -> list[str]:
        if self.instead is not None:
            return self.instead(step, values)
        if step == "register":
            enough = self.metrics["accuracy"] >= values["least"]
            self.tracking.log(values["experiment"], self.metrics, register=values["name"] if enough else "")
        return ["python", "-c", f"print('Hello, {values.get('name')}!')"]

    def check(self, check: Callable[..., Probes]) -> Probes:
        with serving(self.server.answer) as one, serving(self.tracking.answer) as other:
            return check(self.target, self.visit, connect=directly({pipelines.SERVER: one, mlflow.SERVER: other}))

    @property
    def left(self) -> list[Mapping[str, Any]]:
        return [self.server.runs, self.server.experiments, self.tracking.models, self.tracking.experiments]


RELAY = """
import os, time
from tests.support.forwarder import Forwarder
with Forwarder(os.environ["IP"], int(os.environ["PORT"]), "127.0.0.1", int(os.environ["TO"])):
    time.sleep(600)
"""


def relay(spot: Spot, address: str) -> Object:
    """A pod where the platform's would be, which hands everything on to a stand-in."""
    values = {"PORT": str(spot.port), "TO": address.rpartition(":")[2], "PYTHONPATH": CHECKOUT}
    env: list[Object] = [{"name": name, "value": value} for name, value in values.items()]
    env.append({"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    ready = {"tcpSocket": {"port": spot.port}}
    container = {"name": "relay", "image": "relay", "command": ["python", "-c", RELAY], "env": env}
    labels = dict(pair.split("=") for pair in spot.selector.split(","))
    spec = {"nodeSelector": dict(containers.STAND_IN), "containers": [{**container, "readinessProbe": ready}]}
    return {"metadata": {"name": "relay", "labels": labels}, "spec": spec}


@contextlib.contextmanager
def relayed(api: Plain, servers: Mapping[Spot, str]) -> Generator[None]:
    paths = {spot: f"/api/v1/namespaces/{spot.namespace}/pods" for spot in servers}
    for spot, address in servers.items():
        if api.get(f"/api/v1/namespaces/{spot.namespace}") is None:
            account = f"/api/v1/namespaces/{api.namespace(spot.namespace)}/serviceaccounts/default"
            eventually(lambda path=account: api.get(path), "the namespace's account is made")
        api.call("POST", paths[spot], relay(spot, address))
    for path in paths.values():
        eventually(lambda path=path: ready(api.get(f"{path}/relay")), f"{path}/relay is ready", SECONDS)
    try:
        yield
    finally:
        for path in paths.values():
            api.call("DELETE", f"{path}/relay?gracePeriodSeconds=0")


def ready(pod: Object | None) -> bool:
    marks = (pod or {}).get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in marks)


@pytest.fixture
def platform(api: Plain, target: Target, visit: Visit) -> Platform:
    return Platform(api, target, visit)


def test_the_pipeline_server_runs_the_first_pipeline_for_its_tenant_only(platform: Platform) -> None:
    probes = platform.check(pipeline_runs.hello)
    assert broken(probes) == []
    assert probes.missing_half() is None
    assert f"nobody of {OTHER} sees the run" in [one.claim for one in probes.all]
    assert platform.left == [{}, {}, {}, {}]


def test_the_platforms_services_are_reached_through_the_api_server(platform: Platform, api: Plain) -> None:
    """No other way in is given to the checks here than the one that they have in a cluster."""
    server, tracking = platform.server, platform.tracking
    with (
        serving(server.answer) as one,
        serving(tracking.answer) as other,
        relayed(api, {pipelines.SERVER: one, mlflow.SERVER: other}),
    ):
        assert broken(pipeline_runs.hello(platform.target, platform.visit)) == []
        assert broken(pipeline_runs.iris(platform.target, platform.visit)) == []
    assert platform.left == [{}, {}, {}, {}]
    gc.collect()


@pytest.mark.fails("pipelines.hello", on="cluster")
def test_another_greeting_fails(platform: Platform) -> None:
    platform.instead = lambda _step, _values: ["echo", "Goodbye"]
    assert broken(platform.check(pipeline_runs.hello)) == ["the output is the greeting"]


def test_a_step_that_crashes_fails_with_its_last_words_kept(platform: Platform) -> None:
    platform.instead = lambda _step, _values: ["sh", "-c", "echo no flowers here; exit 4"]
    probes = platform.check(pipeline_runs.hello)
    claim = f"the pipeline hello succeeds in {SPACE}"
    assert broken(probes) == [claim]
    assert "exit code 4" in seen(probes, claim)
    assert "no flowers here\n" in [one.text for one in probes.attachments]
    assert platform.left == [{}, {}, {}, {}]


def test_a_run_that_never_ends_fails_at_its_deadline_and_is_removed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = pipelines.Runs.follow

    def shortly(runs: pipelines.Runs, run: str) -> pipelines.Ran:
        return follow(runs, run, 3)

    monkeypatch.setattr(pipelines.Runs, "follow", shortly)
    platform.instead = lambda _step, _values: ["sleep", "600"]
    probes = platform.check(pipeline_runs.hello)
    claim = f"the pipeline hello succeeds in {SPACE}"
    assert broken(probes) == [claim]
    assert "RUNNING: no end within 3 s" in seen(probes, claim)
    assert platform.left == [{}, {}, {}, {}]


@pytest.mark.fails("pipelines.hello", on="cluster")
def test_a_server_that_takes_any_parameter_fails(platform: Platform) -> None:
    begin = platform.server.answer

    def lenient(asked: Any) -> tuple[int, object]:  # noqa: ANN401
        if asked.method == "POST" and asked.path.endswith("/runs"):
            asked.body["runtime_config"]["parameters"].pop("nobody", None)
        return begin(asked)

    platform.server.answer = lenient
    assert broken(platform.check(pipeline_runs.hello)) == ["an unknown parameter is refused"]
    assert platform.left == [{}, {}, {}, {}]


def test_a_server_that_lets_everybody_in_fails(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def anybody(*_: object) -> str:
        return "anybody"

    monkeypatch.setattr(PipelineServer, "_user", anybody)
    monkeypatch.setattr(PipelineServer, "_allowed", anybody)
    claims = ["nobody without a token sees the run", f"nobody of {OTHER} sees the run"]
    assert broken(platform.check(pipeline_runs.hello)) == claims


def test_an_account_without_rights_is_an_error_in_the_servers_words(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> bool:
        return False

    monkeypatch.setattr(PipelineServer, "_allowed", never)
    with pytest.raises(UnexpectedAnswerError, match=r"403 .*is not authorized"):
        platform.check(pipeline_runs.hello)


def test_what_a_dead_run_left_at_the_pipeline_server_is_removed_and_what_people_run_is_not(platform: Platform) -> None:
    server = platform.server
    server.experiments = {
        "e90": {"experiment_id": "e90", "display_name": "proof-dead", "namespace": SPACE},
        "e91": {"experiment_id": "e91", "display_name": "theirs", "namespace": SPACE},
    }
    run: Object = {"state": "RUNNING", "namespace": SPACE, "pods": []}
    server.runs = {
        "r90": {**run, "run_id": "r90", "experiment_id": "e90"},
        "r91": {**run, "run_id": "r91", "experiment_id": "e91"},
    }
    assert broken(platform.check(pipeline_runs.hello)) == []
    assert "POST runs/r90:terminate" in server.asked
    assert ([*server.runs], [*server.experiments]) == (["r91"], ["e91"])


def test_an_interrupted_check_leaves_no_run_behind(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        assert platform.server.runs
        raise KeyboardInterrupt

    monkeypatch.setattr(pipelines.Runs, "follow", stopped)
    with pytest.raises(KeyboardInterrupt):
        platform.check(pipeline_runs.hello)
    assert platform.left == [{}, {}, {}, {}]


def test_iris_is_trained_in_pods_tracked_and_registered(platform: Platform) -> None:
    probes = platform.check(pipeline_runs.iris)
    assert broken(probes) == []
    assert probes.missing_half() is None
    assert platform.left == [{}, {}, {}, {}]


@pytest.mark.parametrize(
    ("metrics", "claim"),
    [
        (GOOD | {"cross_validation_mean": 0.92}, "cross validation mean is at least 0.93"),
        (GOOD | {"cross_validation_rounds": 10.0}, "every round of the cross-validation was made"),
    ],
)
def test_a_model_that_was_judged_worse_fails(metrics: Mapping[str, float], claim: str, platform: Platform) -> None:
    platform.metrics = metrics
    assert broken(platform.check(pipeline_runs.iris)) == [claim]


@pytest.mark.fails("pipelines.iris", on="cluster")
def test_a_model_that_is_registered_however_bad_it_is_fails(platform: Platform) -> None:
    def registers_all(step: str, values: Mapping[str, Any]) -> list[str]:
        if step == "register":
            platform.tracking.log(values["experiment"], GOOD, register=values["name"])
        return ["true"]

    platform.instead = registers_all
    assert broken(platform.check(pipeline_runs.iris)) == ["a model that is not good enough is not registered"]
    assert platform.left == [{}, {}, {}, {}]


def test_a_pipeline_that_registers_nothing_fails(platform: Platform) -> None:
    platform.instead = lambda _step, _values: ["true"]
    failures = broken(platform.check(pipeline_runs.iris))
    assert {"MLflow has the figures of the run", "the model is registered", "its files lie in the object store"} <= set(
        failures
    )


def test_iris_is_skipped_without_mlflow(plane: ControlPlane, visit: Visit) -> None:
    described = outputs(kubeconfig=plane.kubeconfig.read_text(), cluster__capabilities=["containers"])
    with pytest.raises(SkippedError, match="MLflow, which is not installed"):
        pipeline_runs.iris(parse(described, source="test"), visit)


def test_a_workflow_hands_its_counts_on(target: Target, visit: Visit) -> None:
    probes = pipeline_runs.preprocessing(target, visit)
    assert broken(probes) == []
    assert probes.missing_half() is None


@pytest.mark.fails("pipelines.preprocessing", on="cluster")
def test_a_workflow_that_loses_rows_fails(target: Target, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_runs, "BROKEN", 36)
    (claim,) = broken(pipeline_runs.preprocessing(target, visit))
    assert claim.startswith("of 1000 rows")


def test_a_workflow_that_cannot_start_fails(target: Target, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    intact = batch.preprocessing

    def without_script(here: Surroundings, name: str) -> Object:
        body = intact(here, name)
        for template in body["spec"]["templates"][1:]:
            template["container"]["command"] = ["python", "/scripts/nothing.py"]
        return body

    monkeypatch.setattr(batch, "preprocessing", without_script)
    assert broken(pipeline_runs.preprocessing(target, visit))[0] == "the workflow comes to its end"


def test_a_workflow_that_ends_well_whatever_its_steps_do_fails(
    target: Target, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def intact(here: Surroundings) -> Object:
        return batch.preprocessing(here, "proof-preprocessing")

    monkeypatch.setattr(pipeline_runs, "spoilt", intact)
    (claim,) = broken(pipeline_runs.preprocessing(target, visit))
    assert claim.startswith("a workflow whose first step fails")


Answer = Callable[[FeatureServer, int, Any], tuple[int, object]]


@pytest.fixture
def online(api: Plain, target: Target, visit: Visit) -> Iterator[Callable[..., tuple[Probes, FeatureServer]]]:
    path = f"/apis/apps/v1/namespaces/{features.NAMESPACE}/deployments"

    def checked(change: Answer | None = None) -> tuple[Probes, FeatureServer]:
        kept = FeatureServer()

        def answer(asked: Any) -> tuple[int, object]:  # noqa: ANN401
            status, said = kept.answer(asked)
            about = asked.path == "/get-online-features" and change is not None
            return change(kept, status, said) if about and change is not None else (status, said)

        with serving(answer) as address:
            api.call("POST", path, deployment(address))
            return features.online(target, visit, connect=directly({features.SERVER: address})), kept

    yield checked
    api.call("DELETE", f"{path}/feast-feature-server")


def test_features_are_written_served_and_removed(
    online: Callable[..., tuple[Probes, FeatureServer]],
) -> None:
    probes, kept = online()
    assert broken(probes) == []
    assert probes.missing_half() is None
    assert (kept.views, kept.rows, kept.others) == ({}, {}, {"entities": set(), "sources": set()})


def other_values(_: FeatureServer, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    if status == 200:
        said["results"][1]["values"][0] = 9.9
    return status, said


def invents(_: FeatureServer, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    if status == 200:
        for result in said["results"]:
            result["statuses"][-1], result["values"][-1] = "PRESENT", 0.0
    return status, said


def takes_any_name(kept: FeatureServer, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    return (200, {"results": [], "metadata": {"feature_names": []}}) if kept.views and status == 500 else (status, said)


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (other_values, "3 flowers have the values that were written"),
        (invents, "a flower that nobody has written has no value, and is said not to be found"),
        (takes_any_name, "a feature that the view does not have is refused"),
    ],
)
def test_a_feature_server_that_answers_something_else_fails(
    change: Answer, claim: str, online: Callable[..., tuple[Probes, FeatureServer]]
) -> None:
    assert broken(online(change)[0]) == [claim]


@pytest.mark.fails("features.feast", on="cluster")
def test_features_that_stay_fail(
    online: Callable[..., tuple[Probes, FeatureServer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "HEARD_SECONDS", 2)
    apply = FeatureServer.apply

    def keeps(kept: FeatureServer, body: Object) -> Object:
        return apply(kept, {**body, "deleted": []})

    monkeypatch.setattr(FeatureServer, "apply", keeps)
    assert broken(online()[0]) == ["nothing is answered once the features are removed"]


def test_features_that_cannot_be_written_mean_nothing(
    online: Callable[..., tuple[Probes, FeatureServer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Object:
        raise OSError("no room")

    monkeypatch.setattr(FeatureServer, "write", full)
    with pytest.raises(NotMeasurableError, match="no features could be written"):
        online()
