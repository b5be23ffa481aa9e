"""Who may do what: IAM of five clouds, workload identity, keys of clouds."""

from __future__ import annotations

from collections.abc import Iterator

from .cluster import ACK, AKS, EKS, GKE, is_aks
from .documents import statements
from .rule import Config, Finding, Setting, Severity, Subject, in_list, rule
from .values import Node

_DOCUMENTS = (
    "aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy", "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy", "aws:iam/role:Role", "alicloud:ram/policy:Policy",
)  # fmt: skip
_ROLES = ("roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/iam.serviceAccountTokenCreator")
# Owner, Contributor and User Access Administrator: learn.microsoft.com, Azure built-in roles.
_AZURE = ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c",
          "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9")  # fmt: skip


@rule(
    refuses="Rights to do everything.",
    why="Whoever gets such a role once has the account.",
    fix="Name the actions and the resources.",
    severity=Severity.CRITICAL,
    source="CIS AWS 1.16; CIS Google Cloud 1.5; AWS IAM: grant least privilege",
    types=(*_DOCUMENTS, "azure-native:authorization", "gcp:projects/", "gcp:organizations/", "gcp:folder/",
           "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
           "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment"),
)  # fmt: skip
def iam_wildcard(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Documents, roles by name, and custom roles; NotAction allows nearly everything."""
    root = subject.root
    documents = [
        root.at("policy"),
        root.at("policyDocument"),
        *(one.at("policy") for one in root.at("inlinePolicies").items()),
    ]
    for document in documents:
        yield from _wide(document)
    role = root.at("role")
    if role.text() in _ROLES:
        yield Finding(text=f"{role.text()}, a role for everything", path=role.path)
    builtin = root.at("roleDefinitionId").text().rpartition("/")[2].lower() in _AZURE
    if builtin and "/providers/" not in root.at("scope").text("/providers/"):  # wider than one resource
        yield Finding(text="Owner, Contributor or User Access Administrator", path="roleDefinitionId")
    for permission in root.at("permissions").items():
        if permission.mapping and "*" in permission.at("actions").texts():
            yield Finding(text="a custom role for everything", path=permission.path)
    attached = f"{root.at('policyArn').text()}{root.at('policyName').text()}".rpartition("/")[2]
    if attached in {"AdministratorAccess", "PowerUserAccess", "IAMFullAccess"}:
        yield Finding(text=f"the managed policy {attached}", path="policyArn")


def _wide(document: Node) -> Iterator[Finding]:
    """Statements of a document that allow everything, or the one thing by which one gets everything."""
    for one in statements(document):
        if not one.allows:
            continue
        if one.inverted:
            yield Finding(text="allows everything but what it names", path=document.path)
        wide = any(action in {"*", "*:*"} or action.lower() in _DANGEROUS for action in one.actions)
        if wide and any(resource in {"*", "acs:*:*:*:*"} for resource in one.resources):
            yield Finding(text="everything, or passing on any role, on every resource", path=document.path)


_DANGEROUS = frozenset({"iam:*", "iam:passrole", "sts:*", "ram:*", "ram:passrole", "iam:createaccesskey"})


@rule(
    refuses="A role that everybody may take, or every pod of every cluster.",
    why="A trust policy is the door of a role; rights do not matter if it stands open.",
    fix="Name the principal; for tokens of a cluster compare sub and aud, without asterisks.",
    severity=Severity.CRITICAL,
    source="CIS EKS 5.2.1; AWS IAM: OIDC federation",
    types=("aws:iam/role:Role", "alicloud:ram/role:Role", "azure-native:managedidentity",
           "gcp:serviceaccount/iAMMember:IAMMember"),
)  # fmt: skip
def trust_open(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Principal *, tokens without subject or audience, subjects with asterisks."""
    root = subject.root
    for document in (root.at("assumeRolePolicy"), root.at("document"), root.at("assumeRolePolicyDocument")):
        for one in statements(document):
            if one.allows and (one.anyone or one.inverted) and not one.conditioned:
                yield Finding(text="everybody may take the role", path=document.path)
            if one.allows and one.federated:
                subjects = [texts for key, texts in one.conditions.items() if key.endswith(":sub")]
                audience = any(key.endswith(":aud") for key in one.conditions)
                if not subjects or not audience or any("*" in text for texts in subjects for text in texts):
                    yield Finding(text="tokens are taken from more than one named service account", path=document.path)
    if subject.resource.type.endswith(":FederatedIdentityCredential") and "*" in root.at("subject").text():
        yield Finding(text="a subject with an asterisk", path="subject")
    if subject.resource.type.startswith("gcp:") and "allAuthenticatedUsers" in root.at("member").text():
        yield Finding(text="everybody may act as the account", path="member")


@rule(
    refuses="A key of a cloud that never expires.",
    why="Keys leak by logs, notebooks and images; a token of a pod is gone within the hour.",
    fix="Use workload identity: IRSA, Entra Workload ID, Workload Identity Federation, RRSA.",
    severity=Severity.HIGH,
    source="CIS GKE 5.2.1-5.2.2; CIS AWS 1.14; CIS AKS 5.2.1",
    types=("aws:iam/accessKey:AccessKey", "aws:iam/user:User", "gcp:serviceaccount/key:Key",
           "alicloud:ram/accessKey:AccessKey", "alicloud:ram/user:User", "azuread:index/applicationPassword:",
           f"{AKS}:ManagedCluster", f"{AKS}/"),
)  # fmt: skip
def static_cloud_key(subject: Subject, _config: Config) -> Iterator[Finding]:
    """The resource itself is the finding, but for AKS."""
    if not subject.resource.type.startswith(AKS):
        yield Finding(text="a user or key that lives until somebody remembers it")
    elif subject.at("servicePrincipalProfile", "secret").present:
        yield Finding(text="the cluster has a password", path="servicePrincipalProfile.secret")


@rule(
    refuses="A cluster whose pods have no identity of their own in the cloud.",
    why="Then pods use the node's role, or keys.",
    fix="GKE: workloadIdentityConfig; AKS: oidcIssuerProfile and workloadIdentity; ACK: enableRrsa.",
    severity=Severity.HIGH,
    source="CIS GKE 5.2.2; CIS AKS 5.2.1",
    types=(f"{AKS}:ManagedCluster", f"{AKS}/", GKE, *ACK),
)
def workload_identity_off(subject: Subject, _config: Config) -> Iterator[Finding]:
    """EKS has an issuer always."""
    root, kind = subject.root, subject.resource.type
    if is_aks(subject):
        for place in (
            root.at("oidcIssuerProfile", "enabled"),
            root.at("securityProfile", "workloadIdentity", "enabled"),
        ):
            if not place.flag(unknown=True):
                yield Finding(text="no workload identity", path=place.path)
    elif kind == GKE and not root.at("workloadIdentityConfig", "workloadPool").present:
        yield Finding(text="no workload identity", path="workloadIdentityConfig.workloadPool")
    elif kind in ACK and not root.at("enableRrsa").flag(unknown=True):
        yield Finding(text="no workload identity", path="enableRrsa")


@rule(
    refuses="Ways into a cluster around the cloud's identities.",
    why="Certificates and shared accounts can be neither listed nor taken back.",
    fix="EKS: authenticationMode API; AKS: disableLocalAccounts, aadProfile; GKE: no client certificate, no ABAC.",
    severity=Severity.HIGH,
    source="CIS EKS 4.1.7; CIS AKS 5.5.1-2; CIS GKE 5.8.1-3",
    types=(EKS, f"{AKS}:ManagedCluster", f"{AKS}/", GKE),
)
def legacy_authentication(subject: Subject, _config: Config) -> Iterator[Finding]:
    """The map of roles in a ConfigMap counts as one."""
    root, kind = subject.root, subject.resource.type
    if kind == EKS:
        mode = root.at("accessConfig", "authenticationMode")
        if mode.text("API") != "API":
            yield Finding(text="the ConfigMap aws-auth holds, which nobody audits", path=mode.path)
    elif is_aks(subject):
        if not root.at("disableLocalAccounts").flag(unknown=True):
            yield Finding(text="local accounts are there", path="disableLocalAccounts")
        if not root.at("aadProfile", "enableAzureRBAC").flag(unknown=True):
            yield Finding(text="rights are not Azure's", path="aadProfile.enableAzureRBAC")
    elif kind == GKE:
        legacy = (
            root.at("enableLegacyAbac"),
            root.at("masterAuth", "clientCertificateConfig", "issueClientCertificate"),
        )
        for place in legacy:
            if place.flag(unknown=False):
                yield Finding(text="an old way in", path=place.path)


@rule(
    refuses="A cluster administrator by name of the cloud who is not listed.",
    why="cluster-admin reads every Secret of every tenant.",
    fix="Give rights to a namespace, or list the principal in `allowed`.",
    severity=Severity.HIGH,
    source="CIS EKS 4.1.1",
    types=("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", "aws:eks/accessEntry:AccessEntry"),
    advisory=True,
    settings={"allowed": Setting(type="array", default=[], about="principals; one that ends with * stands for many")},
)
def cluster_admin_entry(subject: Subject, config: Config) -> Iterator[Finding]:
    """Only for the whole cluster."""
    root = subject.root
    whole = root.at("accessScope", "type").text("namespace") == "cluster"
    admin = root.at("policyArn").text().rpartition("/")[2] in {"AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy"}
    masters = "system:masters" in root.at("kubernetesGroups").texts()
    if ((admin and whole) or masters) and not in_list(root.at("principalArn").text("*"), config["allowed"]):
        yield Finding(text="an administrator of the whole cluster", path="principalArn")


@rule(
    refuses="Nodes with the project's default account.",
    why="It is an editor of the whole project.",
    fix="Make an account for nodes with the role roles/container.defaultNodeServiceAccount.",
    severity=Severity.HIGH,
    source="CIS GKE 5.2.1",
    types=("gcp:container/nodePool:NodePool", GKE),
)
def default_node_account(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A cluster has such nodes unless it removes its first pool; until then they have the account, too."""
    account = subject.at("nodeConfig", "serviceAccount")
    autopilot = subject.at("enableAutopilot").flag(unknown=True)
    if not autopilot and account.text("own") in {"", "default"}:
        yield Finding(text="nodes run as the default account", path=account.path)


RULES = (
    iam_wildcard, trust_open, static_cloud_key, workload_identity_off, legacy_authentication, cluster_admin_entry,
    default_node_account,
)  # fmt: skip
