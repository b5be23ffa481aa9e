"""Options of `existing`: how to reach a cluster that somebody else runs, and what it is known to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.contract import AddressKind, Capability, Owner, Pool


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenStore:
    """A given S3-compatible store. The secret key `objectStore` is JSON: {"accessKey": ..., "secretKey": ...}."""

    endpoint: str = field(metadata={"help": "address", "pattern": "https://.+", "example": "https://s3.example.com"})
    region: str = field(default="us-east-1", metadata={"help": "region, as the store calls its own"})
    artifacts: str = field(metadata={"help": "bucket that keeps old versions", "example": "ml-artifacts"})
    scratch: str | None = field(default=None, metadata={"help": "bucket that expires objects by age"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ExistingOptions:
    """Facts about a given cluster. They shape the platform, so they are written down, never discovered.

    The kubeconfig comes from exactly one place: `kubeconfigPath`, `stack`, or else the secret
    `kubeflow-proof:kubeconfig`.
    """

    kubeconfig_path: str | None = field(
        default=None,
        metadata={"help": "path of a kubeconfig file on the machine that runs pulumi", "example": "~/.kube/config"},
    )
    stack: str | None = field(
        default=None,
        metadata={
            "help": "stack of this project whose outputs hold the kubeconfig of the cluster it provides",
            "example": "organization/kubeflow-proof/eks-infra",
        },
    )
    capabilities: tuple[Capability, ...] = field(
        default=(Capability.CONTAINERS, Capability.NETWORK_POLICY, Capability.WEBHOOKS),
        metadata={"help": "what the cluster is known to have"},
    )
    block_storage_class: str = field(
        metadata={"help": "storage class for ReadWriteOnce volumes", "example": "standard"}
    )
    shared_storage_class: str | None = field(default=None, metadata={"help": "storage class for ReadWriteMany volumes"})
    scratch_storage_class: str | None = field(default=None, metadata={"help": "storage class for fast scratch volumes"})
    pod_cidr: str = field(metadata={"help": "network of the pods", "example": "10.244.0.0/16"})
    service_cidr: str = field(metadata={"help": "network of the Services", "example": "10.96.0.0/12"})
    api_server_cidrs: tuple[str, ...] = field(
        metadata={"help": "addresses of the API server, after translation", "example": "10.0.0.10/32"}
    )
    node_cidrs: tuple[str, ...] = field(
        default=(), metadata={"help": "networks of the nodes", "example": "10.0.0.0/16"}
    )
    resolver: str | None = field(
        default=None,
        metadata={"help": "address of the DNS cache on each node, if there is one", "example": "169.254.20.10"},
    )
    object_store_cidrs: tuple[str, ...] = field(
        default=(), metadata={"help": "addresses of the object store", "example": "10.0.9.0/28"}
    )
    object_store: GivenStore | None = field(
        default=None, metadata={"help": "buckets that are there; none: the platform brings its own object store"}
    )
    gpu_owner: Owner = field(default=Owner.PLATFORM, metadata={"help": "who installs the GPU driver and device plugin"})
    device_plugin_owner: Owner | None = field(
        default=None, metadata={"help": "who installs the device plugin, if not whoever installs the driver"}
    )
    domain: str = field(default="example.test", metadata={"help": "DNS suffix of the platform's endpoints"})
    ingress_annotations: Mapping[str, str] = field(
        default_factory=dict[str, str], metadata={"help": "annotations of the gateway Service"}
    )
    address: AddressKind = field(default=AddressKind.IP, metadata={"help": "what the load balancer's status holds"})

    def __post_init__(self) -> None:
        """Two sources of one kubeconfig would hide a mistake."""
        if self.kubeconfig_path is not None and self.stack is not None:
            raise ValueError("kubeconfigPath and stack are both given; a kubeconfig comes from one place")

    def check(self, pools: Mapping[str, Pool]) -> None:
        """Any pool may exist in a cluster that somebody else runs."""
