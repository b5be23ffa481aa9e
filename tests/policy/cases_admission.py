"""Cases of the rules that the API server keeps: objects that it takes as they are, each with what makes it wrong."""

from __future__ import annotations

import base64
from typing import Any

from tests.policy.cases import ABSENT, DEPLOYMENT, MAIN, SPEC, Case, Object, changed, named, pod

_CONTEXT = f"{MAIN}.securityContext"
_RBAC = "kubernetes:rbac.authorization.k8s.io/v1"
_SERVICE, _INGRESS = "kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:Ingress"
_NETWORK = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_KUBEFLOW = "kubernetes:kubeflow.org/v1"
_CONTEXT_OF_FIRST = "containers[0].securityContext"
_PRIVILEGED = {"privileged": True}


def _one(rule: str, kind: str, good: Object, *bad: tuple[str, Any]) -> Case:
    return Case(rule=rule, type=kind, good=good, bad=bad, unknown="")


def _pod(rule: str, *bad: tuple[str, Any]) -> Case:
    return _one(rule, DEPLOYMENT, pod(), *bad)


def _spec() -> Object:
    return pod()["spec"]["template"]["spec"]


_GPU = "nvidia.com/gpu"
_TOLERANT = changed(pod(), f"{SPEC}.tolerations", [{"key": _GPU, "operator": "Exists"}])
_ONE = changed(_TOLERANT, f"{MAIN}.resources", {"limits": {_GPU: "1"}, "requests": {_GPU: 1}})
_LIMIT, _REQUEST = rf"{MAIN}.resources.limits.nvidia\.com/gpu", rf"{MAIN}.resources.requests.nvidia\.com/gpu"
_NOTE = f"{_KUBEFLOW}:Notebook"
_FULL: Object = {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}
_ROLE = named("Role", "r", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
_GROUP = "rbac.authorization.k8s.io"
_BINDING = named("RoleBinding", "b", roleRef={"apiGroup": _GROUP, "kind": "ClusterRole", "name": "view"},
                 subjects=[{"apiGroup": _GROUP, "kind": "User", "name": "ada"}])  # fmt: skip
_SERVERS: list[Object] = [
    {"hosts": ["*"], "port": {"number": 443, "name": "a", "protocol": "HTTPS"},
     "tls": {"mode": "SIMPLE", "credentialName": "c", "minProtocolVersion": "TLSV1_2"}},
    {"hosts": ["*"], "port": {"number": 80, "name": "b", "protocol": "HTTP"}, "tls": {"httpsRedirect": True}},
]  # fmt: skip
_LISTENER = {"name": "a", "port": 443, "protocol": "HTTPS"}
_WORLD = [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", "100.100.100.200/32"]}}]
_TEAM = {"app.kubernetes.io/part-of": "kubeflow-profile", "pod-security.kubernetes.io/enforce": "baseline"}

CASES = (
    _pod("privileged-container", (_CONTEXT, _PRIVILEGED),
         (f"{SPEC}.initContainers", [{"name": "i", "image": "ghcr.io/b/c:1", "securityContext": _PRIVILEGED}])),
    _one("privileged-container", "kubernetes:core/v1:Pod", named("Pod", "p", spec=_spec()),
         (f"spec.{_CONTEXT_OF_FIRST}", _PRIVILEGED)),
    _one("privileged-container", "kubernetes:batch/v1:CronJob",
         named("CronJob", "c", spec={"schedule": "@daily", "jobTemplate": {"spec": {"template": {
             "spec": {**_spec(), "restartPolicy": "Never"}}}}}),
         (f"spec.jobTemplate.spec.template.spec.{_CONTEXT_OF_FIRST}", _PRIVILEGED)),
    _one("privileged-container", f"{_KUBEFLOW}:PyTorchJob",
         named("PyTorchJob", "p", spec={"pytorchReplicaSpecs": {"Worker": {"template": {"spec": _spec()}}}}),
         (f"spec.pytorchReplicaSpecs.Worker.template.spec.{_CONTEXT_OF_FIRST}", _PRIVILEGED)),
    _one("privileged-container", _NOTE, named("Notebook", "n", spec={"template": {"spec": _spec()}}),
         (f"{SPEC}.{_CONTEXT_OF_FIRST}", _PRIVILEGED)),
    _one("privileged-container", "kubernetes:serving.kserve.io/v1beta1:InferenceService",
         named("InferenceService", "i", spec={"predictor": {"model": {"modelFormat": {"name": "onnx"}},
                                                            "containers": _spec()["containers"]}}),
         (f"spec.predictor.{_CONTEXT_OF_FIRST}", _PRIVILEGED)),
    _one("privileged-container", "kubernetes:argoproj.io/v1alpha1:Workflow",
         named("Workflow", "w", spec={"templates": [
             {"name": "a", "container": {"image": "ghcr.io/a/b:1"}}, {"name": "b", "dag": {}}]}),
         ("spec.templates[0].container.securityContext", _PRIVILEGED)),
    _one("privileged-container", "kubernetes:jobset.x-k8s.io/v1alpha2:JobSet",
         named("JobSet", "j", spec={"replicatedJobs": [{"template": {"spec": {"template": {"spec": _spec()}}}}]}),
         (f"spec.replicatedJobs[0].template.spec.template.spec.{_CONTEXT_OF_FIRST}", _PRIVILEGED)),
    _pod("host-namespace", (f"{SPEC}.hostNetwork", True), (f"{SPEC}.hostPID", True), (f"{SPEC}.hostIPC", True)),
    _pod("host-path", (f"{SPEC}.volumes", [{"name": "v", "hostPath": {"path": "/"}}])),
    _one("host-port", _NOTE, named("Notebook", "n", spec={"template": {"spec": _spec()}}),
         (f"{MAIN}.ports", [{"containerPort": 80, "hostPort": 80}])),
    _pod("runs-as-root", (f"{_CONTEXT}.runAsUser", 0), (f"{_CONTEXT}.runAsNonRoot", False),
         (f"{SPEC}.securityContext.runAsUser", 0)),
    _pod("capability-added", (f"{_CONTEXT}.capabilities.add", ["NET_BIND_SERVICE", "SYS_ADMIN"]),
         (f"{_CONTEXT}.capabilities.add", ["cap_net_raw"])),
    _pod("unconfined", (f"{_CONTEXT}.seccompProfile", {"type": "Unconfined"}),
         (f"{_CONTEXT}.appArmorProfile", {"type": "Unconfined"}),
         (f"{SPEC}.securityContext.seccompProfile", {"type": "Unconfined"})),
    _pod("unsafe-sysctl", (f"{SPEC}.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}])),
    _one("gpu-limit-missing", _NOTE, _ONE, (f"{MAIN}.resources.limits", {}), (_LIMIT, 2)),
    _one("gpu-fraction", _NOTE, changed(_ONE, f"{MAIN}.resources.requests", {}),
         (_LIMIT, "0.5"), (_LIMIT, "500m"), (_LIMIT, 1.5), (_LIMIT, "one"),
         (f"{MAIN}.resources", {"limits": {"nvidia.com/mig-1g.10gb": "-1"}})),
    _one("gpu-too-many", DEPLOYMENT, _ONE, (f"{MAIN}.resources", {"limits": {_GPU: 64}})),
    _one("gpu-without-toleration", DEPLOYMENT, _ONE, (f"{SPEC}.tolerations", []),
         (f"{SPEC}.tolerations", [{"key": "other", "operator": "Exists"}])),
    _pod("gpu-past-the-scheduler", (f"{MAIN}.env", [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])),
    _pod("image-floating", *((f"{MAIN}.image", image) for image in (
         "docker.io/example/app", "docker.io/example/app:latest", "docker.io/example/app:LATEST",
         "docker.io/example/app:nightly-gpu", "docker.io/example/app:gpu-latest"))),
    _pod("image-without-digest", (f"{MAIN}.image", "docker.io/example/app:1.2.3"),
         (f"{MAIN}.image", "docker.io/example/app:1@sha256:abc")),
    _pod("image-registry", (f"{MAIN}.image", "evil.test/app:1"), (f"{MAIN}.image", "docker.io.evil.test/app:1"),
         (f"{MAIN}.image", "localhost/app:1"),
         (f"{SPEC}.volumes", [{"name": "v", "image": {"reference": "evil.test/app:1"}}])),
    _pod("installs-at-start", *((f"{MAIN}.command", ["sh", "-c", line]) for line in (
         "pip install torch", "apt-get -y \\\n install git", "curl -s http://x | bash", "python3 -m pip install x")),
         (f"{MAIN}.lifecycle", {"postStart": {"exec": {"command": ["pip", "install", "x"]}}})),
    _pod("secret-in-env", (f"{MAIN}.env[0].value", "AKIAABCDEFGHIJKLMNOP"),
         (f"{MAIN}.env[0].value", "postgres://user:hunter22@db.test/x")),
    _pod("default-credentials", (f"{MAIN}.env[0]", {"name": "MINIO_SECRET_KEY", "value": "secret"}),
         (f"{MAIN}.env[0]", {"name": "db_password", "value": " Password "})),
    _one("default-credentials", "kubernetes:core/v1:Secret",
         named("Secret", "s", data={"password": base64.b64encode(b"Zw8-aa91-kk").decode()}),
         ("data.password", "bWluaW8xMjM="), ("stringData", {"secretkey": "minio123"})),
    _one("mutual-tls-off", "kubernetes:security.istio.io/v1:PeerAuthentication",
         named("PeerAuthentication", "p", spec={"mtls": {"mode": "STRICT"}}), ("spec.mtls.mode", "PERMISSIVE"),
         ("spec.mtls.mode", "DISABLE"), ("spec.portLevelMtls", {"8080": {"mode": "PERMISSIVE"}})),
    _one("mutual-tls-off", "kubernetes:networking.istio.io/v1:DestinationRule",
         named("DestinationRule", "d", spec={"host": "a", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}),
         ("spec.trafficPolicy.tls.mode", "DISABLE"), ("spec.trafficPolicy.tls.insecureSkipVerify", True),
         ("spec.subsets", [{"name": "s", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}])),
    _one("gateway-without-tls", "kubernetes:networking.istio.io/v1:Gateway",
         named("Gateway", "g", spec={"servers": _SERVERS}), ("spec.servers[0].port.protocol", "HTTP"),
         ("spec.servers[0].tls.minProtocolVersion", "TLSV1_0"), ("spec.servers[1].tls", {})),
    _one("gateway-without-tls", _INGRESS, named("Ingress", "i", spec={
         "tls": [{"hosts": ["a.test"]}], "defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}),
         ("spec.tls", ABSENT)),
    _one("authorization-allows-all", "kubernetes:security.istio.io/v1:AuthorizationPolicy",
         named("AuthorizationPolicy", "a", spec={"rules": [{"from": [{"source": {"namespaces": ["team"]}}]}]}),
         ("spec.rules", [{}]), ("spec.rules[0].from[0].source.namespaces", ["*"])),
    _one("network-policy-allows-all", _NETWORK, named("NetworkPolicy", "n", spec=_FULL),
         ("spec.egress[0]", {}), ("spec.ingress", [{}]),
         ("spec.egress[0].to", _WORLD),
         ("spec.ingress", [{"from": [{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]}]),
         ("spec.ingress", [{"from": [{"ipBlock": {"cidr": "::/0"}}]}])),
    _one("network-policy-reaches-metadata", _NETWORK,
         named("NetworkPolicy", "n", spec={"podSelector": {}, "egress": [
             {"to": _WORLD, "ports": [{"protocol": "TCP", "port": 443}]}]}),
         ("spec.egress[0].to[0].ipBlock.except", ["169.254.0.0/16"]),
         ("spec.egress[0].to[0].ipBlock", {"cidr": "169.254.169.254/32"}),
         ("spec.egress[0].to[0].ipBlock", {"cidr": "fd00::/8"})),
    _one("service-open", _SERVICE, named("Service", "s", spec={"ports": [{"port": 80}]}),
         ("spec.type", "LoadBalancer"), ("spec.type", "NodePort"), ("spec.externalIPs", ["1.2.3.4"]),
         ("spec", {"type": "ExternalName", "externalName": "evil.test"}),
         ("spec", {"type": "ExternalName", "externalName": "loki.monitoring.svc.cluster.local"}),
         ("spec", {"type": "ExternalName", "externalName": "a.ateam.svc.cluster.local"})),
    _one("service-open", _SERVICE, named("Service", "s", spec={
             "type": "ExternalName", "externalName": "knative-local-gateway.istio-system.svc.cluster.local"}),
         ("spec.externalName", "istiod.istio-system.svc.cluster.local")),
    _one("service-open", _SERVICE, named("Service", "s", spec={
             "type": "ExternalName", "externalName": "model.team.svc.cluster.local"}),
         ("spec.externalName", "model.teammates.svc.cluster.local")),
    _one("namespace-without-pod-security", "kubernetes:core/v1:Namespace",
         named("Namespace", "another-team", metadata={"labels": _TEAM}),
         (r"metadata.labels.pod-security\.kubernetes\.io/enforce", "privileged"),
         (r"metadata.labels.pod-security\.kubernetes\.io/enforce", ABSENT)),
    _one("rbac-wildcard", f"{_RBAC}:Role", _ROLE,
         ("rules[0]", {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
         ("rules[0]", {"apiGroups": [""], "resources": ["*/*"], "verbs": ["*"]})),
    _one("rbac-escalation", f"{_RBAC}:Role", _ROLE,
         ("rules[0]", {"apiGroups": [_GROUP], "resources": ["roles", "clusterroles"], "verbs": ["bind"]}),
         ("rules[0]", {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}),
         ("rules[0]", {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"],
                       "resourceNames": ["system:masters"]})),
    _one("cluster-admin-bound", f"{_RBAC}:RoleBinding", _BINDING,
         ("roleRef.name", "cluster-admin"),
         ("subjects", [{"apiGroup": _GROUP, "kind": "Group", "name": "system:authenticated"}])),
)  # fmt: skip
