"""Every image can come from a mirror and be named by its digest; the list and the rewriting never disagree."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeflow.distribution import CacheMissingError, cache, digests, table
from kubeflow.distribution.__main__ import main
from kubeflow.distribution.documents import Body, parse
from kubeflow.distribution.images import places, rewrite
from kubeflow.distribution.references import parse as parse_reference
from kubeflow.distribution.references import qualified
from kubeflow.install import images
from kubeflow.install.images import Images, ImagesError
from kubeflow.spec.images import ImagesSpec
from tests.support.outputs import event_loop

SHA = "sha256:" + "a" * 64
MIRRORS = {"docker.io": "mirror.example.invalid/hub", "quay.io": "mirror.example.invalid/quay"}
PROGRAM = "ghcr.io/kubeflow/kfp-frontend"  # upstream's sync.py adds the tag that FRONTEND_TAG names


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction] pytest uses it
    with event_loop():
        yield


def body(text: str) -> Body:
    (one,) = parse(textwrap.dedent(text), origin="x.yaml")
    return one.body


def config_map(name: str, text: str) -> Body:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {name: textwrap.dedent(text)}}


def deployment(name: str, *containers: Body) -> Body:
    spec = {"template": {"spec": {"containers": list(containers)}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def upstream() -> list[Body]:
    """Every object of every component, in the cache of this checkout."""
    folder = cache.directory(table.CURRENT)
    try:
        names = [one.name for one in table.components(table.CURRENT)]
        return [document.body for name in names for document in cache.read(folder, name)]
    except CacheMissingError as error:
        pytest.skip(str(error))


def named(bodies: list[Body]) -> set[str]:
    return {image for one in bodies if one["kind"] != "CustomResourceDefinition" for image, _ in places(one)}


# Mirrors


@pytest.mark.parametrize(
    ("image", "there"),
    [
        ("busybox", "mirror.example.invalid/hub/library/busybox"),
        ("mysql:8.4", "mirror.example.invalid/hub/library/mysql:8.4"),
        ("org/tool:1", "mirror.example.invalid/hub/org/tool:1"),
        ("docker.io/org/tool:1", "mirror.example.invalid/hub/org/tool:1"),
        (f"quay.io/a/b@{SHA}", f"mirror.example.invalid/quay/a/b@{SHA}"),
        ("other.example.invalid/a:1", "other.example.invalid/a:1"),
        ("quay.io.example.invalid/a:1", "quay.io.example.invalid/a:1"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
    ],
)
def test_an_image_comes_from_the_mirror_of_its_registry(image: str, there: str) -> None:
    assert Images(mirrors=MIRRORS).reference(image) == there


def test_the_longest_matching_prefix_decides() -> None:
    chosen = Images(mirrors={"quay.io": "one.example.invalid", "quay.io/a": "two.example.invalid/x"})
    assert chosen.reference("quay.io/a/b:1") == "two.example.invalid/x/b:1"
    assert chosen.reference("quay.io/ab/c:1") == "one.example.invalid/ab/c:1"


def test_without_settings_every_object_stays_as_it_is() -> None:
    for one in upstream():
        assert Images().apply(one) == one


_PART = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
_NAMES = st.lists(_PART, min_size=1, max_size=3).map("/".join)
_REFERENCES = st.tuples(
    st.sampled_from(["", "quay.io/", "docker.io/", "r.example.invalid:5000/"]),
    _NAMES,
    st.sampled_from([":1", ":v2-x", "", f"@{SHA}", f":1@{SHA}"]),
).map("".join)


@given(_REFERENCES)
def test_only_the_registry_of_an_image_ever_changes(image: str) -> None:
    before, after = parse_reference(image), parse_reference(Images(mirrors=MIRRORS).reference(image))
    assert (after.tag, after.digest) == (before.tag, before.digest)
    assert after.name.endswith(qualified(before.name).partition("/")[2])


# Places


def changed(one: Body, **settings: Any) -> Body:  # noqa: ANN401 - settings of several types
    return Images(mirrors=MIRRORS, **settings).apply(one)


def test_text_around_an_image_stays_to_the_letter() -> None:
    text = """\
        # the agent
        agent:   {"image": "quay.io/org/agent:1",   "memory": "1Gi"}   # keep
        choices: # several
          image: {value: 'quay.io/org/lab:1', options: ["quay.io/org/lab:1"]}
        template: |
          # as it is
          image: "quay.io/org/inner:1"
        on: yes
        """
    one = config_map("settings", text)
    expected = config_map("settings", text.replace("quay.io", "mirror.example.invalid/quay"))
    assert changed(one) == expected


def test_a_template_that_is_no_yaml_is_rewritten_by_form() -> None:
    text = "{{- if .x }}\nimage: quay.io/org/plain:1\n# see quay.io/a/b:3\n{{- end }}\n"
    one = config_map("template", text)
    assert changed(one)["data"]["template"] == text.replace("quay.io", "mirror.example.invalid/quay")


def test_an_image_in_three_fields_stays_in_three_fields() -> None:
    text = """\
        apiVersion: example.invalid/v1
        kind: Policy
        metadata: {name: x}
        spec:
          driver: {repository: quay.io/gpu, image: driver, version: "1.2"}
        """
    pinned = changed(body(text), digests={"quay.io/gpu/driver:1.2": SHA})["spec"]["driver"]
    assert pinned == {"repository": "mirror.example.invalid/quay/gpu", "image": "driver", "version": SHA}
    mirrored = changed(body(text))["spec"]["driver"]
    assert mirrored == {"repository": "mirror.example.invalid/quay/gpu", "image": "driver", "version": "1.2"}


def test_a_version_beside_the_image_takes_the_digest() -> None:
    one = config_map("explainers", '{"art": {"image": "org/art", "defaultImageVersion": "v2"}}')
    found = json.loads(changed(one, digests={"org/art:v2": SHA})["data"]["explainers"])
    assert found == {"art": {"image": "mirror.example.invalid/hub/org/art", "defaultImageVersion": f"v2@{SHA}"}}


def test_an_image_below_a_hub_becomes_a_whole_reference() -> None:
    one = config_map("values", '{"global": {"hub": "quay.io/mesh", "tag": "1.2", "proxy": {"image": "proxy"}}}')
    found = json.loads(changed(one)["data"]["values"])
    assert found["global"]["proxy"] == {"image": "mirror.example.invalid/quay/mesh/proxy:1.2"}
    assert json.loads(Images().apply(one)["data"]["values"])["global"]["proxy"] == {"image": "proxy"}


def test_arguments_and_environment_are_rewritten() -> None:
    container = {
        "name": "c",
        "args": ["--executor-image", "quay.io/org/exec:v3", "--init-image=quay.io/org/init:v3", "--other"],
        "env": [{"name": "SIDECAR_IMAGE", "value": "org/sidecar"}, {"name": "RUNNER", "value": "quay.io/a/b:1"}],
    }
    found = changed(deployment("x", container))["spec"]["template"]["spec"]["containers"][0]
    assert found["args"] == [
        "--executor-image", "mirror.example.invalid/quay/org/exec:v3",
        "--init-image=mirror.example.invalid/quay/org/init:v3", "--other",
    ]  # fmt: skip
    assert [entry["value"] for entry in found["env"]] == [
        "mirror.example.invalid/hub/org/sidecar", "mirror.example.invalid/quay/a/b:1",
    ]  # fmt: skip


def test_a_program_that_adds_the_tag_itself_is_told_the_digest() -> None:
    program = config_map("sync.py", f"front = os.environ.get('FRONT_IMAGE', '{PROGRAM}')\n")
    controller = deployment("kubeflow-pipelines-profile-controller", {"name": "c", "image": "org/c:1"})
    chosen = Images(mirrors={"ghcr.io": "m.example.invalid"}, digests={f"{PROGRAM}:2.16.0": SHA, PROGRAM: SHA})
    assert "'m.example.invalid/kubeflow/kfp-frontend')" in chosen.apply(program)["data"]["sync.py"]
    (container,) = chosen.apply(controller)["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "FRONTEND_TAG", "value": f"2.16.0@{SHA}"}]


def test_upstreams_images_after_the_rewriting_are_the_rewritten_ones() -> None:
    bodies = [one for one in upstream() if one["kind"] != "CustomResourceDefinition"]
    known = dict.fromkeys(named(bodies), SHA)
    chosen = Images(mirrors={"docker.io": "m.example.invalid/hub", "ghcr.io": "m.example.invalid"}, digests=known)
    for one in bodies:
        expected = {(parse_reference(chosen.reference(image)).exact, path) for image, path in places(one)}
        found = {(parse_reference(image).exact, path) for image, path in places(rewritten(chosen, one))}
        if "sync.py" in (one.get("data") or {}):
            found = {(f"{image}@{SHA}" if image.endswith("/kfp-frontend") else image, path) for image, path in found}
        assert found == expected, one["metadata"]["name"]


def rewritten(chosen: Images, one: Body) -> Body:
    return rewrite(one, lambda image, _path: chosen.reference(image))


def test_rewriting_and_rewriting_back_gives_upstreams_objects_to_the_byte() -> None:
    for one in upstream():
        if one["kind"] == "CustomResourceDefinition" or one["metadata"]["name"] in ("istio-sidecar-injector", "values"):
            continue  # an image below a hub becomes a whole reference
        there = rewrite(one, lambda image, _path: f"m.example.invalid/x/{image}" if "/" in image else f"m-{image}")
        back = rewrite(there, lambda image, _path: image.removeprefix("m.example.invalid/x/").removeprefix("m-"))
        assert back == one


# Digests


def test_no_image_is_named_by_its_tag_only_where_all_digests_are_known() -> None:
    bodies = [one for one in upstream() if one["kind"] != "CustomResourceDefinition"]
    known = {image: SHA for image in named(bodies) if not parse_reference(image).digest}
    chosen = Images(digests=known)
    after = [chosen.apply(one) for one in bodies]
    assert {image for image in named(after) if not parse_reference(image).digest} == {PROGRAM}
    (controller,) = (one for one in after if one["metadata"]["name"] == "kubeflow-pipelines-profile-controller"
                     and one["kind"] == "Deployment")  # fmt: skip
    (container,) = controller["spec"]["template"]["spec"]["containers"]
    assert f"2.16.0@{SHA}" in [entry.get("value") for entry in container["env"] if entry["name"] == "FRONTEND_TAG"]


def test_all_missing_digests_are_told_at_once_where_digests_are_demanded() -> None:
    bodies = [deployment("x", {"name": name, "image": image}) for name, image in (("a", "org/a:1"), ("b", "org/b"))]
    known = {"org/c:1": SHA}
    images.check(ImagesSpec(), "26.03", bodies, known)
    with pytest.raises(ImagesError) as refused:
        images.check(ImagesSpec(digests=True), "26.03", bodies, known)
    text = str(refused.value)
    assert "no digest of 2 images" in text
    assert "  org/a:1\n  org/b (names another one every day)" in text
    images.check(ImagesSpec(digests=True), "26.03", bodies, {"org/a:1": SHA, "org/b": SHA})


def test_upstreams_moving_images_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    upstream()
    assert main(["images"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "meant to move" in line)
    assert line.partition(": ")[2] == f"ghcr.io/containerd/busybox, {PROGRAM}, kserve/art-explainer:latest"


# Credentials


def test_pods_and_service_accounts_name_the_credentials() -> None:
    chosen = Images(credentials=True)
    account: Body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}}
    assert chosen.apply(account)["imagePullSecrets"] == [{"name": "registry-credentials"}]
    pod = chosen.apply(chosen.apply(deployment("x", {"name": "c", "image": "a:1"})))["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry-credentials"}]
    assert "imagePullSecrets" not in Images().apply(account)


def test_every_namespace_gets_the_credentials_once() -> None:
    made = list(images.credentials(["b", "a", "b"], pulumi.Output.secret("{}")))
    assert [item.name for item in made] == [
        "images/Secret/a/registry-credentials", "images/Secret/b/registry-credentials",
    ]  # fmt: skip
    assert all(item.body["type"] == "kubernetes.io/dockerconfigjson" for item in made)


# Asking registries


@dataclass
class Registry:
    """A registry that hands out tokens to everybody, as the public ones do."""

    manifests: dict[str, bytes]
    header: bool = True
    login: str = "Bearer"
    busy: int = 0  # answers before the first real one
    asked: list[str] = field(default_factory=list[str])
    port: int = 0


@contextmanager
def serving(registry: Registry) -> Generator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if registry.busy:
                registry.busy -= 1
                return self.answer(503, b"")
            if self.path.startswith("/token"):
                return self.answer(200, json.dumps({"token": "open"}).encode())
            if self.headers.get("Authorization") != "Bearer open":
                realm = f"http://localhost:{registry.port}/token"
                return self.answer(401, b"", **{"WWW-Authenticate": f'{registry.login} realm="{realm}",scope="pull"'})
            content = registry.manifests.get(self.path.removeprefix("/v2/"))
            if content is None:
                return self.answer(404, b"")
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            return self.answer(200, content, **({"Docker-Content-Digest": digest} if registry.header else {}))

        do_HEAD = do_GET  # noqa: N815 - named by the server's protocol

        def answer(self, code: int, content: bytes, **headers: str) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the server's own signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def ask(registry: Registry, folder: Path, *names: str, refresh: bool = False) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    wanted = [f"localhost:{registry.port}/{name}" for name in names]
    failed = digests.update("26.03", wanted, report=lines.append, folder=folder, refresh=refresh)
    return failed, lines


@pytest.mark.parametrize("header", [True, False])
def test_a_tag_is_resolved_with_an_anonymous_token(tmp_path: Path, header: bool) -> None:  # noqa: FBT001 - a case
    with serving(Registry({"a/b/manifests/1": b"one", "c/manifests/latest": b"two"}, header=header)) as registry:
        assert ask(registry, tmp_path, "a/b:1", "c")[0] == []
        assert digests.read("26.03", tmp_path) == {
            f"localhost:{registry.port}/a/b:1": f"sha256:{hashlib.sha256(b'one').hexdigest()}",
            f"localhost:{registry.port}/c": f"sha256:{hashlib.sha256(b'two').hexdigest()}",
        }


def test_what_is_known_is_not_asked_again_and_what_failed_is(tmp_path: Path) -> None:
    with serving(Registry({"a/manifests/1": b"one"})) as registry:
        failed, lines = ask(registry, tmp_path, "a:1", "b:1")
        assert failed == [f"localhost:{registry.port}/b:1"]
        assert "the registry answers 404" in lines[-1]
        registry.manifests["b/manifests/1"] = b"now"
        registry.asked.clear()
        assert ask(registry, tmp_path, "a:1", "b:1")[0] == []
        assert not [path for path in registry.asked if path.startswith("/v2/a/")]
        registry.manifests["a/manifests/1"] = b"moved"
        ask(registry, tmp_path, "a:1", refresh=True)
        moved = digests.read("26.03", tmp_path)[f"localhost:{registry.port}/a:1"]
        assert moved == f"sha256:{hashlib.sha256(b'moved').hexdigest()}"
        assert len(digests.read("26.03", tmp_path)) == 2


def test_a_registry_that_wants_a_password_is_told_as_such(tmp_path: Path) -> None:
    with serving(Registry({}, login="Basic")) as registry:
        failed, lines = ask(registry, tmp_path, "a:1")
        assert failed
        assert "wants a login of the kind 'Basic'" in lines[0]


def test_a_busy_registry_is_asked_again_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_PAUSES", (0.0, 0.0))
    with serving(Registry({"a/manifests/1": b"one"}, busy=2)) as registry:
        assert ask(registry, tmp_path, "a:1")[0] == []
        registry.busy = 3
        failed, lines = ask(registry, tmp_path, "a:1", refresh=True)
        assert failed
        assert "answers 503" in lines[0]


def test_an_image_that_is_pinned_already_is_not_asked_for(tmp_path: Path) -> None:
    assert digests.update("26.03", [f"localhost:1/a@{SHA}"], report=print, folder=tmp_path) == []
    assert digests.read("26.03", tmp_path) == {}


def test_a_file_with_something_else_than_digests_is_refused(tmp_path: Path) -> None:
    digests.path_of("26.03", tmp_path).write_text('{"digests": {"a:1": "latest"}}', encoding="utf-8")
    with pytest.raises(digests.DigestError, match=r"no digest of the form sha256:.* for a:1"):
        digests.read("26.03", tmp_path)
