"""All definitions as one resource, on the real engine and a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeflow.distribution import cache
from kubeflow.distribution.documents import Document, canonical, digest
from tests.support.cluster import Api, standing, without_definitions
from tests.support.engine import ROOT, Object, Project, Result

pytestmark = pytest.mark.engine
Projects = Callable[..., Project]
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

PROGRAM = """
    import json
    from pathlib import Path

    import pulumi

    from kubeflow.install import definitions
    from kubeflow.install.crds import CrdSet, CrdSetArgs

    given = json.loads(Path("given.json").read_text())
    crds = definitions.read(Path(given["folder"]), given["components"], webhooks=True)
    args = CrdSetArgs(kubeconfig=pulumi.Output.secret(Path(given["kubeconfig"]).read_text()), folder=given["folder"],
        components=given["components"], crds=crds, open=given["open"], webhooks=True, delete=given["delete"])
    CrdSet("crds", args)
    """


def crd(kind: str, *versions: str, field: str = "colour") -> Object:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {field: {"type": "string"}}}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.crdset.test"},
        "spec": {
            "group": "crdset.test",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": name == versions[-1],
                    "schema": {"openAPIV3Schema": schema},
                }
                for name in versions
            ],
        },
    }


class Definitions:
    """A program whose definitions a test adds, changes and takes away."""

    def __init__(self, project: Project, kubeconfig: Path, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.kubeconfig = kubeconfig
        self.delete = False
        self.open: list[str] = []
        self.crds = [crd("Red", "v1"), crd("Green", "v1alpha1", "v1"), crd("Blue", "v1")]
        project.write(PROGRAM)

    def run(self, verb: str, *arguments: str) -> Result:
        documents: tuple[Document, ...] = tuple(canonical(body) for body in self.crds)
        cache.write(self.folder, "test", "tiny", documents)
        given = {
            "folder": str(self.folder),
            "components": {"tiny": digest(documents)},
            "kubeconfig": str(self.kubeconfig),
        }
        self.project.write({**given, "delete": self.delete, "open": self.open}, "given.json")
        return self.project.operate(verb, *arguments)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster that no other test knows: definitions are everybody's."""
    with standing(tmp_path_factory.mktemp("definitions")) as plane:
        yield Api(plane.kubeconfig)


@pytest.fixture
def definitions(project: Projects, api: Api, tmp_path: Path) -> Iterator[Definitions]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api.kubeconfig, encoding="utf-8")
    yield Definitions(project(PYTHONPATH=str(ROOT)), kubeconfig, tmp_path / "cache")
    without_definitions(api, *(f"{name}.crdset.test" for name in ("reds", "greens", "blues")))


def live(api: Api, name: str) -> Any:  # noqa: ANN401 - any JSON object
    return api.get(f"{PATH}/{name}.crdset.test")


def shown_fields(api: Api, name: str) -> list[str]:
    schema = live(api, name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return list(schema["properties"]["spec"]["properties"])


def test_definitions_are_installed_served_changed_and_kept(definitions: Definitions, api: Api) -> None:
    definitions.run("up").ok()
    served: Any = api.get("/apis/crdset.test/v1")
    assert "reds" in {part["name"] for part in served["resources"]}, "served as soon as the resource is there"
    definitions.run("preview", "--expect-no-changes").ok()
    state = definitions.project.state_text()
    assert "openAPIV3Schema" not in state
    assert "client-key-data" not in state

    definitions.crds[0] = crd("Red", "v1", field="size")
    planned = definitions.run("preview", "--diff").ok()
    assert planned.changes["update"] == 1
    assert "~ reds.crdset.test" in planned.text
    assert "~ blues.crdset.test" not in planned.text
    before = live(api, "blues")["metadata"]["resourceVersion"]
    definitions.run("up").ok()
    assert shown_fields(api, "reds") == ["size"]
    assert live(api, "blues")["metadata"]["resourceVersion"] == before, "what is unchanged is left alone"

    del definitions.crds[2]
    definitions.run("up").ok()
    assert live(api, "blues") is not None, "objects of the kind may be somebody's"
    definitions.run("destroy").ok()
    assert live(api, "reds") is not None
    definitions.run("up").ok()  # over what was kept
    definitions.delete = True
    definitions.run("up").ok()
    definitions.run("destroy").ok()
    assert live(api, "reds") is None


def test_drift_is_read_named_and_repaired(definitions: Definitions, api: Api) -> None:
    definitions.run("up").ok()
    edited = {"spec": {"versions": crd("Red", "v1", field="edited")["spec"]["versions"]}}
    api.merge(f"{PATH}/reds.crdset.test", edited)
    without_definitions(api, "blues.crdset.test")
    definitions.run("refresh").ok()
    drift = definitions.project.resource("crds")["outputs"]["drift"]
    assert drift == {"reds.crdset.test": "changed by kubectl-edit", "blues.crdset.test": "missing"}
    assert definitions.run("up").ok().changes["update"] == 1
    assert live(api, "blues") is not None
    definitions.run("refresh").ok()
    assert definitions.project.resource("crds")["outputs"]["drift"] == {}
    assert shown_fields(api, "reds") == ["colour"]


def test_a_definition_of_somebody_else_is_refused_with_its_owner(definitions: Definitions, api: Api) -> None:
    theirs = crd("Red", "v1", field="weight")
    api.apply(f"{PATH}/reds.crdset.test", theirs, "other-installer")
    refused = definitions.run("up").failed()
    assert "reds.crdset.test: belongs to somebody else" in refused.errors
    assert "other-installer" in refused.errors
    assert shown_fields(api, "reds") == ["weight"]


def test_a_version_in_which_objects_are_stored_is_not_dropped(definitions: Definitions, api: Api) -> None:
    definitions.run("up").ok()
    definitions.crds[1] = crd("Green", "v2")
    for verb in ("preview", "up"):
        refused = definitions.run(verb).failed()
        assert "greens.crdset.test: the new definition lacks v1, in which objects are stored" in refused.errors
    assert [part["name"] for part in live(api, "greens")["spec"]["versions"]] == ["v1alpha1", "v1"]


def test_a_cache_that_changed_meanwhile_is_refused(definitions: Definitions) -> None:
    definitions.run("up").ok()
    given = json.loads((definitions.project.program / "given.json").read_text(encoding="utf-8"))
    definitions.project.write({**given, "components": {"tiny": "0" * 64}}, "given.json")
    assert "tiny: the cache in" in definitions.project.preview().failed().errors


OPEN = "poddefaults.kubeflow.org"  # the table has it: kubeflow.org/v1alpha1


def real() -> Object:
    """The definition that a component brings for the open one."""
    body = crd("PodDefault", "v1alpha1")
    body["metadata"]["name"] = OPEN
    body["spec"]["group"] = "kubeflow.org"
    return body


def accepts(api: Api, content: Object) -> bool:
    """Whether the server stores an object of the open kind with its content as it is."""
    path = "/apis/kubeflow.org/v1alpha1/namespaces/default/poddefaults"
    body = {"apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault", "metadata": {"name": "one"}, "spec": content}
    made: Any = api.call("POST", f"{path}?dryRun=All", body)
    return made["spec"] == content


@pytest.fixture
def without_open(api: Api) -> Iterator[None]:
    yield
    without_definitions(api, OPEN)


@pytest.mark.usefixtures("without_open")
def test_an_open_definition_stands_in_until_the_real_one_comes(definitions: Definitions, api: Api) -> None:
    definitions.crds = []
    definitions.open = [OPEN]
    definitions.run("up").ok()
    assert accepts(api, {"anything": {"goes": [1]}})
    definitions.run("preview", "--expect-no-changes").ok()

    definitions.crds, definitions.open = [real()], []
    planned = definitions.run("preview", "--diff").ok()
    assert "v1alpha1 (open, sha256" in planned.text
    definitions.run("up").ok()
    assert accepts(api, {"colour": "red"})
    assert not accepts(api, {"anything": {"goes": [1]}}), "the real definition prunes what it does not know"
    found: Any = api.get(f"{PATH}/{OPEN}")
    assert "annotations" not in found["metadata"]
    definitions.run("refresh").ok()
    definitions.run("preview", "--expect-no-changes").ok()


@pytest.mark.usefixtures("without_open")
@pytest.mark.parametrize("owner", ["kubeflow-proof-crds", "other-installer"])
def test_an_open_definition_never_takes_the_place_of_a_real_one(definitions: Definitions, api: Api, owner: str) -> None:
    api.apply(f"{PATH}/{OPEN}", real(), owner)
    before: Any = api.get(f"{PATH}/{OPEN}")
    definitions.crds = []
    definitions.open = [OPEN]
    definitions.run("up").ok()
    after: Any = api.get(f"{PATH}/{OPEN}")
    assert after["spec"] == before["spec"]
    definitions.run("refresh").ok()
    definitions.run("preview", "--expect-no-changes").ok()
