"""Cases of the rules about pods and GPUs."""

from __future__ import annotations

from typing import Any

from tests.policy.cases import ABSENT, DEPLOYMENT, MAIN, SPEC, Case, Object, named, pod

_CONTEXT = f"{MAIN}.securityContext"


def _pod(rule: str, bad: list[tuple[str, Any]], unknown: str, then: str = "undecided", **more: Any) -> Case:  # noqa: ANN401 - fields of Case
    return Case(rule=rule, type=DEPLOYMENT, good=pod(), bad=bad, unknown=unknown, then=then, **more)


def _gpu(requests: Object, limits: Object, **spec: object) -> Object:
    made = pod(tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}], **spec)
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": requests, "limits": limits}
    return made


_GPU = "nvidia.com/gpu"
_ONE = _gpu({_GPU: "1"}, {_GPU: 1.0})
_LIMIT, _REQUEST = rf"{MAIN}.resources.limits.nvidia\.com/gpu", rf"{MAIN}.resources.requests.nvidia\.com/gpu"

CASES = (
    _pod("privileged-container", [(f"{_CONTEXT}.privileged", True), (f"{_CONTEXT}.privileged", "true"),
         (f"{_CONTEXT}.windowsOptions", {"hostProcess": True}),
         (f"{SPEC}.initContainers", [{"name": "i", "image": "x:1", "securityContext": {"privileged": True}}])],
         f"{_CONTEXT}.privileged"),
    _pod("host-namespace", [(f"{SPEC}.hostNetwork", True), (f"{SPEC}.hostPID", True), (f"{SPEC}.hostIPC", True)],
         f"{SPEC}.hostNetwork"),
    _pod("host-path", [(f"{SPEC}.volumes", [{"name": "v", "hostPath": {"path": "/"}}])], f"{SPEC}.volumes"),
    Case(rule="host-path", type="kubernetes:core/v1:PersistentVolume",
         good=named("PersistentVolume", "disk", spec={"csi": {"driver": "ebs.csi.aws.com"}}),
         bad=[("spec.hostPath", {"path": "/data"}), ("spec.local", {"path": "/data"})], unknown="spec.csi",
         then="passes"),
    _pod("host-port", [(f"{MAIN}.ports", [{"containerPort": 80, "hostPort": 80}]),
         (f"{MAIN}.ports", [{"containerPort": 80, "hostPort": "80"}])], f"{MAIN}.ports"),
    _pod("privilege-escalation", [(f"{_CONTEXT}.allowPrivilegeEscalation", ABSENT),
         (f"{_CONTEXT}.allowPrivilegeEscalation", True),
         (f"{SPEC}.initContainers", [{"name": "first", "image": "x:1"}])], f"{_CONTEXT}.allowPrivilegeEscalation"),
    _pod("runs-as-root", [(f"{_CONTEXT}.runAsUser", 0), (f"{_CONTEXT}.runAsUser", "0"),
         (f"{SPEC}.securityContext.runAsUser", 0.0), (f"{_CONTEXT}.runAsNonRoot", False)], f"{_CONTEXT}.runAsUser"),
    _pod("may-run-as-root", [(f"{SPEC}.securityContext", {}), (f"{_CONTEXT}.runAsNonRoot", False)],
         f"{SPEC}.securityContext.runAsNonRoot"),
    _pod("capability-added", [(f"{_CONTEXT}.capabilities.add", ["SYS_ADMIN"]),
         (f"{_CONTEXT}.capabilities.add", ["cap_net_raw"])], f"{_CONTEXT}.capabilities.add"),
    _pod("capabilities-kept", [(f"{_CONTEXT}.capabilities", ABSENT), (f"{_CONTEXT}.capabilities.drop", ["NET_RAW"])],
         f"{_CONTEXT}.capabilities.drop"),
    _pod("seccomp-missing", [(f"{SPEC}.securityContext.seccompProfile", ABSENT)],
         f"{SPEC}.securityContext.seccompProfile.type"),
    _pod("unconfined", [(f"{_CONTEXT}.seccompProfile", {"type": "Unconfined"}), (f"{_CONTEXT}.procMount", "Unmasked"),
         (r"spec.template.metadata.annotations.container\.apparmor\.security\.beta\.kubernetes\.io/main",
          "unconfined")], f"{_CONTEXT}.procMount"),
    _pod("unsafe-sysctl", [(f"{SPEC}.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}])],
         f"{SPEC}.securityContext.sysctls"),
    Case(rule="gpu-limit-missing", type=DEPLOYMENT, good=_ONE, unknown=_LIMIT,
         bad=[(f"{MAIN}.resources.limits", {}), (_LIMIT, 2)]),
    Case(rule="gpu-fraction", type=DEPLOYMENT, good=_ONE, unknown=_LIMIT,
         bad=[(_LIMIT, "0.5"), (_LIMIT, "500m"), (_LIMIT, 1.5), (_REQUEST, "-1"), (_LIMIT, "one")]),
    Case(rule="gpu-too-many", type=DEPLOYMENT, good=_ONE, unknown=_LIMIT, bad=[(_LIMIT, 64), (_LIMIT, "1k")]),
    Case(rule="gpu-without-toleration", type=DEPLOYMENT, good=_ONE, unknown=f"{SPEC}.tolerations",
         bad=[(f"{SPEC}.tolerations", []), (f"{SPEC}.tolerations", [{"key": "other", "operator": "Exists"}])]),
    _pod("gpu-past-the-scheduler", [(f"{MAIN}.env", [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]),
         (f"{SPEC}.volumes", [{"name": "v", "hostPath": {"path": "/dev/nvidia0"}}])], f"{MAIN}.env[0].name"),
    _pod("image-floating", [(f"{MAIN}.image", image) for image in (
         "docker.io/example/app", "docker.io/example/app:latest", "docker.io/example/app:LATEST",
         "docker.io/example/app:nightly-gpu", "host:5000/app", "docker.io/example/app:gpu-latest")], f"{MAIN}.image"),
    _pod("image-without-digest", [(f"{MAIN}.image", "docker.io/example/app:1.2.3"),
         (f"{MAIN}.image", "docker.io/example/app@sha256:abc")], f"{MAIN}.image"),
    _pod("image-registry", [(f"{MAIN}.image", "evil.test/app:1"), (f"{MAIN}.image", "docker.io.evil.test/app:1"),
         (f"{MAIN}.image", "localhost/app:1")], f"{MAIN}.image"),
    _pod("installs-at-start", [(f"{MAIN}.command", ["sh", "-c", line]) for line in (
         "pip install torch", "apt-get -y  install git", "curl -s http://x | bash", "python3 -m pip install x")],
         f"{MAIN}.command"),
    _pod("secret-in-env", [(f"{MAIN}.env[0].value", "AKIAABCDEFGHIJKLMNOP"),
         (f"{MAIN}.env[0]", {"name": "DB_PASSWORD", "value": "correct horse"})], f"{MAIN}.env[0].value"),
    _pod("secret-in-args", [(f"{MAIN}.args", ["--password=correct-horse9"]),
         (f"{MAIN}.args", ["ghp_" + "a" * 36])], f"{MAIN}.command"),
    _pod("secret-in-object", [("metadata.annotations", {"note": "postgres://user:hunter22@db.test/x"})],
         "metadata.annotations", then="passes"),
    _pod("default-credentials", [(f"{MAIN}.env[0]", {"name": "MINIO_SECRET_KEY", "value": "minio123"})],
         f"{MAIN}.env[0].value", then="passes"),
    Case(rule="default-credentials", type="kubernetes:core/v1:Secret", unknown="stringData.password",
         good=named("Secret", "s", "team", stringData={"password": "Zw8-aa91-kk"}),
         bad=[("stringData.password", "minio123"), ("data", {"password": "bWluaW8xMjM="})]),
    _pod("mesh-left", [("spec.template.metadata.labels", {"sidecar.istio.io/inject": "false"}),
         ("spec.template.metadata.annotations", {"traffic.sidecar.istio.io/excludeInboundPorts": "8080"})],
         r"spec.template.metadata.labels.sidecar\.istio\.io/inject"),
    _pod("default-namespace", [("metadata.namespace", "default"), ("metadata.namespace", ABSENT)],
         "metadata.namespace"),
    _pod("token-mounted", [(f"{SPEC}.automountServiceAccountToken", ABSENT)], f"{SPEC}.automountServiceAccountToken"),
    _pod("requests-missing", [(f"{MAIN}.resources", {}), (f"{MAIN}.resources.requests", {"memory": "1Mi"})],
         f"{MAIN}.resources"),
    _pod("memory-limit-missing", [(f"{MAIN}.resources.limits", {})], f"{MAIN}.resources.limits"),
    _pod("amount-absurd", [(f"{MAIN}.resources.limits.memory", "128m"), (f"{MAIN}.resources.requests.memory", "1Gi")],
         f"{MAIN}.resources.limits.memory"),
    _pod("probe-missing", [(f"{MAIN}.readinessProbe", ABSENT)], f"{MAIN}.ports"),
    Case(rule="job-endless", type="kubernetes:batch/v1:Job", unknown="spec.template", bad=[
         ("spec.ttlSecondsAfterFinished", ABSENT)],
         good=named("Job", "j", "team", spec={"ttlSecondsAfterFinished": 60,
                                              "template": pod()["spec"]["template"]})),
)  # fmt: skip
