"""Artifacts of Pipelines in the cluster's bucket: which schemes can do it, tenants' settings, who gets which rights.

Pipelines knows three kinds of roots, gs://, s3:// and minio:// (kubeflow/pipelines 2.16.0, backend/src/v2/objectstore/
config.go). A bucket of another scheme is used through its S3-compatible endpoint, or refused. With a bucket, tenants'
settings are made here and not by upstream's profile controller, which can mint keys of SeaweedFS only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi

from infra.contract import Bucket, Grant, Store
from infra.objects import Document, document
from kubeflow.distribution.documents import Body
from kubeflow.install.transforms import Context, Step
from kubeflow.spec.data import Artifacts

KEY_SECRET = "mlpipeline-minio-artifact"  # noqa: S105 - the name by which upstream's launcher and API server look for it
_SERVER_PREFIX = "pipelines/"  # the API server's own choice (backend/src/apiserver/config/config.json)
_TENANTS_PREFIX = "tenants/"


class ObjectStoreError(ValueError):
    """A bucket that Pipelines cannot use; the message says what to change."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """What Pipelines can do with buckets of a scheme."""

    root: str | None  # scheme of a pipeline root; None: it knows none that fits
    identity: bool = False  # its steps find credentials of a workload identity by themselves
    keys: bool = True  # a pair of keys opens it
    path_style: bool = True  # the endpoint takes the bucket's name as part of the path
    server: bool = False  # the API server can keep its own files there
    why: str = ""  # of what is missing


SCHEMES: Mapping[str, Scheme] = {
    "s3": Scheme(root="s3", identity=True, server=True),
    # The API server speaks S3 with static keys, addressed by path: its own files stay in the cluster.
    "gs": Scheme(root="gs", identity=True, keys=False, why="Pipelines opens it with a workload identity only"),
    "oss": Scheme(
        root="s3", path_style=False, why="its S3-compatible endpoint takes keys only, no token of a workload identity"
    ),
    "abfs": Scheme(root=None, why="it has no S3-compatible endpoint"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineStore:
    """The bucket as Pipelines uses it."""

    bucket: Bucket = field(repr=False)
    scheme: Scheme

    @property
    def keyed(self) -> bool:
        """Whether a key is needed, which every tenant then gets; rights of a key are the bucket owner's business."""
        return self.bucket.credential is not None

    @property
    def in_cluster(self) -> bool:
        """Whether the API server still needs the object store in the cluster for its own files."""
        return not self.scheme.server


def store(artifacts: Artifacts, bucket: Bucket | None) -> PipelineStore | None:
    """The bucket that holds artifacts; None with the object store in the cluster. Refuses what could not work."""
    if artifacts is Artifacts.IN_CLUSTER:
        return None
    key = "platform.data.pipelines.artifacts: found bucket"
    allowed = "allowed here: in-cluster"
    if bucket is None:
        raise ObjectStoreError(f"{key}, but this cluster has no artifacts bucket; {allowed}")
    if (wrong := problem(bucket)) is not None:
        known = ", ".join(name for name, row in SCHEMES.items() if row.root is not None)
        raise ObjectStoreError(f"{key} {wrong}; Pipelines can use {known}; {allowed}")
    return PipelineStore(bucket=bucket, scheme=SCHEMES[bucket.scheme])


def problem(bucket: Bucket) -> str | None:
    """Why a bucket cannot be used; None where it can."""
    scheme, keyed = SCHEMES.get(bucket.scheme), bucket.credential is not None
    named = f"of scheme '{bucket.scheme}'"
    if scheme is None or scheme.root is None:
        return f"{named}, and {'nothing is known about it' if scheme is None else scheme.why}"
    if not (scheme.keys if keyed else scheme.identity):
        return f"{named} {'with' if keyed else 'without'} a credential, and {scheme.why}"
    return None


def prefix(namespace: str) -> str:
    """What a tenant owns of the artifacts bucket."""
    return f"{_TENANTS_PREFIX}{namespace}/"


def tenant_grants(namespace: str) -> tuple[Grant, ...]:
    """Rights of a tenant's workloads: its own prefix, and nothing of anybody else's."""
    return (Grant(store=Store.ARTIFACTS, prefix=prefix(namespace), write=True),)


def platform_grants(chosen: PipelineStore | None) -> Mapping[tuple[str, str], tuple[Grant, ...]]:
    """Rights of the platform's own service accounts: namespace and name -> grants."""
    if chosen is None or chosen.keyed:
        return {}
    own = Grant(store=Store.ARTIFACTS, prefix=_SERVER_PREFIX, write=True)
    read = Grant(store=Store.ARTIFACTS, prefix=_TENANTS_PREFIX)  # previews; it asks who may see a namespace first
    server = (own, read) if chosen.scheme.server else (read,)
    return {("kubeflow", "ml-pipeline"): server, ("kubeflow", "ml-pipeline-ui"): (read,)}


def tenant(namespace: str, chosen: PipelineStore | None) -> Iterator[Document]:
    """What Pipelines reads in a tenant's namespace; nothing with the store in the cluster, where upstream's does it."""
    if chosen is None:
        return
    launcher: dict[str, Any] = {"defaultPipelineRoot": _root(namespace, chosen), "clusterDomain": ".svc.cluster.local"}
    if chosen.scheme.root == "gs" or chosen.keyed:
        launcher["providers"] = _providers(chosen)
    repository = {"default-namespaced": _repository(namespace, chosen)}
    default = {"annotations": {"workflows.argoproj.io/default-artifact-repository": "default-namespaced"}}
    lineage = {"METADATA_GRPC_SERVICE_HOST": "metadata-grpc-service.kubeflow", "METADATA_GRPC_SERVICE_PORT": "8080"}
    yield document("v1", "ConfigMap", "kfp-launcher", namespace, data=launcher)
    yield document("v1", "ConfigMap", "metadata-grpc-configmap", namespace, data=lineage)
    yield document("v1", "ConfigMap", "artifact-repositories", namespace, metadata=default, data=repository)
    if chosen.bucket.credential is not None:
        yield document(
            "v1", "Secret", KEY_SECRET, namespace, type="Opaque", stringData=key_of(chosen.bucket.credential)
        )


def key_of(credential: pulumi.Output[str]) -> Mapping[str, pulumi.Output[str]]:
    """The two halves of a bucket's key, which the contract gives as JSON: {"accessKey": ..., "secretKey": ...}."""

    def part(name: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(credential.apply(lambda text: str(json.loads(text)[name])))

    return {"accesskey": part("accessKey"), "secretkey": part("secretKey")}


def host_of(endpoint: pulumi.Output[str]) -> pulumi.Output[str]:
    """An endpoint without its protocol, as upstream wants it."""
    return endpoint.apply(lambda text: text.partition("://")[2] or text)


def _root(namespace: str, chosen: PipelineStore) -> pulumi.Output[str]:
    """The region goes along in the query: steps that find their credentials themselves read no provider settings."""
    query = f"?region={chosen.bucket.region}" if chosen.scheme.root == "s3" and not chosen.keyed else ""
    return pulumi.Output.concat(
        f"{chosen.scheme.root}://", chosen.bucket.name, f"/{prefix(namespace)}v2/artifacts{query}"
    )


def _providers(chosen: PipelineStore) -> pulumi.Output[str]:
    """Provider settings of the launcher, as JSON, which is YAML (backend/src/v2/config/{s3,gcs}.go)."""
    if chosen.scheme.root == "gs":
        return pulumi.Output.from_input(json.dumps({"gs": {"default": {"credentials": {"fromEnv": True}}}}))
    reference = {"secretName": KEY_SECRET, "accessKeyKey": "accesskey", "secretKeyKey": "secretkey"}

    def settings(endpoint: str) -> str:
        default = {
            "endpoint": endpoint,
            "region": chosen.bucket.region,
            "disableSSL": endpoint.startswith("http://"),
            "forcePathStyle": chosen.scheme.path_style,
            "credentials": {"fromEnv": False, "secretRef": reference},
        }
        return json.dumps({"s3": {"default": default}})

    return chosen.bucket.endpoint.apply(settings)


def _repository(namespace: str, chosen: PipelineStore) -> pulumi.Output[str]:
    """Where the workflow controller keeps logs of steps (argo-workflows v3.7, artifact repositories)."""
    key_format = (
        f"{prefix(namespace)}logs/{{{{workflow.name}}}}/{{{{workflow.creationTimestamp.Y}}}}/"
        "{{workflow.creationTimestamp.m}}/{{workflow.creationTimestamp.d}}/{{pod.name}}"
    )

    def text(parts: list[str]) -> str:
        name, endpoint = parts
        where: Body = {"bucket": name, "keyFormat": key_format}
        if chosen.scheme.root == "gs":
            return json.dumps({"archiveLogs": True, "gcs": where})
        where |= {
            "endpoint": endpoint.partition("://")[2] or endpoint,
            "insecure": endpoint.startswith("http://"),
            "region": chosen.bucket.region,
        }
        if chosen.keyed:
            where["accessKeySecret"] = {"name": KEY_SECRET, "key": "accesskey"}
            where["secretKeySecret"] = {"name": KEY_SECRET, "key": "secretkey"}
        else:
            where["useSDKCreds"] = True
        return json.dumps({"archiveLogs": True, "s3": where})

    return pulumi.Output.all(chosen.bucket.name, chosen.bucket.endpoint).apply(
        lambda parts: text(cast("list[str]", parts))
    )


# What only mints keys of SeaweedFS for tenants. Its metacontroller may do anything in the cluster.
_MINTING = ("kubeflow-pipelines-profile-controller", "metacontroller", "kubeflow-metacontroller", "meta-controller-")
_SEAWEEDFS = ("seaweedfs", "ml-pipeline-seaweedfs")


def steps(chosen: PipelineStore | None) -> tuple[Step, ...]:
    """Pipelines on the bucket; nothing changes with the object store in the cluster."""
    if chosen is None:
        return ()
    needless = _MINTING if chosen.in_cluster else (*_MINTING, *_SEAWEEDFS)

    def without(body: Body, _context: Context) -> Body | None:
        place, name = body["metadata"].get("namespace", "kubeflow"), body["metadata"]["name"]
        return None if place == "kubeflow" and name.startswith(needless) else body

    def server(body: Body, _context: Context) -> Body:
        if chosen.in_cluster or body["metadata"].get("namespace") != "kubeflow":
            return body
        name = (body["kind"], body["metadata"]["name"])
        if name == ("ConfigMap", "pipeline-install-config"):
            body["data"]["bucketName"] = chosen.bucket.name
        if name == ("Secret", KEY_SECRET):
            body.pop("data", None)
            empty: Mapping[str, Any] = {"accesskey": "", "secretkey": ""}  # both empty: credentials of the identity
            body["stringData"] = dict(empty if chosen.bucket.credential is None else key_of(chosen.bucket.credential))
        if name == ("Deployment", "ml-pipeline"):
            _server_environment(body, chosen)
        return body

    return (
        Step(apply=without, why="nothing is left for them to do: tenants' settings are made with the tenants"),
        Step(apply=server, why="the API server keeps its own files where the artifacts are"),
    )


def _server_environment(body: Body, chosen: PipelineStore) -> None:
    container = body["spec"]["template"]["spec"]["containers"][0]
    wanted: Mapping[str, Any] = {
        "OBJECTSTORECONFIG_HOST": host_of(chosen.bucket.endpoint),
        "OBJECTSTORECONFIG_PORT": "",  # the protocol's own
        "OBJECTSTORECONFIG_SECURE": chosen.bucket.endpoint.apply(
            lambda text: "false" if text.startswith("http://") else "true"
        ),
        "OBJECTSTORECONFIG_REGION": chosen.bucket.region,
    }
    kept = [one for one in container["env"] if one["name"] not in wanted]
    container["env"] = [*kept, *({"name": name, "value": value} for name, value in wanted.items())]
