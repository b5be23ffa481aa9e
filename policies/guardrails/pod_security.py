"""What a pod may do to its node: the Pod Security Standards, in every kind that leads to pods."""

from __future__ import annotations

from collections.abc import Iterator

from . import cel
from .pods import Container, Pod
from .rule import PODS, Config, Finding, Setting, Severity, Subject, in_list, rule
from .values import Node

_PODS = (PODS,)
_SAFE_CAPABILITIES = ["NET_BIND_SERVICE"]
_SAFE_SYSCTLS = [
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
]  # fmt: skip
_NAMESPACES, _PROFILES = ("hostNetwork", "hostPID", "hostIPC"), ("seccompProfile", "appArmorProfile")
# In CEL.
_ADDED = (
    "c.?securityContext.?capabilities.?add.orValue([]).map(a, a.trim().upperAscii()).map(a, a.replace('CAP_', '', 1))"
)
_SYSCTLS, _NONE = "p.spec.?securityContext.?sysctls.orValue([]).map(y, y.name)", "''"


def each(subject: Subject, *, whole: bool = False) -> Iterator[tuple[Pod, Container]]:
    """Every container of every pod; `whole`: only those that are declared in full."""
    for pod in subject.pods:
        for container in pod.containers:
            if container.whole or not whole:
                yield pod, container


def _found(node: Node, text: str) -> Finding:
    return Finding(text=text, path=node.path)


@rule(
    refuses="A privileged container.",
    why="It is root on the node, and so on every pod there, GPUs of other tenants included.",
    fix="Remove `privileged`; name the one capability or device that is needed.",
    severity=Severity.CRITICAL,
    source="CIS Kubernetes 5.2.2; PSS baseline",
    types=_PODS,
    cluster=(
        cel.container("the container is privileged", "!c.?securityContext.?privileged.orValue(false)"),
        cel.container(
            "the container is a process of the host", f"!{cel.first_said(('windowsOptions', 'hostProcess'), 'false')}"
        ),
    ),
)
def privileged_container(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Also Windows' HostProcess, which is the same there."""
    for pod, container in each(subject):
        wanted = container.node.at("securityContext", "privileged")
        if wanted.flag(unknown=False):
            yield _found(wanted, "the container is privileged")
        host = pod.effective(container, "windowsOptions").at("hostProcess")
        if host.flag(unknown=False):
            yield _found(host, "the container is a process of the host")


@rule(
    refuses="A pod in the network, process or IPC namespace of its node.",
    why="It sees the traffic and processes of all other pods, and no network policy holds it.",
    fix="Remove hostNetwork, hostPID and hostIPC.",
    severity=Severity.CRITICAL,
    source="CIS Kubernetes 5.2.3-5.2.5; PSS baseline",
    types=_PODS,
    cluster=tuple(cel.pod(f"{key} is on", f"!p.spec.?{key}.orValue(false)") for key in _NAMESPACES),
)
def host_namespace(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Three switches, one rule."""
    for pod in subject.pods:
        for key in _NAMESPACES:
            if pod.node.at(key).flag(unknown=False):
                yield _found(pod.node.at(key), f"{key} is on")


@rule(
    refuses="A volume of the node's own file system.",
    why="Writing there is a way to root on the node; reading there is a way to other tenants' secrets.",
    fix="Use a PersistentVolumeClaim, or an emptyDir (medium Memory for /dev/shm).",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.2.11; PSS baseline",
    types=(PODS, "PersistentVolume"),
    cluster=(cel.pod("hostPath", "p.spec.?volumes.orValue([]).all(v, !has(v.hostPath))"),),
)
def host_path(subject: Subject, _config: Config) -> Iterator[Finding]:
    """In pods, and in volumes that claims are bound to."""
    for pod in subject.pods:
        for volume in pod.node.at("volumes").items():
            if not volume.unknown and volume.at("hostPath").present:
                yield _found(volume.at("hostPath"), "hostPath")
    if subject.resource.kind == "PersistentVolume":
        for key in ("hostPath", "local"):
            if subject.at("spec", key).present:
                yield _found(subject.at("spec", key), f"a volume of kind {key}")


@rule(
    refuses="A port of the node.",
    why="It passes network policies by, and two such pods cannot share a node.",
    fix="Remove hostPort and use a Service.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.2.12; PSS baseline",
    types=_PODS,
    cluster=(cel.container("hostPort", "c.?ports.orValue([]).all(o, o.?hostPort.orValue(0) == 0)"),),
)
def host_port(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Zero means none."""
    for _, container in each(subject):
        for port in container.node.at("ports").items():
            if port.at("hostPort").number(unknown=0, absent=0) > 0:
                yield _found(port.at("hostPort"), "hostPort")


@rule(
    refuses="A container whose processes may gain rights.",
    why="Without allowPrivilegeEscalation: false, any setuid program of the image is a way to root.",
    fix="Set securityContext.allowPrivilegeEscalation: false on each container, init containers too.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.2.6; PSS restricted",
    types=_PODS,
    advisory=True,
)
def privilege_escalation(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent means allowed."""
    for _, container in each(subject, whole=True):
        wanted = container.node.at("securityContext", "allowPrivilegeEscalation")
        if wanted.flag(unknown=False, absent=True):
            yield _found(wanted, "privilege escalation is not switched off")


@rule(
    refuses="A container that runs as root by its own declaration.",
    why="Root inside is root outside after any escape.",
    fix="Set runAsUser to a number above 0, and runAsNonRoot: true.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.2.7; PSS restricted",
    types=_PODS,
    cluster=(
        cel.container("runAsUser is 0", f"{cel.first_said(('runAsUser',), '1')} != 0"),
        cel.container(
            "the container takes back runAsNonRoot of its pod",
            "c.?securityContext.?runAsNonRoot.orValue(true) || !p.spec.?securityContext.?runAsNonRoot.orValue(false)",
        ),
    ),
)
def runs_as_root(subject: Subject, _config: Config) -> Iterator[Finding]:
    """User 0, however it is written, and a container that takes back what its pod promises."""
    for pod, container in each(subject):
        user = pod.effective(container, "runAsUser")
        if user.number(unknown=1, absent=1) == 0:
            yield _found(user, "runAsUser is 0")
        own = container.node.at("securityContext", "runAsNonRoot")
        if (
            own.present
            and not own.flag(unknown=True)
            and pod.node.at("securityContext", "runAsNonRoot").flag(unknown=False)
        ):
            yield _found(own, "the container takes back runAsNonRoot of its pod")


@rule(
    refuses="A container that may run as root.",
    why="Without runAsNonRoot the image decides, and a new image may decide otherwise.",
    fix="Set runAsNonRoot: true on the pod.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.2.7; PSS restricted",
    types=_PODS,
    advisory=True,
)
def may_run_as_root(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent means that the image decides; a user that is not root says the same."""
    for pod, container in each(subject, whole=True):
        promised = pod.effective(container, "runAsNonRoot")
        user = pod.effective(container, "runAsUser")
        if not promised.flag(unknown=True) and not user.number(unknown=1, absent=0) > 0:
            yield _found(promised, "nothing keeps the image from running as root")


@rule(
    refuses="Capabilities beyond those that any pod may have.",
    why="SYS_ADMIN is nearly root; NET_RAW and NET_ADMIN forge traffic of others.",
    fix="Remove the capability, or list it in `allowed` (IPC_LOCK for RDMA).",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.2.8; PSS baseline",
    types=_PODS,
    settings={"allowed": Setting(type="array", default=_SAFE_CAPABILITIES, about="capabilities that may be added")},
    cluster=(cel.container("{} is added", *cel.every(_ADDED, "a", cel.listed("a", "allowed"))),),
)
def capability_added(subject: Subject, config: Config) -> Iterator[Finding]:
    """In any case of letters, with or without the prefix of the kernel."""
    for _, container in each(subject):
        for added in container.node.at("securityContext", "capabilities", "add").items():
            name = added.text().strip().upper().removeprefix("CAP_")
            if name and not in_list(name, config["allowed"]):
                yield _found(added, f"{name} is added")


@rule(
    refuses="A container that keeps the runtime's default capabilities.",
    why="They hold what hardly any program needs, NET_RAW among them.",
    fix="Set securityContext.capabilities.drop: [ALL].",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.2.9; PSS restricted",
    types=_PODS,
    advisory=True,
)
def capabilities_kept(subject: Subject, _config: Config) -> Iterator[Finding]:
    """ALL in any case of letters."""
    for _, container in each(subject, whole=True):
        dropped = container.node.at("securityContext", "capabilities", "drop")
        if dropped.unknown or any(item.text("ALL").strip().upper() == "ALL" for item in dropped.items()):
            continue
        yield _found(dropped, "not all capabilities are dropped")


@rule(
    refuses="A container without a seccomp profile.",
    why="The kernel's whole surface is open to it.",
    fix="Set securityContext.seccompProfile.type: RuntimeDefault on the pod.",
    severity=Severity.MEDIUM,
    source="CIS Kubernetes 5.6.2; PSS restricted",
    types=_PODS,
    advisory=True,
)
def seccomp_missing(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent means unconfined on most nodes."""
    for pod, container in each(subject, whole=True):
        profile = pod.effective(container, "seccompProfile").at("type")
        if profile.text("RuntimeDefault") not in {"RuntimeDefault", "Localhost"}:
            yield _found(profile, "no seccomp profile")


@rule(
    refuses="Confinement that is switched off by name: seccomp or AppArmor Unconfined, unmasked /proc, SELinux types.",
    why="It is as near to privileged as one can get without the word.",
    fix="Remove the field.",
    severity=Severity.HIGH,
    source="PSS baseline",
    types=_PODS,
    cluster=(
        *(
            cel.container(
                f"{key} is Unconfined", f"{cel.first_said((key, 'type'), _NONE)}.lowerAscii() != 'unconfined'"
            )
            for key in _PROFILES
        ),
        cel.container("/proc is not masked", "c.?securityContext.?procMount.orValue('Default') in ['', 'Default']"),
    ),
)
def unconfined(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Fields, and AppArmor's older annotations."""
    for pod, container in each(subject):
        for key in _PROFILES:
            profile = pod.effective(container, key).at("type")
            if profile.text().lower() == "unconfined":
                yield _found(profile, f"{key} is Unconfined")
        mount = container.node.at("securityContext", "procMount")
        if mount.text("Default") not in {"", "Default"}:
            yield _found(mount, "/proc is not masked")
    for pod in subject.pods:
        for key, value in pod.metadata.at("annotations").entries():
            if key.startswith("container.apparmor.security.beta.kubernetes.io/") and value.text() == "unconfined":
                yield _found(value, "AppArmor is switched off")


@rule(
    refuses="Kernel parameters of the node beyond the safe ones.",
    why="They hold for the node, not for the pod.",
    fix="Remove them, or list them in `allowed` if the pool's kubelet admits them.",
    severity=Severity.MEDIUM,
    source="PSS baseline",
    types=_PODS,
    settings={"allowed": Setting(type="array", default=_SAFE_SYSCTLS, about="kernel parameters that pods may set")},
    cluster=(cel.pod("sysctl {}", *cel.every(_SYSCTLS, "y", cel.listed("y", "allowed"))),),
)
def unsafe_sysctl(subject: Subject, config: Config) -> Iterator[Finding]:
    """Names only; the values do not matter."""
    for pod in subject.pods:
        for item in pod.node.at("securityContext", "sysctls").items():
            name = item.at("name").text()
            if name and not in_list(name, config["allowed"]):
                yield _found(item, f"sysctl {name}")


RULES = (
    privileged_container, host_namespace, host_path, host_port, privilege_escalation, runs_as_root, may_run_as_root,
    capability_added, capabilities_kept, seccomp_missing, unconfined, unsafe_sysctl,
)  # fmt: skip
