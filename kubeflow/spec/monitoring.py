"""What a human decides about monitoring: how often, how long, on how much disk, where alerts begin, who is told."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

from infra.contract import METADATA_ADDRESSES
from kubeflow.quantity import Quantity

_SMALLEST_VOLUME = Quantity("1Gi")


class Severity(Enum):
    """How urgent an alert is."""

    INFO = "info"  # for the next review
    WARNING = "warning"  # for the next working day
    CRITICAL = "critical"  # somebody is needed now

    @property
    def and_above(self) -> tuple[str, ...]:
        """This severity and all that are more urgent, as labels."""
        order = tuple(Severity)
        return tuple(one.value for one in order[order.index(self) :])


class Channel(Enum):
    """How somebody is told."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"


_EMAIL_KEYS = ("smarthost", "sender", "to", "username")
_KEYS: Mapping[Channel, tuple[str, ...]] = {Channel.EMAIL: _EMAIL_KEYS, Channel.SLACK: ("room",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiverSpec:
    """Somebody who is told of alerts."""

    channel: Channel = field(metadata={"help": "how they are told"})
    secret: str = field(
        metadata={
            "help": "name of the secret configuration key with the address of a webhook or of Slack's, the password of "
            "the mail account, or PagerDuty's integration key",
            "pattern": "[A-Za-z][A-Za-z0-9-]*",
            "example": "alertWebhook",
        }
    )
    networks: tuple[str, ...] = field(
        metadata={"help": "networks where they answer: all that Alertmanager may reach", "example": "10.9.0.0/24"}
    )
    port: int = field(default=443, metadata={"help": "port where they answer", "min": 1, "max": 65535})
    severity: Severity = field(default=Severity.WARNING, metadata={"help": "the least urgent that they are told of"})
    tenants: tuple[str, ...] = field(
        default=(), metadata={"help": "only alerts about these tenants; none: about everything"}
    )
    heartbeat: bool = field(
        default=False,
        metadata={"help": "tell them every five minutes that alerts still arrive, so that silence is noticed"},
    )
    room: str | None = field(default=None, metadata={"help": "channel of Slack", "example": "#platform"})
    smarthost: str | None = field(
        default=None, metadata={"help": "mail server", "pattern": r"[^\s:]+:\d+", "example": "mail.example.com:587"}
    )
    sender: str | None = field(default=None, metadata={"help": "address that mail comes from"})
    to: str | None = field(default=None, metadata={"help": "address that mail goes to"})
    username: str | None = field(default=None, metadata={"help": "account at the mail server"})

    def __post_init__(self) -> None:
        """Refuse what the channel lacks or does not know, and networks that are none or hold a metadata address."""
        optional = {name: getattr(self, name) for name in ("room", *_EMAIL_KEYS)}
        known = _KEYS.get(self.channel, ())
        problems = [f"{name} is missing" for name in known if optional[name] is None]
        problems += [
            f"{name} means nothing to {self.channel.value}"
            for name, value in optional.items()
            if value is not None and name not in known
        ]
        problems += [] if self.networks else ["networks: at least one is needed, or nobody can be told"]
        problems += [found for text in self.networks if (found := _wrong(text))]
        if problems:
            raise ValueError("; ".join(problems))


def _wrong(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        return f"networks: {error}"
    reached = [address for address in METADATA_ADDRESSES if ipaddress.ip_address(address) in network]
    return f"networks: {text} holds the instance metadata address {', '.join(reached)}" if reached else ""


class Engine(Enum):
    """Who else may keep logs."""

    ELASTICSEARCH = "elasticsearch"
    OPENSEARCH = "opensearch"


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpec:
    """A search engine that somebody else runs, and that takes the logs in the place of Loki."""

    engine: Engine = field(metadata={"help": "which one"})
    address: str = field(
        metadata={
            "help": "where it answers, by HTTPS",
            "pattern": r"https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:\d{1,5})?",
            "example": "https://search.example.com:9200",
        }
    )
    networks: tuple[str, ...] = field(
        metadata={
            "help": "networks where it answers: opened for the collector and its agents",
            "example": "10.9.1.0/24",
        }
    )
    username: str = field(metadata={"help": "account that may write to the indices", "example": "kubeflow-logs"})
    secret: str = field(
        metadata={
            "help": "name of the secret configuration key with the account's password",
            "pattern": "[A-Za-z][A-Za-z0-9-]*",
            "example": "searchPassword",
        }
    )
    index: str = field(
        default="kubeflow-logs",
        metadata={
            "help": "each tenant's index is called so, then a hyphen and the tenant; who may read it, and for how "
            "long it is kept, is decided there",
            "pattern": "[a-z][a-z0-9-]{0,60}",
        },
    )

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.address).port or 443

    def __post_init__(self) -> None:
        """Refuse networks that are none or hold a metadata address."""
        problems = [] if self.networks else ["networks: at least one is needed, or no log would arrive"]
        problems += [found for text in self.networks if (found := _wrong(text))]
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitsSpec:
    """Where dashboards draw their lines and alerts begin."""

    serving_milliseconds: int = field(
        default=200, metadata={"help": "95 of 100 predictions are faster; a bound of the proxies' histograms", "min": 1}
    )
    in_cluster_milliseconds: int = field(
        default=100, metadata={"help": "requests between pods are faster; a bound of the proxies' histograms", "min": 1}
    )
    slow_percent: float = field(default=5, metadata={"help": "predictions that may be slower", "min": 0.1, "max": 50})
    error_percent: float = field(
        default=0.1, metadata={"help": "requests that may fail with 5xx", "min": 0.001, "max": 50}
    )
    backlog: int = field(default=100, metadata={"help": "requests that may wait in a tenant's queues", "min": 1})
    prediction_error_percent: float = field(
        default=10, metadata={"help": "wrong predictions among those with a known answer", "min": 0.1, "max": 99}
    )
    drift_minutes: int = field(default=60, metadata={"help": "longest time between two looks for drift", "min": 5})
    gpu_busy_percent: float = field(
        default=85, metadata={"help": "load of GPUs that training should reach", "min": 1, "max": 100}
    )
    gpu_idle_percent: float = field(
        default=5, metadata={"help": "load of a GPU below which its owner is asked", "min": 0.1, "max": 90}
    )
    gpu_celsius: int = field(default=85, metadata={"help": "temperature of GPUs", "min": 40, "max": 110})
    quota_percent: float = field(default=90, metadata={"help": "use of a tenant's quota", "min": 1, "max": 100})
    volume_percent: float = field(default=85, metadata={"help": "fill of volumes", "min": 1, "max": 99})
    queue_minutes: int = field(default=30, metadata={"help": "waiting time in queues", "min": 5})
    certificate_days: int = field(default=7, metadata={"help": "life that is left of a certificate", "min": 1})


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointSpec:
    """A model whose absence is an alert."""

    milliseconds: int | None = field(
        default=None,
        metadata={"help": "95 of 100 predictions are faster; default: limits.servingMilliseconds", "min": 1},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CostSpec:
    """What machines cost, as the bill or the budget says."""

    prices: Mapping[str, float] = field(
        default_factory=dict[str, float], metadata={"help": "price of one node for an hour, by pool", "min": 0}
    )
    currency: str = field(default="USD", metadata={"help": "currency of all prices", "pattern": "[A-Z]{3}"})
    monthly: float | None = field(default=None, metadata={"help": "budget of a month", "min": 0})

    def __post_init__(self) -> None:
        """Refuse a budget that nothing could be compared with."""
        if self.monthly is not None and not self.prices:
            raise ValueError("monthly is given, but prices are none: nothing can be compared with it")


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitoringSpec:
    """How metrics, logs and traces are collected and kept, and who is told of what."""

    interval_seconds: int = field(
        default=30, metadata={"help": "seconds between two readings of a target", "min": 5, "max": 120}
    )
    retention_days: int = field(default=15, metadata={"help": "days that metrics are kept", "min": 1, "max": 3650})
    storage: Quantity = field(
        default=Quantity("50Gi"),
        metadata={"help": "volume for metrics; the oldest go early when it is nearly full", "example": "50Gi"},
    )
    cpu: Quantity = field(default=Quantity("500m"), metadata={"help": "CPU request of Prometheus"})
    memory: Quantity = field(default=Quantity("2Gi"), metadata={"help": "memory request of Prometheus"})
    memory_limit: Quantity = field(default=Quantity("8Gi"), metadata={"help": "memory limit of Prometheus"})
    logs_days: int = field(default=14, metadata={"help": "days that logs are kept", "min": 1, "max": 365})
    search: SearchSpec | None = field(
        default=None, metadata={"help": "a search engine that takes the logs in the place of Loki"}
    )
    traces_days: int = field(default=3, metadata={"help": "days that traces are kept", "min": 1, "max": 90})
    limits: LimitsSpec = field(default=LimitsSpec(), metadata={"help": "where alerts begin"})
    endpoints: Mapping[str, EndpointSpec] = field(
        default_factory=dict[str, EndpointSpec],
        metadata={
            "help": "models that have to be there, as tenant/model",
            "keys": "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        },
    )
    cost: CostSpec = field(default=CostSpec(), metadata={"help": "prices and budget"})
    receivers: Mapping[str, ReceiverSpec] = field(
        default_factory=dict[str, ReceiverSpec],
        metadata={"help": "who is told of alerts; none: alerts are only shown", "keys": "[a-z][a-z0-9-]{0,30}"},
    )
    grafana: str | None = field(
        default=None,
        metadata={
            "help": "where people reach Grafana, for links in the portal; none: by a forwarded port",
            "pattern": r"https?://[^\s?#]+[^\s?#/]",
            "example": "https://grafana.example.com",
        },
    )
    runbooks: str = field(
        default="docs/runbooks/",
        metadata={"help": "where alerts' pages are, ending in /: a folder of the repository or an address"},
    )

    def __post_init__(self) -> None:
        """Refuse what Prometheus could not start with, and pages that alerts could not name."""
        if self.memory.value > self.memory_limit.value:
            raise ValueError(f"memory ({self.memory}) is greater than memoryLimit ({self.memory_limit})")
        if self.storage.value < _SMALLEST_VOLUME.value:
            raise ValueError(f"storage ({self.storage}) is less than {_SMALLEST_VOLUME}")
        if not self.runbooks.endswith("/"):
            raise ValueError(f"runbooks ({self.runbooks}) does not end in /")
