"""Clusters and their networks in five clouds: who reaches the API, the nodes and their metadata."""

from __future__ import annotations

from collections.abc import Iterator

from .rule import Config, Finding, Severity, Subject, rule
from .values import Node, open_networks

EKS = "aws:eks/cluster:Cluster"
AKS = "azure-native:containerservice"
GKE = "gcp:container/cluster:Cluster"
ACK = ("alicloud:cs/managedKubernetes:ManagedKubernetes", "alicloud:cs/kubernetes:Kubernetes")
CLUSTERS = (EKS, f"{AKS}:ManagedCluster", f"{AKS}/", GKE, *ACK)


def is_aks(subject: Subject, kind: str = "ManagedCluster") -> bool:
    """Types of Azure may carry a version."""
    return subject.resource.type.startswith(AKS) and subject.resource.type.endswith(f":{kind}")


def _ranges(place: Node, what: str) -> Iterator[Finding]:
    """A list of networks that is absent or holds the world."""
    if place.unknown:
        return
    if not place.items():
        yield Finding(text=f"{what} may be called from everywhere", path=place.path)
    elif open_networks(place.texts()):
        yield Finding(text=f"{what} may be called from networks as large as the world", path=place.path)


@rule(
    refuses="A Kubernetes API that the whole internet reaches.",
    why="One leaked kubeconfig, or one fault of the API server, is enough.",
    fix="Make the endpoint private, or name the networks that may call it.",
    severity=Severity.CRITICAL,
    source="CIS EKS 5.4.1-2; CIS AKS 5.4.1-2; CIS GKE 5.6.3-4",
    types=CLUSTERS,
)
def api_endpoint_open(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent means open with EKS, AKS and GKE."""
    root, kind = subject.root, subject.resource.type
    if kind == EKS:
        access = root.at("vpcConfig")
        if access.at("endpointPublicAccess").flag(unknown=False, absent=True):
            yield from _ranges(access.at("publicAccessCidrs"), "the endpoint")
    elif is_aks(subject):
        profile = root.at("apiServerAccessProfile")
        if not profile.at("enablePrivateCluster").flag(unknown=True):
            yield from _ranges(profile.at("authorizedIPRanges"), "the endpoint")
    elif kind == GKE:
        private = root.at("privateClusterConfig", "enablePrivateEndpoint").flag(unknown=True)
        networks = root.at("masterAuthorizedNetworksConfig")
        if not private and not networks.unknown:
            blocks = networks.at("cidrBlocks")
            yield from _ranges(blocks.parsed([item.at("cidrBlock").text() for item in blocks.items()]), "the endpoint")
        dns = root.at("controlPlaneEndpointsConfig", "dnsEndpointConfig", "allowExternalTraffic")
        if dns.flag(unknown=False):
            yield Finding(text="the endpoint by name is open to every Google Cloud customer's network", path=dns.path)
    elif root.at("slbInternetEnabled").flag(unknown=False):
        yield Finding(text="the API server has a public load balancer", path="slbInternetEnabled")


_INGRESS = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "aws:ec2/securityGroupRule:SecurityGroupRule",
    "aws:ec2/networkAclRule:NetworkAclRule", "azure-native:network", "gcp:compute/firewall:Firewall",
    "alicloud:ecs/securityGroupRule:SecurityGroupRule",
)  # fmt: skip
_SOURCES = (
    "cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks", "cidrBlock", "ipv6CidrBlock", "sourceAddressPrefix",
    "sourceAddressPrefixes", "sourceRanges", "cidrIp", "ipv6CidrIp",
)  # fmt: skip


@rule(
    refuses="A firewall that lets the whole world in.",
    why="Nodes and databases are scanned within minutes.",
    fix="Name the networks that need it; users come through the gateway's load balancer.",
    severity=Severity.HIGH,
    source="CIS AWS 5.2-5.3; CIS Azure 7.1; CIS Google Cloud 3.6",
    types=_INGRESS,
)
def ingress_open(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Rules of their own and inline ones; two halves of the world are the world."""
    root = subject.root
    direction = f"{root.at('type').text()}{root.at('direction').text()}".lower()
    if "egress" in direction or "outbound" in direction or root.at("egress").value is True:
        return
    for one in (root, *root.at("ingress").items(), *root.at("securityRules").items()):
        access = f"{one.at('access').text()}{one.at('policy').text()}{one.at('ruleAction').text()}".lower()
        if "deny" in access or "drop" in access or "outbound" in one.at("direction").text().lower():
            continue
        if root.at("denies").present and not root.at("allows").present:
            continue
        for key in _SOURCES:
            if open_networks(one.at(key).texts()):
                yield Finding(text="open to the whole world", path=one.at(key).path)
        if subject.resource.type.startswith("gcp:") and not any(
            one.at(key).present for key in ("sourceRanges", "sourceTags", "sourceServiceAccounts")
        ):
            yield Finding(text="without a source, every one is let in", path="sourceRanges")


@rule(
    refuses="Nodes with addresses of the internet, or with SSH from everywhere.",
    why="The node is the last fence between a pod and the account.",
    fix="Use private subnets; reach nodes by the cloud's session service.",
    severity=Severity.HIGH,
    source="CIS EKS 5.4.3; CIS AKS 5.4.3; CIS GKE 5.6.5",
    types=(*CLUSTERS, "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate",
           "aws:ec2/subnet:Subnet", "gcp:container/nodePool:NodePool", "alicloud:cs/nodePool:NodePool"),
)  # fmt: skip
def nodes_public(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Per cloud, the one switch that gives a node an address."""
    root, kind = subject.root, subject.resource.type
    switches: list[Node] = [
        root.at("enableNodePublicIP"),
        *(pool.at("enableNodePublicIP") for pool in root.at("agentPoolProfiles").items()),
        *(card.at("associatePublicIpAddress") for card in root.at("networkInterfaces").items()),
    ]
    for switch in switches:
        if switch.flag(unknown=False):
            yield Finding(text="nodes get public addresses", path=switch.path)
    if kind == "aws:ec2/subnet:Subnet" and root.at("mapPublicIpOnLaunch").flag(unknown=False):
        yield Finding(text="every machine in the subnet gets a public address", path="mapPublicIpOnLaunch")
    remote = root.at("remoteAccess")
    groups = remote.at("sourceSecurityGroupIds")
    if remote.at("ec2SshKey").present and not groups.unknown and not groups.items():
        yield Finding(text="EKS opens port 22 to the whole world", path=remote.path)
    if kind == GKE and not root.at("privateClusterConfig", "enablePrivateNodes").flag(unknown=True):
        yield Finding(text="nodes get public addresses", path="privateClusterConfig.enablePrivateNodes")
    if root.at("internetMaxBandwidthOut").number(unknown=0, absent=0) > 0:
        yield Finding(text="nodes get public addresses", path="internetMaxBandwidthOut")
    if kind == "alicloud:cs/nodePool:NodePool" and root.at("password").present:
        yield Finding(text="nodes have a password", path="password")


@rule(
    refuses="Nodes whose metadata any pod may ask.",
    why="It answers with the node's cloud credentials.",
    fix="Require IMDSv2 with a hop limit of 1; on GKE set workloadMetadataConfig.mode GKE_METADATA.",
    severity=Severity.HIGH,
    source="CIS EKS 5.4; CIS GKE 5.4.1",
    types=("aws:ec2/launchTemplate:LaunchTemplate", "gcp:container/nodePool:NodePool"),
)
def metadata_open_to_pods(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Absent means open with both."""
    root = subject.root
    if subject.resource.type.startswith("aws:"):
        options = root.at("metadataOptions")
        if options.at("httpEndpoint").text() == "disabled":
            return
        if options.at("httpTokens").text("required") != "required":
            yield Finding(text="metadata without a token", path=options.at("httpTokens").path)
        if options.at("httpPutResponseHopLimit").number(unknown=1, absent=1) > 1:
            yield Finding(text="the token reaches pods", path=options.at("httpPutResponseHopLimit").path)
        return
    mode = root.at("nodeConfig", "workloadMetadataConfig", "mode")
    if mode.text("GKE_METADATA") != "GKE_METADATA":
        yield Finding(text="pods see the node's metadata", path=mode.path)


@rule(
    refuses="A cluster that does not enforce network policies.",
    why="The policies are accepted, and nothing happens.",
    fix="AKS: networkProfile.networkPolicy; GKE: datapathProvider ADVANCED_DATAPATH.",
    severity=Severity.HIGH,
    source="CIS AKS 5.4.4; CIS GKE 5.6.7",
    types=(f"{AKS}:ManagedCluster", f"{AKS}/", GKE),
)
def network_policy_unenforced(subject: Subject, _config: Config) -> Iterator[Finding]:
    """`none` is a value of AKS."""
    root = subject.root
    if is_aks(subject):
        engine = root.at("networkProfile", "networkPolicy")
        dataplane = root.at("networkProfile", "networkDataplane").text("cilium")
        if engine.text("cilium").lower() in {"", "none"} and dataplane.lower() != "cilium":
            yield Finding(text="no engine for network policies", path=engine.path)
    elif subject.resource.type == GKE:
        provider = root.at("datapathProvider")
        if provider.text("ADVANCED_DATAPATH") != "ADVANCED_DATAPATH" and not root.at("networkPolicy", "enabled").flag(
            unknown=True
        ):
            yield Finding(text="no engine for network policies", path=provider.path)


@rule(
    refuses="A cluster without an audit log.",
    why="After an incident nobody can say who did what.",
    fix="EKS: enabledClusterLogTypes with audit and authenticator; ACK: controlPlaneLogComponents or auditLogConfig.",
    severity=Severity.MEDIUM,
    source="CIS EKS 2.1.1; CIS GKE 2.1",
    types=(EKS, *ACK, GKE),
)
def audit_log_off(subject: Subject, _config: Config) -> Iterator[Finding]:
    """GKE logs audits always; there, only logging as a whole can be off."""
    root, kind = subject.root, subject.resource.type
    if kind == EKS:
        kinds = root.at("enabledClusterLogTypes")
        if not kinds.unknown and not {"audit", "authenticator"} <= set(kinds.texts()):
            yield Finding(text="audit or authenticator is not logged", path=kinds.path)
    elif kind == GKE:
        if root.at("loggingService").text() == "none":
            yield Finding(text="nothing is logged", path="loggingService")
    else:
        components, audit = root.at("controlPlaneLogComponents"), root.at("auditLogConfig", "enabled")
        if not components.unknown and not components.items() and not audit.flag(unknown=True):
            yield Finding(text="the control plane logs nothing", path=components.path)


RULES = (
    api_endpoint_open, ingress_open, nodes_public, metadata_open_to_pods, network_policy_unenforced, audit_log_off,
)  # fmt: skip
