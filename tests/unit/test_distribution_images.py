"""Images are found wherever a platform hides them, and nothing else is taken for one."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from kubeflow.distribution import cache, images
from kubeflow.distribution.__main__ import main
from kubeflow.distribution.documents import parse

SHA = "sha256:" + "a" * 64


def found_in(text: str) -> dict[str, str]:
    """Images of one object by path."""
    return {item.path: item.image for item in images.find("x", parse(textwrap.dedent(text), origin="x.yaml"))}


def deployment(container: str) -> str:
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
        f"spec: {{template: {{spec: {{containers: [{container}]}}}}}}\n"
    )


def config_map(data: str) -> str:
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n" + textwrap.indent(
        textwrap.dedent(data), "  "
    )


CONTAINER = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(deployment("{name: c, image: busybox}"), {f"{CONTAINER}.image": "busybox"}, id="bare name"),
        pytest.param(
            deployment("{name: c, image: '$(IMAGE)', env: [{name: SIDECAR_IMAGE, value: org/sidecar}]}"),
            {f"{CONTAINER}.env[0].value": "org/sidecar"},
            id="environment, by name",
        ),
        pytest.param(
            deployment("{name: c, env: [{name: RUNNER, value: 'images.example.invalid/runner:1'}]}"),
            {f"{CONTAINER}.env[0].value": "images.example.invalid/runner:1"},
            id="environment, by form",
        ),
        pytest.param(
            deployment("{name: c, args: [--executor-image, 'org/exec:v3', --other]}"),
            {f"{CONTAINER}.args[1]": "org/exec:v3"},
            id="argument of two words",
        ),
        pytest.param(
            deployment("{name: c, args: ['--init-image=org/init:v3', '--reloader=images.example.invalid/a/b:2']}"),
            {f"{CONTAINER}.args[0]": "org/init:v3", f"{CONTAINER}.args[1]": "images.example.invalid/a/b:2"},
            id="argument of one word",
        ),
        pytest.param(
            config_map(f"queue-sidecar-image: images.example.invalid/queue@{SHA}\nCACHE_IMAGE: org/cache"),
            {"data[queue-sidecar-image]": f"images.example.invalid/queue@{SHA}", "data[CACHE_IMAGE]": "org/cache"},
            id="key of a ConfigMap",
        ),
        pytest.param(
            config_map('agent: |\n  {"image": "org/agent:1", "memory": "1Gi"}'),
            {"data[agent].image": "org/agent:1"},
            id="JSON in a ConfigMap",
        ),
        pytest.param(
            config_map('explainers: |\n  {"art": {"image": "org/art", "defaultImageVersion": "v2"}}'),
            {"data[explainers].art.image": "org/art:v2"},
            id="version beside the image",
        ),
        pytest.param(
            config_map(
                "ui.yaml: |\n  image: {value: 'org/lab:1', options: ['org/lab:1', 'org/full:1']}\n  cpu: {value: '1'}"
            ),
            {
                "data[ui.yaml].image.value": "org/lab:1",
                "data[ui.yaml].image.options[0]": "org/lab:1",
                "data[ui.yaml].image.options[1]": "org/full:1",
            },
            id="choices of the notebook form",
        ),
        pytest.param(
            config_map(
                'values: |\n  {"global": {"hub": "i.example.invalid/mesh", "tag": "1.2", "proxy": {"image": "proxy"}}}'
            ),
            {"data[values].global.proxy.image": "i.example.invalid/mesh/proxy:1.2"},
            id="hub and tag of an outer mapping",
        ),
        pytest.param(
            config_map(
                "template: |\n  {{- if .x }}\n  image: org/plain:1\n  # images.example.invalid/a/b:3\n  {{- end }}"
            ),
            {"data[template]": "org/plain:1"},
            id="template",
        ),
        pytest.param(
            config_map(
                "code.py: |\n  import os\n  front = os.environ.get('FRONT_IMAGE', 'images.example.invalid/org/front')"
            ),
            {"data[code.py]": "images.example.invalid/org/front"},
            id="program text, without a tag",
        ),
        pytest.param(
            """\
            apiVersion: example.invalid/v1
            kind: Policy
            metadata: {name: x}
            spec:
              driver: {repository: images.example.invalid/gpu, image: driver, version: "1.2"}
              plugin: {repository: images.example.invalid/gpu, image: plugin, version: "SHA"}
              unused: {repository: "", image: manager}
            """.replace("SHA", SHA),
            {
                "spec.driver.image": "images.example.invalid/gpu/driver:1.2",
                "spec.plugin.image": f"images.example.invalid/gpu/plugin@{SHA}",
            },
            id="repository, image and version",
        ),
        pytest.param(
            """\
            apiVersion: trainer.example.invalid/v1
            kind: ClusterTrainingRuntime
            metadata: {name: x}
            spec: {template: {jobs: [{spec: {containers: [{image: "org/train:2"}]}}]}}
            """,
            {"spec.template.jobs[0].spec.containers[0].image": "org/train:2"},
            id="runtime",
        ),
    ],
)
def test_an_image_is_found_in(text: str, expected: dict[str, str]) -> None:
    found = found_in(text)
    assert expected.items() <= found.items()
    assert len(found) == len(expected) or "template" in text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(config_map("_example: |\n  image: org/doc:1"), id="documentation"),
        pytest.param(config_map("url: https://docs.example.invalid/images/pull:1"), id="address"),
        pytest.param(config_map("endpoint: tempo.example.invalid:4317"), id="endpoint"),
        pytest.param(config_map("code: |\n  annotation sidecar.example.invalid/proxyImage"), id="annotation"),
        pytest.param(
            deployment("{name: c, imagePullPolicy: Always, env: [{name: IMAGE_TAG, value: v1}]}"), id="tag alone"
        ),
        pytest.param(deployment("{name: c, image: 'org/auto:{{ x }}'}"), id="template value"),
        pytest.param(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n"
            "spec: {default: {image: 'org/schema:1'}}\n",
            id="schema",
        ),
        pytest.param(
            "apiVersion: example.invalid/v1\nkind: Dashboard\nmetadata: {name: x}\nspec: {image: logo}\n", id="picture"
        ),
    ],
)
def test_no_image_is_seen_in(text: str) -> None:
    assert found_in(text) == {}


@pytest.mark.parametrize(
    ("image", "by"),
    [
        ("busybox", "nothing"),
        ("localhost:5000/a/b", "nothing"),
        ("localhost:5000/a/b:1", "tag"),
        (f"a/b:1@{SHA}", "digest"),
    ],
)
def test_it_is_known_how_exactly_an_image_is_named(image: str, by: str) -> None:
    assert images.pinned_by(image) == by


def test_the_command_lists_every_image_once_with_all_its_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = deployment("{name: a, image: 'org/one:1'}, {name: b, image: 'org/one:1'}, {name: c, image: org/two}")
    cache.write(tmp_path, "26.03", "dex", parse(text, origin="x.yaml"))
    assert main(["images", "--json", "--cache", str(tmp_path), "--component", "dex"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(entry["image"], entry["pinnedBy"], len(entry["found"])) for entry in listed] == [
        ("org/one:1", "tag", 2),
        ("org/two", "nothing", 1),
    ]
    assert listed[1]["found"][0] == {
        "component": "dex",
        "object": "apps/v1 Deployment x",
        "path": f"{CONTAINER[:-2]}2].image",
    }
    main(["images", "--cache", str(tmp_path), "--component", "dex"])
    assert capsys.readouterr().out.endswith("2 images in 3 places\n")
