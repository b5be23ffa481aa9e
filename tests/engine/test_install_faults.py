"""What goes wrong on the way: one clear message within the deadline, and a repeated `up` that converges."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kubeflow.distribution import kinds
from kubeflow.install import conflicts, gates, open_crds
from kubeflow.install.apiserver import ApiServer
from tests.support.cluster import Api, eventually, standing, without_definitions
from tests.support.engine import ROOT, Object, Project
from tests.support.webhook import PORT, Webhook, certificate

pytestmark = pytest.mark.engine
Projects = Callable[..., Project]
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
VERSION = "app.kubernetes.io/version"
NUMBERS = itertools.count()
IMAGE = "registry.test/controller:1.0"

GATED = """
    import json
    from pathlib import Path

    import pulumi
    import pulumi_kubernetes as kubernetes

    from infra.objects import KubernetesObject
    from kubeflow.install import gates, planned
    from kubeflow.install.waves import Wave

    given = json.loads(Path("given.json").read_text())
    kubeconfig = pulumi.Output.secret(Path(given["kubeconfig"]).read_text())
    provider = kubernetes.Provider("cluster", kubeconfig=kubeconfig)
    wave = [planned.own("test", Wave.CONTROLLERS, body) for body in given["objects"]]
    times = pulumi.CustomTimeouts(create=given["deadline"], update=given["deadline"])
    made = [
        KubernetesObject(
            item.name, item.body,
            pulumi.ResourceOptions(provider=provider, custom_timeouts=times,
                ignore_changes=["webhooks[0].clientConfig.caBundle"]),
        )
        for item in wave
    ]
    if names := gates.guarded(wave):
        args = gates.GateArgs(kubeconfig=kubeconfig, webhooks=names, versions=given["versions"], seconds=3)
        made = [gates.Gate("gate", args, pulumi.ResourceOptions(depends_on=made))]
    pulumi.Stash("next-wave", opts=pulumi.ResourceOptions(depends_on=made), input="reached")
    """


class Wave:
    """A program that installs one wave and its gate."""

    def __init__(self, project: Project, kubeconfig: Path, objects: list[Object], deadline: str = "20s") -> None:
        self.project = project
        project.write(GATED)
        self.given: Object = {
            "kubeconfig": str(kubeconfig), "objects": objects, "versions": {"it": "1"}, "deadline": deadline,
        }  # fmt: skip
        self.write()

    def write(self, **changes: Any) -> None:  # noqa: ANN401 - any JSON value
        """Change what the program is given."""
        self.given |= changes
        self.project.write(self.given, "given.json")

    def reached(self) -> bool:
        """Whether the next wave started."""
        return any(part["urn"].endswith("::next-wave") for part in self.project.state())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster that no other test knows: these look for what somebody has installed anywhere in it."""
    with standing(tmp_path_factory.mktemp("faults")) as plane:
        yield Api(plane.kubeconfig)


@pytest.fixture
def kubeconfig(api: Api, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(api.kubeconfig, encoding="utf-8")
    return path


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    name = api.namespace(f"faults-{next(NUMBERS)}")
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually(lambda: api.get(account), "the namespace's default account")
    yield name
    api.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def webhook(api: Api, namespace: str) -> Iterator[Webhook]:
    made = Webhook(api, namespace, "controller")
    yield made
    made.stop()


@pytest.fixture
def configuration(api: Api, namespace: str) -> Iterator[Object]:
    """A webhook that guards the ConfigMaps of the test's namespace."""
    name = f"{namespace}.faults.test"
    service = {"namespace": namespace, "name": "controller", "port": PORT}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    yield {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"service": service},
                "rules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    api.call("DELETE", f"{HOOKS}/{name}")


def inject(api: Api, configuration: Object, ca: str) -> None:
    """What cert-manager's injector does."""
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ca}]
    name = configuration["metadata"]["name"]
    api.call("PATCH", f"{HOOKS}/{name}?fieldManager=cainjector", patch, "application/json-patch+json")


def refusal(api: Api, configuration: Object) -> str:
    """Why a gate for one configuration does not open; empty if it does."""
    name = f"{configuration['kind']}/{configuration['metadata']['name']}"
    try:
        gates.wait(ApiServer(api.kubeconfig), [name], 0.5, tell=lambda _: None)
    except gates.GateError as error:
        return str(error)
    return ""


def test_a_webhook_that_never_gets_its_ca_is_told_once_and_the_next_up_converges(
    project: Projects, kubeconfig: Path, api: Api, webhook: Webhook, configuration: Object
) -> None:
    wave = Wave(project(PYTHONPATH=str(ROOT)), kubeconfig, [configuration])
    webhook.start()
    refused = wave.project.up().failed()
    name = configuration["metadata"]["name"]
    assert f"ValidatingWebhookConfiguration/{name}: no CA for {name}: nobody has written it" in refused.errors
    assert refused.errors.count("no CA for") == 1
    assert not wave.reached()
    assert webhook.dry_runs == [], "nothing was asked of a webhook that nobody could trust"

    inject(api, configuration, webhook.ca)
    assert wave.project.up().ok().changes["create"] == 2, "the gate and the next wave; what was there is left alone"
    assert webhook.dry_runs
    assert all(webhook.dry_runs), "a gate only asks"
    assert wave.reached()
    wave.project.preview("--expect-no-changes").ok()
    assert "client-key-data" not in wave.project.state_text()


def test_a_webhook_that_nobody_answers_is_told_with_what_is_wrong_behind_its_service(
    project: Projects, kubeconfig: Path, webhook: Webhook, configuration: Object
) -> None:
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = webhook.ca
    wave = Wave(project(PYTHONPATH=str(ROOT)), kubeconfig, [configuration])
    refused = wave.project.up().failed()
    assert "does not answer: nothing listens at its Service" in refused.errors
    assert "has the labels that Service controller selects" in refused.errors
    assert not wave.reached()
    webhook.start()
    wave.project.up().ok()


def test_a_webhook_with_the_ca_of_another_is_told_as_not_trusted(
    project: Projects, kubeconfig: Path, webhook: Webhook, configuration: Object
) -> None:
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = certificate("elsewhere.test")[0]
    wave = Wave(project(PYTHONPATH=str(ROOT)), kubeconfig, [configuration])
    webhook.start()
    assert "its certificate is not trusted" in wave.project.up().failed().errors
    assert webhook.dry_runs == []


def test_a_gate_waits_again_when_what_answers_is_another_version(
    project: Projects, kubeconfig: Path, webhook: Webhook, configuration: Object
) -> None:
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = webhook.ca
    wave = Wave(project(PYTHONPATH=str(ROOT)), kubeconfig, [configuration])
    webhook.allows = False  # a refusal is an answer, too
    webhook.start()
    wave.project.up().ok()
    webhook.stop()
    wave.write(versions={"it": "2"})
    assert wave.project.preview().ok().changes["update"] == 1
    assert "nothing listens" in wave.project.up().failed().errors
    webhook.start()
    wave.project.up().ok()
    wave.project.operate("destroy").ok()


def deployment() -> Object:
    """A workload whose pods no simulated kubelet ever sees: the test says what a kubelet would."""
    pod = {
        "schedulingGates": [{"name": "example.test/kubelet"}],
        "containers": [{"name": "main", "image": IMAGE}],
    }
    labels = {"app": "controller"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "controller"}, "spec": spec}


def kubelet_says(api: Api, namespace: str, *, pulled: bool) -> None:
    """Report of every pod of a namespace what a kubelet reports that could, or could not, pull its image."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    found: Any = {}

    def made() -> bool:
        found.update(api.get(pods) or {})
        return bool(found["items"])

    eventually(made, "the controller to make the pod")
    message = f'failed to pull image "{IMAGE}": not found'
    waiting: Object = {"waiting": {"reason": "ErrImagePull", "message": message}}
    state: Object = {"running": {}} if pulled else waiting
    container: Object = {"name": "main", "image": IMAGE, "imageID": "", "ready": pulled, "restartCount": 0}
    ready = {"type": "Ready", "status": str(pulled), "reason": "Said"}
    status: Object = {
        "phase": "Running" if pulled else "Pending",
        "conditions": [ready],
        "containerStatuses": [{**container, "state": state}],
    }
    for pod in found["items"]:
        api.merge(f"{pods}/{pod['metadata']['name']}/status", {"status": status})


def test_an_image_that_cannot_be_pulled_is_told_by_name_and_the_next_up_converges(
    project: Projects, kubeconfig: Path, api: Api, namespace: str
) -> None:
    body = deployment()
    body["metadata"]["namespace"] = namespace
    wave = Wave(project(PYTHONPATH=str(ROOT)), kubeconfig, [body], deadline="5s")
    with ThreadPoolExecutor(1) as kubelet:
        said = kubelet.submit(kubelet_says, api, namespace, pulled=False)
        refused = wave.project.up().failed()
        said.result()
    assert "ErrImagePull" in refused.errors
    assert IMAGE in refused.errors
    assert not wave.reached()
    kubelet_says(api, namespace, pulled=True)
    wave.project.up().ok()
    assert wave.reached()


def test_a_webhook_whose_image_cannot_be_pulled_names_deployment_and_image(
    api: Api, webhook: Webhook, configuration: Object
) -> None:
    namespace: str = configuration["webhooks"][0]["clientConfig"]["service"]["namespace"]
    api.call("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment())
    kubelet_says(api, namespace, pulled=False)
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = webhook.ca
    api.call("POST", HOOKS, configuration)
    errors = refusal(api, configuration)
    assert f"Deployment {namespace}/controller: container main: its image {IMAGE}" in errors


@pytest.fixture
def demanding(api: Api, namespace: str) -> Iterator[str]:
    """A kind with a field whose value no schema can tell."""
    group = f"{namespace}.test"
    value = {"type": "string", "pattern": "^only the controller knows$"}
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "object", "required": ["value"], "properties": {"value": value}}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"riddles.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Riddle", "plural": "riddles"},
            "versions": [version],
        },
    }  # fmt: skip
    api.call("POST", CRDS, crd)
    eventually(lambda: api.get(f"/apis/{group}/v1"), "the kind to be served")
    yield group
    api.call("DELETE", f"{CRDS}/riddles.{group}")


@pytest.mark.parametrize(("kind", "asked"), [("Mutating", True), ("Validating", False)])
def test_a_mutating_webhook_is_asked_even_about_an_object_that_is_invalid(
    api: Api, webhook: Webhook, configuration: Object, demanding: str, *, kind: str, asked: bool
) -> None:
    configuration["kind"] = f"{kind}WebhookConfiguration"
    hook = configuration["webhooks"][0]
    hook["rules"][0] |= {"apiGroups": [demanding], "resources": ["riddles"]}
    hook["clientConfig"]["caBundle"] = webhook.ca
    collection = f"{HOOKS.rpartition('/')[0]}/{kind.lower()}webhookconfigurations"
    api.call("POST", collection, configuration)
    try:
        webhook.start()
        refused = refusal(api, configuration)
        assert bool(webhook.dry_runs) is asked
        assert ("no pod behind Service" in refused) is not asked, "where nothing can be asked, a ready pod is needed"
    finally:
        api.call("DELETE", f"{collection}/{configuration['metadata']['name']}")


PRECONDITIONS = """
    import json
    from pathlib import Path

    import pulumi

    from kubeflow.install import conflicts
    from kubeflow.install.preconditions import Preconditions, PreconditionsArgs
    from kubeflow.spec.components import Existing, ExistingSpec

    given = json.loads(Path("given.json").read_text())
    existing = ExistingSpec(cert_manager=Existing(given["choice"]))
    args = PreconditionsArgs(
        kubeconfig=pulumi.Output.secret(Path(given["kubeconfig"]).read_text()),
        choices=conflicts.choices({"cert-manager": ...}, existing),
    )
    first = Preconditions("preconditions", args)
    pulumi.Stash("installation", opts=pulumi.ResourceOptions(depends_on=[first]), input="reached")
    """


def definitions_of(api: Api, component: str) -> Iterator[str]:
    """Install the definitions of a component as Helm does."""
    for name, kind in kinds.table().items():
        if kind.component == component:
            body = open_crds.definition(name)
            del body["metadata"]["annotations"]
            api.apply(f"{CRDS}/{name}", body, "helm")
            yield name


@pytest.fixture
def somebodys_cert_manager(api: Api) -> Iterator[Callable[[str], None]]:
    """cert-manager as its chart installs it, in a version."""
    api.namespace("cert-manager")
    api.node("somebodys")
    names = list(definitions_of(api, "cert-manager"))
    path = "/apis/apps/v1/namespaces/cert-manager/deployments/cert-manager"

    def install(version: str) -> None:
        body = deployment()
        del body["spec"]["template"]["spec"]["schedulingGates"]
        body["metadata"] = {"name": "cert-manager", "labels": {"app": "cert-manager", VERSION: version}}
        api.apply(path, body, "helm")

        def available() -> int:
            found: Any = api.get(path)
            return found["status"].get("availableReplicas", 0)

        eventually(available, "cert-manager to be available")

    yield install
    api.call("DELETE", path)
    without_definitions(api, *names)  # first: a namespace waits for minutes where a kind goes meanwhile
    api.call("DELETE", "/api/v1/namespaces/cert-manager")
    api.call("DELETE", "/api/v1/nodes/somebodys")
    eventually(lambda: api.get("/api/v1/namespaces/cert-manager") is None, "the namespace to be gone")


def test_somebodys_cert_manager_is_refused_with_both_ways_out_or_reused_if_it_fits(
    project: Projects, kubeconfig: Path, somebodys_cert_manager: Callable[[str], None]
) -> None:
    somebodys_cert_manager("v1.12.0")
    program = project(PYTHONPATH=str(ROOT))
    program.write(PRECONDITIONS)

    def choose(choice: str) -> None:
        program.write({"choice": choice, "kubeconfig": str(kubeconfig)}, "given.json")

    choose("manage")
    for verb in ("preview", "up"):
        refused = program.operate(verb).failed()
        assert refused.errors.count("cert-manager: somebody else's is there") == 1
        assert "Deployment cert-manager/cert-manager v1.12.0" in refused.errors
        assert "definition certificates.cert-manager.io (owner: helm" in refused.errors
        assert "set platform.existing.certManager to reuse" in refused.errors
        assert "or uninstall it" in refused.errors
    assert not any(part["urn"].endswith("::installation") for part in program.state())

    choose("reuse")
    assert "cert-manager/cert-manager is version v1.12.0; 1.16 or newer is needed" in program.up().failed().errors
    somebodys_cert_manager("v1.19.4")
    program.up().ok()
    program.preview("--expect-no-changes").ok()
    assert "client-key-data" not in program.state_text()


@pytest.fixture
def somebodys_mesh(api: Api) -> Iterator[None]:
    """A mesh whose control plane is outside the cluster: all that is seen of it is a webhook, under its own name."""
    webhook: Object = {
        "name": "rev.namespace.sidecar-injector.istio.io",
        "clientConfig": {"url": "https://127.0.0.1:9/inject"},
        "namespaceSelector": {"matchLabels": {"istio.io/rev": "stable"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    collection = f"{HOOKS.rpartition('/')[0]}/mutatingwebhookconfigurations"
    header = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    body = {**header, "metadata": {"name": "somebodys-mesh"}, "webhooks": [webhook]}
    api.apply(f"{collection}/somebodys-mesh", body, "helm")
    yield
    api.call("DELETE", f"{collection}/somebodys-mesh")


@pytest.mark.usefixtures("somebodys_mesh")
def test_somebodys_istio_is_found_by_its_webhook_and_told_what_it_lacks(api: Api) -> None:
    server = ApiServer(api.kubeconfig)
    (refused,) = conflicts.problems(server, {"istio": "manage"})
    assert "webhook configuration somebodys-mesh" in refused
    assert "platform.existing.istio to reuse" in refused
    (unfit,) = conflicts.problems(server, {"istio": "reuse"})
    for lack in ("no Deployment with the labels app=istiod", "security.istio.io/v1 PeerAuthentication is not served",
                 "istio-injection=enabled", "extension provider oauth2-proxy", "istio=ingressgateway"):  # fmt: skip
        assert lack in unfit


def test_a_cluster_that_has_none_of_them_is_free(api: Api) -> None:
    assert conflicts.problems(ApiServer(api.kubeconfig), dict.fromkeys(conflicts.PRODUCTS, "manage")) == []


def test_what_the_platform_itself_installed_is_not_taken_for_somebody_elses(
    project: Projects, kubeconfig: Path, api: Api, namespace: str
) -> None:
    body = deployment()
    body["spec"]["replicas"] = 0
    body["metadata"] = {"name": "cert-manager", "namespace": namespace, "labels": {"app": "cert-manager"}}
    wave = Wave(project(PYTHONPATH=str(ROOT)), kubeconfig, [body])
    wave.project.up().ok()
    body["spec"]["revisionHistoryLimit"] = 3  # an update has another field manager than a create
    wave.write(objects=[body])
    wave.project.up().ok()
    server = ApiServer(api.kubeconfig)
    assert conflicts.problems(server, {"cert_manager": "manage"}) == []
    (refused,) = conflicts.problems(server, {"cert_manager": "reuse"})
    assert "was installed by this platform: leaving it out would delete it" in refused
