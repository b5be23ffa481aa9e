"""Cases of the rules about other Kubernetes objects, and of those that see the whole stack."""

from __future__ import annotations

from tests.policy.cases import ABSENT, DEPLOYMENT, Case, named, pod

_NETWORK = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_RBAC = "kubernetes:rbac.authorization.k8s.io/v1"
_SPACE = "kubernetes:core/v1:Namespace"
_DNS = {"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}], "ports": [{"protocol": "UDP", "port": 53}]}
_CLOSED = named("NetworkPolicy", "deny", "team", spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
_TEAM = named("Namespace", "team", metadata={"labels": {
    "pod-security.kubernetes.io/enforce": "restricted", "istio-injection": "enabled"}})  # fmt: skip
_WHITE = {"ipBlock": {"cidr": "10.0.0.0/8"}}
_CONTROL = pod(topologySpreadConstraints=[{"maxSkew": 1}])
_CONTROL["metadata"] = {"name": "dex", "namespace": "auth"}
_ROLE = named("ClusterRole", "r", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])
_BINDING = named("ClusterRoleBinding", "b", roleRef={"kind": "ClusterRole", "name": "r"},
                 subjects=[{"kind": "User", "name": "ada"}])  # fmt: skip
_BUDGET = named("PodDisruptionBudget", "b", "auth", spec={"maxUnavailable": 1,
                                                          "selector": {"matchLabels": {"app": "sample"}}})  # fmt: skip

CASES = (
    Case(rule="network-policy-allows-all", type=_NETWORK, unknown="spec.egress[0].to",
         good=named("NetworkPolicy", "n", "team", spec={"egress": [{"to": [_WHITE]}]}),
         bad=[("spec.egress[0]", {}), ("spec.ingress", [{"from": [{}]}]), ("spec.egress[0].to", []),
              ("spec.egress[0].to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
              ("spec.egress[0].to", [{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]),
              ("spec.egress[0].to", [{"ipBlock": {"cidr": "::/0"}}])]),
    Case(rule="network-policy-reaches-metadata", type=_NETWORK, unknown="spec.egress[0].to[0].ipBlock.except",
         good=named("NetworkPolicy", "n", "team", spec={"egress": [{"to": [
             {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", "100.100.100.200/32"]}}]}]}),
         bad=[("spec.egress[0].to[0].ipBlock.except", ["169.254.0.0/16"]),
              ("spec.egress[0].to[0].ipBlock", {"cidr": "169.254.169.254/32"}),
              ("spec.egress[0].to[0].ipBlock", {"cidr": "fd00::/8"})]),
    Case(rule="egress-without-dns", type=_NETWORK, unknown="spec.egress[0].ports[0].port", beside=[(_NETWORK, _CLOSED)],
         good=named("NetworkPolicy", "dns", "team", spec={"podSelector": {"matchLabels": {"a": "b"}},
                                                          "egress": [_DNS]}),
         bad=[("spec.egress[0].ports[0].port", 443), ("spec.egress", [])]),
    Case(rule="service-open", type="kubernetes:core/v1:Service", unknown="spec.type",
         good=named("Service", "s", "team", spec={"type": "ClusterIP"}),
         bad=[("spec.type", "LoadBalancer"), ("spec.type", "NodePort"), ("spec.externalIPs", ["1.2.3.4"]),
              ("spec", {"type": "ExternalName", "externalName": "evil.test"}),
              ("spec", {"type": "ExternalName", "externalName": "loki.monitoring.svc.cluster.local"})]),
    Case(rule="service-open", type="kubernetes:core/v1:Service", unknown="spec.type",
         good=named("Service", "s", "team", spec={
             "type": "ExternalName", "externalName": "knative-local-gateway.istio-system.svc.cluster.local"}),
         bad=[("spec.externalName", "istiod.istio-system.svc.cluster.local"),
              ("spec.externalName", "a.teammates.svc.cluster.local"),
              ("spec.externalName", "x.cluster-local-gateway.istio-system.svc.cluster.local.evil.test")]),
    Case(rule="load-balancer-unfenced", type="kubernetes:core/v1:Service", unknown="spec.loadBalancerSourceRanges",
         good=named("Service", "s", "team", spec={"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]}),
         bad=[("spec.loadBalancerSourceRanges", []), ("spec.loadBalancerSourceRanges", ["0.0.0.0/0"])]),
    Case(rule="mutual-tls-off", type="kubernetes:security.istio.io/v1:PeerAuthentication", unknown="spec.mtls.mode",
         good=named("PeerAuthentication", "p", "team", spec={"mtls": {"mode": "STRICT"}}),
         bad=[("spec.mtls.mode", "PERMISSIVE"), ("spec.mtls.mode", "disable"),
              ("spec.portLevelMtls", {"8080": {"mode": "PERMISSIVE"}})]),
    Case(rule="mutual-tls-off", type="kubernetes:networking.istio.io/v1:DestinationRule",
         unknown="spec.trafficPolicy.tls.mode",
         good=named("DestinationRule", "d", "team", spec={"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}),
         bad=[("spec.trafficPolicy.tls.mode", "DISABLE")]),
    Case(rule="gateway-without-tls", type="kubernetes:networking.istio.io/v1:Gateway",
         unknown="spec.servers[0].tls.minProtocolVersion",
         good=named("Gateway", "g", "team", spec={"servers": [
             {"port": {"protocol": "HTTPS"}, "tls": {"mode": "SIMPLE", "minProtocolVersion": "TLSV1_2"}},
             {"port": {"protocol": "HTTP"}, "tls": {"httpsRedirect": True}}]}),
         bad=[("spec.servers[0].port.protocol", "HTTP"), ("spec.servers[0].tls.minProtocolVersion", "TLSV1_0"),
              ("spec.servers[1].tls", {})]),
    Case(rule="authorization-allows-all", type="kubernetes:security.istio.io/v1:AuthorizationPolicy",
         unknown="spec.rules[0].from",
         good=named("AuthorizationPolicy", "a", "team", spec={"rules": [
             {"from": [{"source": {"namespaces": ["team"]}}]}]}),
         bad=[("spec.rules", [{}]), ("spec.rules[0].from[0].source.namespaces", ["*"])]),
    Case(rule="namespace-without-pod-security", type=_SPACE, good=_TEAM,
         unknown=r"metadata.labels.pod-security\.kubernetes\.io/enforce",
         bad=[(r"metadata.labels.pod-security\.kubernetes\.io/enforce", "privileged"), ("metadata.labels", {})]),
    Case(rule="namespace-outside-mesh", type=_SPACE, good=_TEAM, unknown="metadata.labels",
         beside=[(DEPLOYMENT, pod())], bad=[("metadata.labels.istio-injection", "disabled")]),
    Case(rule="namespace-without-quota", type="kubernetes:core/v1:ResourceQuota", unknown="spec.hard", then="passes",
         good=named("ResourceQuota", "q", "team", spec={"hard": {"pods": "10"}}), beside=[(DEPLOYMENT, pod())],
         bad=[("metadata.namespace", "other"), ("spec", {})]),
    Case(rule="namespace-without-limit-range", type="kubernetes:core/v1:LimitRange", unknown="spec.limits",
         good=named("LimitRange", "l", "team", spec={"limits": [{}]}), beside=[(DEPLOYMENT, pod())], then="passes",
         bad=[("metadata.namespace", "other"), ("spec", {})]),
    Case(rule="namespace-without-default-deny", type=_NETWORK, good=_CLOSED, unknown="spec.egress", then="passes",
         beside=[(DEPLOYMENT, pod())],
         bad=[("spec.policyTypes", ["Ingress"]), ("spec.podSelector", {"matchLabels": {"a": "b"}}),
              ("metadata.namespace", "other")]),
    Case(rule="rbac-wildcard", type=f"{_RBAC}:ClusterRole", good=_ROLE, unknown="rules[0].verbs",
         bad=[("rules[0]", {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
              ("rules[0]", {"apiGroups": [""], "resources": ["*/*"], "verbs": ["*"]}),
              ("rules[0]", {"nonResourceURLs": ["*"], "verbs": ["*"]})]),
    Case(rule="rbac-wide", type=f"{_RBAC}:ClusterRole", good=_ROLE, unknown="rules[0].resources",
         bad=[("rules[0].verbs", ["*"]), ("rules[0].resources", ["*"])]),
    Case(rule="rbac-escalation", type=f"{_RBAC}:Role", good=_ROLE, unknown="rules[0].resources",
         bad=[("rules[0]", {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["Bind"]}),
              ("rules[0]", {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}),
              ("rules[0]", {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"],
                            "resourceNames": ["system:masters"]})]),
    Case(rule="cluster-admin-bound", type=f"{_RBAC}:ClusterRoleBinding", good=_BINDING, unknown="roleRef.name",
         bad=[("roleRef.name", "cluster-admin"), ("subjects", [{"kind": "Group", "name": "system:authenticated"}])]),
    Case(rule="reads-all-secrets", type=f"{_RBAC}:ClusterRole", good=_ROLE, unknown="rules[0].resources",
         beside=[(f"{_RBAC}:ClusterRoleBinding", _BINDING)], bad=[("rules[0].resources", ["secrets"])]),
    Case(rule="opaque-resource", type="pulumi-python:dynamic/kubeflow:CrdSet", good={"chart": "x"}, unknown="chart",
         then="passes", bad_type="kubernetes:helm.sh/v3:Release"),
    Case(rule="webhook-stops-cluster", type="kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration",
         unknown="webhooks[0].namespaceSelector", good=named("ValidatingWebhookConfiguration", "w", webhooks=[
             {"failurePolicy": "Fail", "rules": [{"resources": ["pods"]}],
              "namespaceSelector": {"matchLabels": {"a": "b"}}}]),
         bad=[("webhooks[0].namespaceSelector", {}), ("webhooks[0].namespaceSelector", ABSENT)]),
    Case(rule="secret-in-config-map", type="kubernetes:core/v1:ConfigMap", unknown="data.note",
         good=named("ConfigMap", "c", "team", data={"note": "hello"}),
         bad=[("data.note", "-----BEGIN RSA PRIVATE KEY-----\nx"), ("data", {"db_password": "correct horse"}),
              ("binaryData", {"k": "QUtJQUFCQ0RFRkdISUpLTE1OT1A="})]),
    Case(rule="installs-at-start", type="kubernetes:core/v1:ConfigMap", unknown="data", then="undecided",
         good=named("ConfigMap", "c", "team", data={"run.sh": "exec /app"}),
         bad=[("data.run\\.sh", "#!/bin/sh\npip install torch\n")]),
    Case(rule="provider-unverified", type="pulumi:providers:kubernetes", good={"kubeconfig": "clusters: []"},
         unknown="kubeconfig", bad=[("kubeconfig", '{"insecure-skip-tls-verify": true}')]),
    Case(rule="secret-in-stack-file", type="stackfile:pulumi:Stack", good={"p:kubeconfig": {"secure": "v1:x"}},
         unknown="p:kubeconfig", then="passes", bad=[("p:admin_password", "correct horse"),
                                                     ("p:note", "AKIAABCDEFGHIJKLMNOP")]),
    Case(rule="single-replica", type=DEPLOYMENT, good=_CONTROL, unknown="spec.replicas",
         bad=[("spec.replicas", 1.0), ("spec.replicas", ABSENT)]),
    Case(rule="disruption-budget-missing", type=DEPLOYMENT, good=_CONTROL, unknown="spec.replicas",
         beside=[("kubernetes:policy/v1:PodDisruptionBudget", _BUDGET)], removed=True,
         bad=[("spec.template.metadata.labels", {"app": "other"})]),
    Case(rule="disruption-budget-stuck", type="kubernetes:policy/v1:PodDisruptionBudget", good=_BUDGET,
         unknown="spec.maxUnavailable", bad=[("spec.maxUnavailable", 0), ("spec.maxUnavailable", "0%"),
                                             ("spec.minAvailable", "100%")]),
    Case(rule="replicas-together", type=DEPLOYMENT, good=_CONTROL,
         unknown="spec.template.spec.topologySpreadConstraints",
         bad=[("spec.template.spec.topologySpreadConstraints", [])]),
    Case(rule="default-provider", type=DEPLOYMENT, good=pod(), unknown="spec", then="passes",
         more={"provider": "urn:pulumi:dev::tiny::pulumi:providers:kubernetes::own::id"},
         bad_provider="urn:pulumi:dev::tiny::pulumi:providers:kubernetes::default_4_32_0::id"),
)  # fmt: skip
