"""What a human decides about databases, object stores and data services. Holds no password, only where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from kubeflow.quantity import Quantity

_HOST = r"[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?"


class Artifacts(Enum):
    """Where artifacts are kept."""

    IN_CLUSTER = "in-cluster"  # on volumes of the cluster
    BUCKET = "bucket"  # in the cluster's artifacts bucket, below a prefix of each tenant's own


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalServer:
    """A database that somebody else runs. Its network must be among the openings of the platform."""

    host: str = field(
        metadata={"help": "DNS name or address of the server", "pattern": _HOST, "example": "db.example.test"}
    )
    secret: str = field(
        metadata={"help": "name of the secret configuration key that holds the password", "example": "databaseLogin"}
    )
    user: str = field(metadata={"help": "user that may create databases and tables", "example": "kubeflow"})
    port: int | None = field(
        default=None, metadata={"help": "port; without it the usual one of the engine", "min": 1, "max": 65535}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Volumes:
    """Sizes of the platform's own volumes."""

    pipelines_database: Quantity = field(default=Quantity("20Gi"), metadata={"help": "MySQL of Pipelines"})
    pipelines_artifacts: Quantity = field(default=Quantity("20Gi"), metadata={"help": "object store of Pipelines"})
    katib_database: Quantity = field(default=Quantity("10Gi"), metadata={"help": "MySQL of Katib"})
    registry_database: Quantity = field(default=Quantity("10Gi"), metadata={"help": "MySQL of a model registry"})
    mlflow_database: Quantity = field(default=Quantity("10Gi"), metadata={"help": "PostgreSQL of MLflow"})
    mlflow_artifacts: Quantity = field(default=Quantity("20Gi"), metadata={"help": "artifacts of MLflow"})
    feast_database: Quantity = field(default=Quantity("5Gi"), metadata={"help": "PostgreSQL of Feast's registry"})
    feast_online: Quantity = field(default=Quantity("5Gi"), metadata={"help": "Feast's online store"})
    metrics: Quantity = field(default=Quantity("50Gi"), metadata={"help": "Prometheus"})
    logs: Quantity = field(default=Quantity("10Gi"), metadata={"help": "Loki"})
    traces: Quantity = field(default=Quantity("10Gi"), metadata={"help": "Tempo"})

    def __post_init__(self) -> None:
        """Refuse a volume of nothing."""
        empty = [name for name in self.__slots__ if getattr(self, name).value == 0]
        if empty:
            raise ValueError(f"{', '.join(empty)}: found 0; allowed: more than nothing")


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelinesData:
    """Where Pipelines keeps runs and artifacts."""

    database: ExternalServer | None = field(
        default=None, metadata={"help": "a MySQL server for runs, cache and lineage; without it one in the cluster"}
    )
    artifacts: Artifacts = field(
        default=Artifacts.IN_CLUSTER, metadata={"help": "where artifacts of runs and logs of steps are kept"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KatibData:
    """Where Katib keeps observations."""

    database: ExternalServer | None = field(
        default=None, metadata={"help": "a MySQL server; without it one in the cluster"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MlflowSpec:
    """Experiment tracking for all tenants."""

    database: ExternalServer | None = field(
        default=None, metadata={"help": "a PostgreSQL server; without it one in the cluster"}
    )
    artifacts: Artifacts = field(default=Artifacts.IN_CLUSTER, metadata={"help": "where artifacts are kept"})
    replicas: int = field(
        default=1,
        metadata={
            "help": "servers; more than one with artifacts in the cluster need shared storage",
            "min": 1,
            "max": 20,
        },
    )
    memory: Quantity = field(default=Quantity("1Gi"), metadata={"help": "memory of each server"})
    hosts: tuple[str, ...] = field(
        default=(), metadata={"help": "further names by which clients call it", "example": "mlflow.example.test"}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FeastSpec:
    """Features for training and prediction."""

    project: str = field(default="feature_store", metadata={"help": "Feast project", "pattern": "[a-z][a-z0-9_]{0,62}"})
    registry: ExternalServer | None = field(
        default=None, metadata={"help": "a PostgreSQL server for the registry; without it one in the cluster"}
    )
    online: ExternalServer | None = field(
        default=None, metadata={"help": "a Redis-compatible server for online features; without it one in the cluster"}
    )
    memory: Quantity = field(default=Quantity("1Gi"), metadata={"help": "memory of the online store in the cluster"})


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrySpec:
    """Model registries: upstream means one for a team."""

    tenants: tuple[str, ...] = field(
        default=(), metadata={"help": "tenants that get a model registry of their own", "example": "team-a"}
    )

    def __post_init__(self) -> None:
        """Refuse a tenant that is named twice."""
        twice = sorted({name for name in self.tenants if self.tenants.count(name) > 1})
        if twice:
            raise ValueError(f"tenants: found {', '.join(twice)} twice")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSpec:
    """What a human decides about databases, object stores and data services."""

    pipelines: PipelinesData = field(default=PipelinesData(), metadata={"help": "data of Pipelines"})
    katib: KatibData = field(default=KatibData(), metadata={"help": "data of Katib"})
    mlflow: MlflowSpec = field(default=MlflowSpec(), metadata={"help": "MLflow"})
    feast: FeastSpec = field(default=FeastSpec(), metadata={"help": "Feast"})
    registry: RegistrySpec = field(default=RegistrySpec(), metadata={"help": "model registries"})
    volumes: Volumes = field(default=Volumes(), metadata={"help": "sizes of the platform's volumes"})
