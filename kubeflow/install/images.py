"""Upstream's images as this cluster pulls them: from mirrors, by digest, with credentials. Asks no registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pulumi

from infra.objects import Document, document
from kubeflow.distribution import digests
from kubeflow.distribution.documents import Body
from kubeflow.distribution.images import moves, places, rewrite
from kubeflow.distribution.references import parse, qualified
from kubeflow.spec.images import ImagesSpec

from . import kinds
from .planned import Planned, own
from .transforms import Context
from .waves import Wave

PULL_SECRET = "registry-credentials"  # noqa: S105 - the name of an object

# Programs of upstream that put a name and a tag together: (Deployment, its variable for the tag, name of the image).
_TAGS_OF_PROGRAMS = (("kubeflow-pipelines-profile-controller", "FRONTEND_TAG", "ghcr.io/kubeflow/kfp-frontend"),)


class ImagesError(Exception):
    """Images that this stack's settings do not allow; the message names all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """How images are named here. Without settings every object stays as it is."""

    mirrors: Mapping[str, str] = field(default_factory=dict[str, str])
    digests: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    credentials: bool = False  # pulling needs the Secret `registry-credentials`

    def reference(self, image: str) -> str:
        """What stands for an image of upstream; one that is not named by upstream's name stays."""
        whole = parse(image)
        digest = whole.digest or self.digests.get(image, "")
        return str(whole._replace(name=self._mirrored(whole.name), digest=digest))

    def _mirrored(self, name: str) -> str:
        full = qualified(name)
        matches = [prefix for prefix in self.mirrors if full == prefix or full.startswith(f"{prefix}/")]
        if not matches:
            return name
        longest = max(matches, key=len)
        return self.mirrors[longest] + full.removeprefix(longest)

    def apply(self, body: Body, _context: Context | None = None) -> Body:
        """An object with its images as they are pulled here."""
        if body["kind"] == "CustomResourceDefinition":
            return body
        changed = rewrite(body, lambda image, _path: self.reference(image))
        self._tell_programs(changed)
        if self.credentials:
            _add_credentials(changed)
        return changed

    def _tell_programs(self, body: Body) -> None:
        pod = kinds.pod_spec(body)
        for deployment, variable, name in _TAGS_OF_PROGRAMS:
            exact = [f"{parse(image).tag}@{digest}" for image, digest in self.digests.items() if _is(image, name)]
            if pod is None or not exact or (body["kind"], body["metadata"]["name"]) != ("Deployment", deployment):
                continue
            for container in kinds.parts(pod, "containers"):
                others = [entry for entry in kinds.parts(container, "env") if entry["name"] != variable]
                container["env"] = [*others, {"name": variable, "value": exact[0]}]


def chosen(spec: ImagesSpec, release: str) -> Images:
    """The settings together with the digests that are known of a release."""
    return Images(mirrors=spec.mirrors, digests=digests.read(release), credentials=spec.pull_secret is not None)


def floating(bodies: Iterable[Body], known: Mapping[str, str]) -> tuple[str, ...]:
    """Images of these objects that neither they nor the known digests name exactly."""
    told_otherwise = {name for _, _, name in _TAGS_OF_PROGRAMS if any(_is(image, name) for image in known)}
    found = {image for body in bodies if body["kind"] != "CustomResourceDefinition" for image, _ in places(body)}
    return tuple(
        sorted(
            image for image in found if not parse(image).digest and image not in known and image not in told_otherwise
        )
    )


def check(spec: ImagesSpec, release: str, bodies: Iterable[Body], known: Mapping[str, str]) -> None:
    """Raise one ImagesError for all images without a digest, if digests are demanded."""
    missing = floating(bodies, known) if spec.digests else ()
    if missing:
        listed = "\n".join(f"  {image}{' (names another one every day)' if moves(image) else ''}" for image in missing)
        raise ImagesError(
            f"platform.images.digests: {digests.path_of(release).name} has no digest of {len(missing)} images; run "
            f"`python -m kubeflow.distribution digests` where the registries can be reached:\n{listed}"
        )


def credentials(namespaces: Iterable[str], config: pulumi.Output[str]) -> Iterator[Planned]:
    """The registry's credentials in every namespace that has pods."""
    for namespace in sorted(set(namespaces)):
        body: Document = document(
            "v1", "Secret", PULL_SECRET, namespace,
            type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": config},
        )  # fmt: skip
        yield own("images", Wave.BASE, body)


def _is(image: str, name: str) -> bool:
    reference = parse(image)
    return reference.name == name and bool(reference.tag)


def _add_credentials(body: Body) -> None:
    """Pods name them; so do service accounts, for the pods that operators make."""
    is_account = body["kind"] == "ServiceAccount" and body["apiVersion"] == "v1"
    holder = body if is_account else kinds.pod_spec(body)
    if holder is not None:
        others = [entry for entry in kinds.parts(holder, "imagePullSecrets") if entry["name"] != PULL_SECRET]
        holder["imagePullSecrets"] = [*others, {"name": PULL_SECRET}]
