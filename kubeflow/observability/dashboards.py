"""How dashboards get into Grafana: the objects that hold them, and upstream's that look for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from infra.objects import Document, document
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.transforms import Context, Step

from .boards import boards
from .facts import Facts
from .monitors import NAMESPACE

FOLDER = "Kubeflow"  # of Grafana
_FOLDER_KEY = "grafana_folder"
_GRAFANA = "kube-prometheus-stack-grafana"
_COLLECTORS = ("grafana-sc-dashboard", "grafana-sc-datasources")


def titles(facts: Facts) -> Mapping[str, str]:
    """The title of every dashboard, by its address in Grafana."""
    return {board.slug: board.title for board in boards(facts)}


def files(facts: Facts) -> Mapping[str, str]:
    """The JSON of every dashboard, by file name."""
    from .boards.render import render  # noqa: PLC0415 - Grafana's SDK is imported only where boards are made

    return {f"{board.slug}.json": render(board) for board in boards(facts)}


def objects(facts: Facts) -> Iterator[Document]:
    """One ConfigMap for each dashboard, which Grafana's sidecar finds by its label."""
    for name, text in files(facts).items():
        metadata = {"labels": {"grafana_dashboard": "1"}, "annotations": {_FOLDER_KEY: FOLDER}}
        yield document(
            "v1", "ConfigMap", name.removesuffix(".json"), NAMESPACE, metadata=metadata, data={name: text}
        )  # fmt: skip


def with_folders(body: Body, _context: Context) -> Body:
    """Grafana puts dashboards into folders as its sidecar does on its disk."""
    if (body["kind"], body["metadata"]["name"]) == ("ConfigMap", f"{_GRAFANA}-config-dashboards"):
        settings = yaml.safe_load(body["data"]["provider.yaml"])
        for provider in settings["providers"]:
            provider["options"]["foldersFromFilesStructure"] = True
        body["data"]["provider.yaml"] = yaml.safe_dump(settings, sort_keys=True)
    return body


def with_own_sources(body: Body, _context: Context) -> Body:
    """Grafana believes what its sidecars bring; a tenant's ConfigMap could name a source anywhere."""
    if (body["kind"], body["metadata"]["name"]) == ("Deployment", _GRAFANA):
        for container in kinds.containers(kinds.pod_spec(body) or {}):
            if container["name"] in _COLLECTORS:
                settings = {"NAMESPACE": NAMESPACE, "FOLDER_ANNOTATION": _FOLDER_KEY}
                kept = [entry for entry in kinds.parts(container, "env") if entry["name"] not in settings]
                container["env"] = [*kept, *({"name": key, "value": value} for key, value in settings.items())]
    return body


STEPS = (
    Step(apply=with_folders, why="upstream shows all dashboards in one list"),
    Step(apply=with_own_sources, why="upstream takes dashboards and data sources from every namespace, tenants' too"),
)
