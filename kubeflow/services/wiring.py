"""All data services of one platform together: the values that they need, what they change, what they add."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from infra.contract import Bucket, Cluster, Grant, Secrets
from kubeflow import storage
from kubeflow.install.planned import Planned
from kubeflow.install.secrets import Value
from kubeflow.install.transforms import Step
from kubeflow.spec.data import Artifacts, DataSpec, ExternalServer

from . import databases, feast, identity, mlflow, object_store, registry

_KEPT = "the database keeps in its volume the password that it was made with"


def values(spec: DataSpec, components: Collection[str]) -> Iterator[Value]:
    """What is generated for the servers that the platform brings itself."""
    chosen = (
        ("mlflow-database", "mlflow" in components and spec.mlflow.database is None),
        ("feast-registry-database", _has_feast(components) and spec.feast.registry is None),
        ("feast-online-store", _has_feast(components) and spec.feast.online is None),
        *((_registry_value(tenant), registry.COMPONENT in components) for tenant in spec.registry.tenants),
    )
    yield from (Value(name=name, why=_KEPT, rotates=False) for name, wanted in chosen if wanted)


def problems(spec: DataSpec, cluster: Cluster, components: Collection[str], tenants: Collection[str]) -> Iterator[str]:
    """Everything about data that this cluster cannot do, each with its key."""
    yield from registry.problems(spec.registry, components, tenants)
    checks = (
        lambda: storage.check(cluster, spec),
        lambda: object_store.store(spec.pipelines.artifacts, cluster.artifacts),
        lambda: mlflow.bucket_of(spec.mlflow, cluster.artifacts),
    )
    for check in checks:
        try:
            check()
        except ValueError as error:
            yield str(error)


def _has_feast(components: Collection[str]) -> bool:
    return any(name.startswith("feast-") for name in components)


def _registry_value(tenant: str) -> str:
    return f"registry-database/{tenant}"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataServices:
    """The data services as they are installed; made only after `problems` found none."""

    spec: DataSpec
    cluster: Cluster
    components: Collection[str]
    values: Mapping[str, pulumi.Output[str]] = field(repr=False)
    secrets: Secrets = field(repr=False)
    hosts: Sequence[str]  # of the platform's gateway
    gateway: str | None  # the platform's Gateway, as namespace/name

    @property
    def store(self) -> object_store.PipelineStore | None:
        """The bucket of Pipelines; None with the object store in the cluster."""
        return object_store.store(self.spec.pipelines.artifacts, self.cluster.artifacts)

    @property
    def accounts(self) -> Mapping[identity.Account, Sequence[Grant]]:
        """The platform's service accounts that need rights to the bucket."""
        return identity.accounts(self.store, self._tracking)

    @property
    def outside(self) -> Iterator[tuple[str, ExternalServer, int]]:
        """The servers that somebody else runs: purpose, server, the engine's usual port."""
        known = (
            ("pipelines-database", self.spec.pipelines.database, databases.MYSQL_PORT),
            ("katib-database", self.spec.katib.database, databases.MYSQL_PORT),
            ("mlflow-database", self.spec.mlflow.database, databases.POSTGRES_PORT),
            ("feast-registry", self.spec.feast.registry, databases.POSTGRES_PORT),
            ("feast-online-store", self.spec.feast.online, databases.REDIS_PORT),
        )
        yield from ((purpose, server, port) for purpose, server, port in known if server is not None)

    @property
    def _tracking(self) -> Bucket | None:
        return mlflow.bucket_of(self.spec.mlflow, self.cluster.artifacts) if "mlflow" in self.components else None

    @property
    def in_bucket(self) -> bool:
        """Whether anything of the platform is kept in the cluster's artifacts bucket."""
        return Artifacts.BUCKET in (self.spec.pipelines.artifacts, self.spec.mlflow.artifacts)

    def steps(self) -> Iterator[Step]:
        """What is changed about upstream's objects."""
        passwords = {tenant: self.values[_registry_value(tenant)] for tenant in self._registries}
        yield from storage.steps(self.cluster.storage, self.spec.volumes)
        yield from databases.pipelines_steps(self._given(self.spec.pipelines.database, databases.MYSQL_PORT))
        yield from databases.katib_steps(self._given(self.spec.katib.database, databases.MYSQL_PORT))
        yield from object_store.steps(self.store)
        if "mlflow" in self.components:
            yield from mlflow.steps(self._mlflow)
        if _has_feast(self.components):
            yield from feast.steps(self._feast)
        yield from registry.steps(passwords)

    def objects(self) -> Iterator[Planned]:
        """What is added to upstream's objects."""
        if "mlflow" in self.components:
            yield from mlflow.objects(self._mlflow)
            yield from mlflow.artifacts(self._mlflow, self.spec.volumes.mlflow_artifacts)
        if _has_feast(self.components):
            yield from feast.objects(self._feast)
        if "feast-operator" in self.components:
            yield from feast.feature_store(self._feast)

    @property
    def _registries(self) -> tuple[str, ...]:
        return self.spec.registry.tenants if registry.COMPONENT in self.components else ()

    def _given(self, server: ExternalServer | None, port: int) -> databases.Login | None:
        return None if server is None else databases.external(server, port, self.secrets(server.secret))

    @property
    def _mlflow(self) -> mlflow.Mlflow:
        spec, volumes = self.spec.mlflow, self.spec.volumes
        given = self._given(spec.database, databases.POSTGRES_PORT)
        return mlflow.Mlflow(
            spec=spec,
            login=given or mlflow.login_in_cluster(self.values["mlflow-database"], volumes.mlflow_database),
            bucket=self._tracking,
            volume=volumes.mlflow_database,
            storage=self.cluster.storage,
            hosts=mlflow.hosts(spec, self.cluster.network.pod_cidr, self.hosts),
            gateway=self.gateway,
        )

    @property
    def _feast(self) -> feast.Feast:
        spec, volumes = self.spec.feast, self.spec.volumes
        registry_login = self._given(spec.registry, databases.POSTGRES_PORT)
        online = self._given(spec.online, databases.REDIS_PORT)
        return feast.Feast(
            spec=spec,
            registry=registry_login or feast.registry_in_cluster(self.values["feast-registry-database"], volumes),
            online=online or feast.online_in_cluster(self.values["feast-online-store"], volumes),
            volumes=volumes,
            storage=self.cluster.storage,
        )
