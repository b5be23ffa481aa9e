"""MLflow: its database, its artifacts, and the names by which it is called. Upstream's chart brings none of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from infra.contract import Bucket, Grant, Storage, Store
from infra.objects import document
from kubeflow.distribution.documents import Body
from kubeflow.install import kinds
from kubeflow.install.planned import Planned, own
from kubeflow.install.transforms import Context, Step
from kubeflow.install.waves import Wave
from kubeflow.quantity import Quantity
from kubeflow.spec.data import Artifacts, MlflowSpec
from kubeflow.storage import claim

from .databases import POSTGRES_PORT, Login, Server, postgres, secret_of
from .object_store import SCHEMES, ObjectStoreError, host_of, key_of, problem

NAMESPACE = SERVICE = "mlflow"
PATH = "/mlflow/"  # at the platform's gateway
DATABASE = "mlflow"
_LOGIN, _KEY = "mlflow-db", "mlflow-s3"  # Secrets that the chart's Deployment reads
_VOLUME, _PREFIX = "/mlflow/artifacts", "mlflow/"
_KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_ENDPOINT_VARIABLE = "MLFLOW_S3_ENDPOINT_URL"
_DESTINATION = "--artifacts-destination="


@dataclass(frozen=True, kw_only=True, slots=True)
class Mlflow:
    """MLflow as it is installed."""

    spec: MlflowSpec
    login: Login  # of its database
    bucket: Bucket | None = field(repr=False)  # None: artifacts are on a volume
    volume: Quantity
    storage: Storage
    hosts: tuple[str, ...]  # by which it is called
    gateway: str | None  # name of the platform's Gateway, with its namespace; None: it stays inside


def database_server(volume: Quantity) -> Server:
    """Its database, where none is given."""
    return Server(part="mlflow", namespace=NAMESPACE, name="mlflow-postgres", size=volume)


def login_in_cluster(password: pulumi.Input[str], volume: Quantity) -> Login:
    """The login of its database, where none is given."""
    return Login(host=database_server(volume).host, port=POSTGRES_PORT, user="mlflow", password=password)


def bucket_of(spec: MlflowSpec, bucket: Bucket | None) -> Bucket | None:
    """The bucket that holds its artifacts; None with a volume. Refuses what it could not open."""
    if spec.artifacts is Artifacts.IN_CLUSTER:
        return None
    key, allowed = "platform.data.mlflow.artifacts: found bucket", "allowed here: in-cluster"
    if bucket is None:
        raise ObjectStoreError(f"{key}, but this cluster has no artifacts bucket; {allowed}")
    wrong = problem(bucket)
    if wrong is None and not SCHEMES[bucket.scheme].path_style:
        wrong = f"of scheme '{bucket.scheme}', which MLflow would address by path"
    if wrong is not None:
        raise ObjectStoreError(f"{key} {wrong}; {allowed}")
    return bucket


def grants(bucket: Bucket | None) -> Mapping[tuple[str, str], Sequence[Grant]]:
    """Rights of its service account: namespace and name -> grants."""
    if bucket is None or bucket.credential is not None:
        return {}
    return {(NAMESPACE, SERVICE): (Grant(store=Store.ARTIFACTS, prefix=_PREFIX, write=True),)}


def hosts(spec: MlflowSpec, pod_cidr: str, gateway_hosts: Sequence[str]) -> tuple[str, ...]:
    """Host headers that it answers: its Service, the gateway's names, and pods' addresses, by which it is scraped."""
    network = ipaddress.ip_network(pod_cidr)
    octets = str(network.network_address).split(".")[: max(1, network.prefixlen // 8)]
    inside = [
        SERVICE,
        f"{SERVICE}.{NAMESPACE}",
        f"{SERVICE}.{NAMESPACE}.svc",
        f"{SERVICE}.{NAMESPACE}.svc.cluster.local",
    ]
    pods = [f"{'.'.join(octets)}.*"] if len(octets) < 4 else [f"{network.network_address}:*"]  # noqa: PLR2004 - octets
    named = [*inside, "localhost:*", *gateway_hosts, *spec.hosts]
    return tuple(dict.fromkeys((*named, *pods)))


def objects(made: Mlflow) -> Iterator[Planned]:
    """Its own objects: login, database where none is given, volume or key, and the way in at the gateway."""
    yield secret_of("mlflow", NAMESPACE, _LOGIN, {"username": made.login.user, "password": made.login.password})
    if made.spec.database is None:
        server = database_server(made.volume)
        yield from postgres(server, made.login.user, DATABASE, _LOGIN, made.storage)
    if made.bucket is not None and made.bucket.credential is not None:
        key = key_of(made.bucket.credential)
        values = {"AWS_ACCESS_KEY_ID": key["accesskey"], "AWS_SECRET_ACCESS_KEY": key["secretkey"]}
        yield secret_of("mlflow", NAMESPACE, _KEY, values)
    if made.gateway is not None:
        yield own("mlflow", Wave.CONTROLLERS, _virtual_service(made.gateway))


def artifacts(made: Mlflow, size: Quantity) -> Iterator[Planned]:
    """The volume of its artifacts; none with a bucket."""
    if made.bucket is None:
        shared = made.spec.replicas > 1
        yield own("mlflow", Wave.DATA, claim("mlflow-artifacts", NAMESPACE, size, made.storage, shared=shared))


def _virtual_service(gateway: str) -> Body:
    route = {"destination": {"host": f"{SERVICE}.{NAMESPACE}.svc.cluster.local", "port": {"number": 80}}}
    http = {"match": [{"uri": {"prefix": PATH}}], "rewrite": {"uri": "/"}, "route": [route], "timeout": "300s"}
    spec: dict[str, Any] = {"gateways": [gateway], "hosts": ["*"], "http": [http]}
    return document("networking.istio.io/v1", "VirtualService", SERVICE, NAMESPACE, spec=spec)


def steps(made: Mlflow) -> tuple[Step, ...]:
    """What is changed about the chart's objects."""

    def server(body: Body, _context: Context) -> Body:
        metadata = body["metadata"]
        if metadata.get("namespace") != NAMESPACE:
            return body
        if (body["kind"], metadata["name"]) == ("ConfigMap", "mlflow-env-configmap"):
            body["data"] |= {
                "PGHOST": made.login.host,
                "PGPORT": str(made.login.port),
                "PGDATABASE": DATABASE,
                "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(made.hosts),
            }
        elif (body["kind"], metadata["name"]) == ("Deployment", SERVICE):
            _deployment(body, made)
        return body

    return (Step(apply=server, why="the chart points at a database and an object store that nobody brings"),)


def _deployment(body: Body, made: Mlflow) -> None:
    body["spec"]["replicas"] = made.spec.replicas
    pod = body["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container["args"] = [_argument(text, made.bucket) for text in container["args"]]
    container["env"] = [*_environment(container["env"], made.bucket)]
    memory = str(made.spec.memory)
    container["resources"] = {"requests": {"cpu": "250m", "memory": memory}, "limits": {"memory": memory}}
    # The root is read-only, and the server writes its metrics into a folder.
    folders: dict[str, Body] = {"/mlflow/metrics": {"name": "metrics", "emptyDir": {}}}
    if made.bucket is None:
        folders[_VOLUME] = {"name": "artifacts", "persistentVolumeClaim": {"claimName": "mlflow-artifacts"}}
        if made.spec.replicas == 1:
            body["spec"]["strategy"] = {"type": "Recreate"}  # the old pod's node holds the volume
    mounts = [{"name": volume["name"], "mountPath": path} for path, volume in folders.items()]
    container["volumeMounts"] = [*kinds.parts(container, "volumeMounts"), *mounts]
    pod["volumes"] = [*kinds.parts(pod, "volumes"), *folders.values()]


def _argument(text: str, bucket: Bucket | None) -> pulumi.Input[str]:
    if not text.startswith(_DESTINATION):
        return text
    if bucket is None:
        return f"{_DESTINATION}{_VOLUME}"
    scheme = "gs" if bucket.scheme == "gs" else "s3"
    return pulumi.Output.concat(f"{_DESTINATION}{scheme}://", bucket.name, f"/{_PREFIX}artifacts")


def _environment(given: Sequence[Body], bucket: Bucket | None) -> Iterator[Body]:
    """Without the chart's object store; with the bucket's key, where it needs one."""
    keyed = bucket is not None and bucket.credential is not None
    yield from (
        one for one in given if one["name"] != _ENDPOINT_VARIABLE and (keyed or one["name"] not in _KEY_VARIABLES)
    )
    if bucket is not None and bucket.scheme != "gs":
        yield {"name": "AWS_DEFAULT_REGION", "value": bucket.region}
    if bucket is not None and keyed:
        host = host_of(bucket.endpoint)
        plain = bucket.endpoint.apply(lambda text: "http" if text.startswith("http://") else "https")
        yield {"name": _ENDPOINT_VARIABLE, "value": pulumi.Output.concat(plain, "://", host)}
