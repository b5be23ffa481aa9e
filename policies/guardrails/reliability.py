"""What must survive a lost node, an upgrade, or one wrong command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .rule import Config, Finding, Setting, Severity, Subject, in_list, of_kind, relation, rule
from .values import Node

# Without these, nothing else of the platform can be used, or made again.
_CONTROL = ["istio-system/*", "auth/dex", "oauth2-proxy/*", "cert-manager/*", "kubeflow/ml-pipeline",
            "kubeflow/centraldashboard", "kubeflow/katib-controller", "kubeflow/kserve-controller-manager",
            "knative-serving/*", "kueue-system/*"]  # fmt: skip
_LISTED = {
    "services": Setting(type="array", default=_CONTROL, about="namespace/name of Deployments, asterisk at the end")
}
_DATA = (
    "aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2", "aws:rds/instance:Instance", "aws:efs/fileSystem:FileSystem",
    "aws:kms/key:Key", "aws:eks/cluster:Cluster", "azure-native:storage:StorageAccount", "azure-native:keyvault:Vault",
    "azure-native:containerservice:ManagedCluster", "gcp:storage/bucket:Bucket", "gcp:container/cluster:Cluster",
    "gcp:sql/databaseInstance:DatabaseInstance", "gcp:kms/cryptoKey:CryptoKey", "gcp:filestore/instance:Instance",
    "alicloud:oss/bucket:Bucket", "alicloud:cs/managedKubernetes:ManagedKubernetes", "alicloud:kms/key:Key",
    "alicloud:nas/fileSystem:FileSystem",
)  # fmt: skip


_NAMED = 3  # parts of a URN before its name


def _control(subject: Subject, config: Config) -> bool:
    return in_list(f"{subject.resource.namespace}/{subject.resource.object_name}", config["services"])


@rule(
    refuses="In production, data or a cluster that one command deletes.",
    why="`pulumi destroy` asks once.",
    fix="Set protect, or the cloud's deletion protection; never forceDestroy.",
    severity=Severity.HIGH,
    source="Pulumi: resource option protect; CIS AWS 2.1",
    types=_DATA,
    settings={"production": Setting(type="boolean", default=False, about="whether the stack is in production")},
)
def deletion_unprotected(subject: Subject, config: Config) -> Iterator[Finding]:
    """The engine's protection or the cloud's; forceDestroy undoes both."""
    if not config["production"]:
        return
    root = subject.root
    if root.at("forceDestroy").flag(unknown=False):
        yield Finding(text="a bucket is deleted with everything in it", path="forceDestroy")
    own = ("deletionProtection", "enablePurgeProtection", "deletionProtectionEnabled")
    if not subject.resource.protect and not any(root.at(key).flag(unknown=True) for key in own):
        yield Finding(text="nothing protects it from deletion")


@rule(
    refuses="A control service with a single pod.",
    why="Each upgrade of a node is an outage of the whole platform.",
    fix="Set replicas to 2 or more.",
    severity=Severity.MEDIUM,
    source="NSA/CISA Kubernetes Hardening Guidance; upstream: Istio, production deployment",
    types=("Deployment",),
    advisory=True,
    settings=_LISTED,
)
def single_replica(subject: Subject, config: Config) -> Iterator[Finding]:
    """An autoscaler's minimum is another object: see its rule."""
    replicas = subject.at("spec", "replicas")
    if _control(subject, config) and replicas.number(unknown=2, absent=1) == 1:
        yield Finding(text="one replica", path=replicas.path)


@relation(
    refuses="A control service that an upgrade of nodes may stop as a whole.",
    why="Nodes are drained one after the other, without asking how many pods are left.",
    fix="Add a PodDisruptionBudget.",
    severity=Severity.MEDIUM,
    source="Kubernetes: Specifying a Disruption Budget",
    types=("Deployment",),
    advisory=True,
    settings=_LISTED,
)
def disruption_budget_missing(subjects: Sequence[Subject], config: Config) -> Iterator[Finding]:
    """Only for services of more than one pod: a budget for a single one stops every upgrade."""
    budgets = of_kind(subjects, "PodDisruptionBudget")
    for subject in of_kind(subjects, "Deployment"):
        labels = {key: value.text() for key, value in subject.at("spec", "template", "metadata", "labels").entries()}
        many = subject.at("spec", "replicas").number(unknown=1, absent=1) > 1
        if (
            _control(subject, config)
            and many
            and not any(
                budget.resource.namespace == subject.resource.namespace
                and _selects(budget.at("spec", "selector"), labels)
                for budget in budgets
            )
        ):
            yield Finding(text="no PodDisruptionBudget", subject=subject)


def _selects(selector: Node, labels: dict[str, str]) -> bool:
    wanted = {key: value.text() for key, value in selector.at("matchLabels").entries()}
    return wanted.items() <= labels.items() and (bool(wanted) or bool(selector.at("matchExpressions").items()))


@rule(
    refuses="A disruption budget that lets no pod go.",
    why="It stops every upgrade of nodes for ever.",
    fix="Set maxUnavailable to 1, or minAvailable below the number of replicas.",
    severity=Severity.MEDIUM,
    source="Kubernetes: Specifying a Disruption Budget",
    types=("PodDisruptionBudget",),
)
def disruption_budget_stuck(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Zero and 100 percent, as number or text."""
    spec = subject.at("spec")
    if spec.at("maxUnavailable").text("1") in {"0", "0%"} or spec.at("minAvailable").text("1") == "100%":
        yield Finding(text="no pod may ever go", path=spec.path)


@rule(
    refuses="Replicas of a control service that may all be on one node.",
    why="Then they are one.",
    fix="Add topologySpreadConstraints or podAntiAffinity by kubernetes.io/hostname.",
    severity=Severity.LOW,
    source="Kubernetes: Pod Topology Spread Constraints",
    types=("Deployment",),
    advisory=True,
    settings=_LISTED,
)
def replicas_together(subject: Subject, config: Config) -> Iterator[Finding]:
    """Only where there is more than one."""
    spec = subject.at("spec", "template", "spec")
    if not _control(subject, config) or subject.at("spec", "replicas").number(unknown=1, absent=1) <= 1:
        return
    spread, apart = spec.at("topologySpreadConstraints"), spec.at("affinity", "podAntiAffinity")
    if not spread.unknown and not apart.unknown and not spread.items() and not apart.present:
        yield Finding(text="replicas are not spread", path=spec.path)


@rule(
    refuses="A serving container that says neither when it is ready nor when it is dead.",
    why="Traffic goes to a server that does not answer yet.",
    fix="Add a readinessProbe.",
    severity=Severity.LOW,
    source="Kubernetes: Configure Liveness, Readiness and Startup Probes",
    types=("Deployment", "StatefulSet"),
    advisory=True,
)
def probe_missing(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Only containers with ports: the others serve nobody."""
    for pod in subject.pods:
        for container in pod.containers:
            if container.long_lived and container.node.at("ports").items():
                place = container.node.at("readinessProbe")
                if not place.present:
                    yield Finding(text="no readinessProbe", path=place.path)


@rule(
    refuses="A resource of a default provider.",
    why="It takes whatever account or cluster the person who runs it happens to be logged in to.",
    fix="Pass the provider explicitly; set pulumi:disable-default-providers.",
    severity=Severity.HIGH,
    source="Pulumi: default providers",
    types=("aws:", "azure-native:", "gcp:", "alicloud:", "vsphere:", "kubernetes:"),
)
def default_provider(subject: Subject, _config: Config) -> Iterator[Finding]:
    """The engine names such providers `default`, or `default_` and a version. Components have none."""
    urn = subject.resource.provider
    name = urn.split("::")[3] if urn.count("::") >= _NAMED else urn  # in a state, an id follows the name
    if name.split("_")[0] == "default":
        yield Finding(text="made by a default provider")


@rule(
    refuses="A virtual machine with a GPU passed through and memory that is not reserved.",
    why="vSphere does not start it.",
    fix="Set memoryReservation to memory.",
    severity=Severity.HIGH,
    source="VMware vSphere: DirectPath I/O requirements",
    types=("vsphere:index/virtualMachine:VirtualMachine",),
)
def gpu_memory_unreserved(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Also with dynamic DirectPath and shared PCI devices."""
    root = subject.root
    devices = root.at("pciDeviceIds").items() or root.at("sharedPciDeviceIds").items()
    reserved, memory = root.at("memoryReservation"), root.at("memory")
    locked = root.at("memoryReservationLockedToMax").flag(unknown=True)
    if devices and not locked and reserved.number(unknown=float("inf"), absent=0) < memory.number(unknown=0, absent=0):
        yield Finding(text="memory is not reserved", path="memoryReservation")


RULES = (
    deletion_unprotected, single_replica, disruption_budget_missing, disruption_budget_stuck, replicas_together,
    probe_missing, default_provider, gpu_memory_unreserved,
)  # fmt: skip
