"""The stand-in for cloud plugins, under the real engine: the life of a program's resources, and what goes wrong."""

from __future__ import annotations

import base64
import json
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
import yaml

from tests.support.cluster import Api
from tests.support.engine import SKIP_CHECKPOINTS, Project

pytestmark = pytest.mark.engine
Projects = Callable[..., Project]

PROGRAM = """
    import json
    from pathlib import Path

    import pulumi
    import pulumi_aws as aws
    import pulumi_random as random

    given = json.loads(Path("given.json").read_text())
    own = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-west-1"))
    password = random.RandomPassword("password", length=20, special=False, keepers={"turn": given["turn"]})
    vpc = aws.ec2.Vpc("vpc", cidr_block=given["cidr"], tags={"team": given["team"]}, opts=own)
    blocks = {"subnet-0": "10.0.0.0/24", "subnet-1": "10.0.1.0/24"}
    subnets = [aws.ec2.Subnet(name, vpc_id=vpc.id, cidr_block=block, opts=own) for name, block in blocks.items()]
    cluster = aws.eks.Cluster(
        "cluster",
        role_arn="arn:aws:iam::123456789012:role/cluster",
        version=given["version"],
        vpc_config=aws.eks.ClusterVpcConfigArgs(subnet_ids=[subnet.id for subnet in subnets]),
        opts=own,
    )
    caller = aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=own.provider))
    pulumi.export("account", caller.account_id)
    pulumi.export("vpc", vpc.id)
    pulumi.export("password", password.result)
    pulumi.export("hash", password.bcrypt_hash)
    pulumi.export("endpoint", cluster.endpoint)
    pulumi.export("ca", cluster.certificate_authority.data)
    pulumi.export("issuer", cluster.identities[0].oidcs[0].issuer)
    """
GIVEN = {"turn": "1", "cidr": "10.0.0.0/16", "team": "a", "version": "1.35"}


@pytest.fixture
def program(project: Projects, tmp_path: Path) -> Project:
    tiny = project(**SKIP_CHECKPOINTS, KUBEFLOW_PROOF_REHEARSAL_JOURNAL=str(tmp_path / "journal"))
    tiny.write(PROGRAM)
    tiny.write(GIVEN, "given.json")
    return tiny


OTHERS = {
    "azure-native": """
        import pulumi
        import pulumi_azure_native as azure

        own = pulumi.ResourceOptions(provider=azure.Provider("azure", location="westeurope"))
        group = azure.resources.ResourceGroup("gpu", location="westeurope", opts=own)
        cluster = azure.containerservice.ManagedCluster(
            "gpu", resource_group_name=group.name, dns_prefix="gpu",
            identity=azure.containerservice.ManagedClusterIdentityArgs(type="SystemAssigned"),
            oidc_issuer_profile=azure.containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            agent_pool_profiles=[azure.containerservice.ManagedClusterAgentPoolProfileArgs(
                name="system", mode="System", count=2, vm_size="Standard_D4s_v5")], opts=own)
        azure.containerservice.AgentPool(
            "h100", resource_group_name=group.name, resource_name_=cluster.name, agent_pool_name="h100",
            vm_size="Standard_ND96isr_H100_v5", count=1, node_taints=["nvidia.com/gpu=present:NoSchedule"], opts=own)
        pulumi.export("name", cluster.name)
        pulumi.export("issuer", cluster.oidc_issuer_profile.issuer_url)
        """,
    "gcp": """
        import pulumi
        import pulumi_gcp as gcp

        own = pulumi.ResourceOptions(provider=gcp.Provider("gcp", project="p", region="europe-west4"))
        network = gcp.compute.Network("gpu", auto_create_subnetworks=False, opts=own)
        cluster = gcp.container.Cluster(
            "gpu", location="europe-west4", network=network.id, initial_node_count=1, remove_default_node_pool=True,
            min_master_version="1.35", opts=own)
        gcp.container.NodePool(
            "h100", cluster=cluster.id, location="europe-west4", node_count=1, opts=own,
            node_config=gcp.container.NodePoolNodeConfigArgs(machine_type="a3-megagpu-8g"))
        pulumi.export("name", cluster.name)
        pulumi.export("issuer", cluster.endpoint)
        """,
    "alicloud": """
        import pulumi
        import pulumi_alicloud as ali

        own = pulumi.ResourceOptions(provider=ali.Provider("ali", region="eu-central-1"))
        vpc = ali.vpc.Network("gpu", vpc_name="gpu", cidr_block="10.0.0.0/8", opts=own)
        switch = ali.vpc.Switch("gpu", vpc_id=vpc.id, cidr_block="10.1.0.0/16", zone_id="eu-central-1a", opts=own)
        cluster = ali.cs.ManagedKubernetes(
            "gpu", vswitch_ids=[switch.id], pod_cidr="172.20.0.0/16", service_cidr="172.21.0.0/20", opts=own)
        ali.cs.NodePool(
            "a10", node_pool_name="a10", cluster_id=cluster.id, vswitch_ids=[switch.id], desired_size="1",
            instance_types=["ecs.gn7i-c16g1.4xlarge"], system_disk_category="cloud_essd", opts=own)
        pulumi.export("name", cluster.name)
        pulumi.export("issuer", cluster.connections[0].api_server_intranet)
        """,
    "vsphere": """
        import pulumi
        import pulumi_tls as tls
        import pulumi_vsphere as vs

        provider = vs.Provider("vs", vsphere_server="vc.example.test", user="u", password="p")
        own, ask = pulumi.ResourceOptions(provider=provider), pulumi.InvokeOptions(provider=provider)
        center = vs.get_datacenter(name="dc", opts=ask)
        folder = vs.Folder("k8s", path="k8s", type="vm", datacenter_id=center.id, opts=own)
        template = vs.get_virtual_machine(name="ubuntu", datacenter_id=center.id, opts=ask)
        vs.VirtualMachine(
            "worker", name="worker", resource_pool_id="resgroup-1", datastore_id="datastore-1", folder=folder.path,
            num_cpus=4, memory=8192, guest_id=template.guest_id,
            network_interfaces=[vs.VirtualMachineNetworkInterfaceArgs(network_id="network-1")],
            disks=[vs.VirtualMachineDiskArgs(label="disk0", size=template.disks[0].size)],
            clone=vs.VirtualMachineCloneArgs(template_uuid=template.id), opts=own)
        key = tls.PrivateKey("ca", algorithm="ECDSA", ecdsa_curve="P256")
        ca = tls.SelfSignedCert(
            "ca", private_key_pem=key.private_key_pem, is_ca_certificate=True, allowed_uses=["cert_signing"],
            validity_period_hours=24, subject=tls.SelfSignedCertSubjectArgs(common_name="kubernetes"))
        pulumi.export("name", folder.path)
        pulumi.export("issuer", ca.cert_pem)
        """,
}


def journal(folder: Path) -> Counter[str]:
    lines = (folder / "journal").read_text(encoding="utf-8").splitlines()
    return Counter(json.loads(line)["method"] for line in lines)


def test_resources_are_planned_created_updated_replaced_and_deleted(program: Project, tmp_path: Path) -> None:
    planned = program.preview().ok()
    assert planned.changes == {"create": 7}
    assert any("stand-in for the official aws plugin 7.51.1" in text for text in planned.diagnostics)
    assert any("stand-in for the official random plugin 4.21.4" in text for text in planned.diagnostics)
    assert program.up().ok().changes == {"create": 7}
    first = program.outputs()
    assert first["account"] == "123456789012"
    assert first["issuer"].startswith("https://oidc.eks.eu-west-1.amazonaws.com/id/")
    assert journal(tmp_path)["Create"] == 5 + 5, "the preview and the update ask for each once"
    program.preview("--expect-no-changes").ok()

    program.write(GIVEN | {"team": "b"}, "given.json")
    assert program.up().ok().changes == {"same": 6, "update": 1}
    assert program.outputs()["vpc"] == first["vpc"]

    program.write(GIVEN | {"team": "b", "cidr": "10.0.0.0/8"}, "given.json")
    replaced = program.up().ok().changes
    assert replaced["replace"] == 3, "the network and what lies in it"
    assert program.outputs()["vpc"] != first["vpc"]

    assert program.operate("destroy").ok().changes == {"delete": 7}
    assert program.state() == []


def test_passwords_are_real_change_only_with_their_keepers_and_stay_secret(program: Project) -> None:
    program.up().ok()
    first = program.outputs()["password"]
    assert len(first) == 20
    assert first.isalnum()
    assert bcrypt.checkpw(first.encode(), program.outputs()["hash"].encode())
    assert first not in program.state_text()

    program.up().ok()
    assert program.outputs()["password"] == first
    program.write(GIVEN | {"turn": "2"}, "given.json")
    assert program.up().ok().changes["replace"] == 1
    assert program.outputs()["password"] != first


def test_the_invented_cluster_is_the_api_server_that_the_environment_names(program: Project, tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("-----BEGIN CERTIFICATE-----\nreal\n-----END CERTIFICATE-----\n", encoding="utf-8")
    program.up(KUBEFLOW_PROOF_REHEARSAL_ENDPOINT="127.0.0.1:12345", KUBEFLOW_PROOF_REHEARSAL_CA=str(authority)).ok()
    outputs = program.outputs()
    assert outputs["endpoint"] == "https://127.0.0.1:12345"
    assert base64.b64decode(outputs["ca"]) == authority.read_bytes()


@pytest.mark.parametrize("kind", ["error", "quota", "throttle", "denied", "timeout"])
def test_a_failure_leaves_what_was_made_and_a_second_run_completes_it(program: Project, kind: str) -> None:
    fault = f"aws:ec2/subnet:Subnet@2={kind}"
    failed = program.up(KUBEFLOW_PROOF_REHEARSAL_FAULTS=fault).failed()
    assert "injected by the rehearsal" in failed.errors
    names = {part["urn"].rsplit("::", 1)[1] for part in program.state()}
    assert "vpc" in names
    assert len(names & {"subnet-0", "subnet-1"}) == 1
    assert "cluster" not in names

    assert program.up().ok().changes["create"] == 2
    program.preview("--expect-no-changes").ok()


def test_what_is_under_way_while_something_fails_gets_into_the_state(project: Projects, tmp_path: Path) -> None:
    tiny = project(KUBEFLOW_PROOF_REHEARSAL_JOURNAL=str(tmp_path / "journal"))
    tiny.write("""
        import pulumi
        import pulumi_aws as aws

        own = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-west-1"))
        vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", opts=own)
        for number in range(6):
            aws.ec2.Subnet(f"subnet-{number}", vpc_id=vpc.id, cidr_block=f"10.0.{number}.0/24", opts=own)
        aws.ec2.SecurityGroup("group", vpc_id=vpc.id, description="fails", opts=own)
        """)
    faults = "aws:ec2/subnet:Subnet@*=slow:2,aws:ec2/securityGroup:SecurityGroup@1=denied:1"
    assert "AccessDenied" in tiny.up(KUBEFLOW_PROOF_REHEARSAL_FAULTS=faults).failed().errors
    lines = map(json.loads, (tmp_path / "journal").read_text(encoding="utf-8").splitlines())
    made = {line["subject"].rsplit("::", 1)[1] for line in lines if line["method"] == "Create"}
    assert made == {"vpc", *(f"subnet-{number}" for number in range(6))}
    assert made <= {part["urn"].rsplit("::", 1)[1] for part in tiny.state()}
    assert tiny.up().ok().changes["create"] == 1


def test_what_was_made_but_never_became_ready_is_kept_and_not_made_twice(program: Project, tmp_path: Path) -> None:
    fault = "aws:eks/cluster:Cluster@1=partial"
    assert "never became ready" in program.up(KUBEFLOW_PROOF_REHEARSAL_FAULTS=fault).failed().errors
    assert program.resource("cluster")["id"]
    before = journal(tmp_path)["Create"]
    program.up().ok()
    assert journal(tmp_path)["Create"] == before
    program.preview("--expect-no-changes").ok()


def test_a_fault_that_cannot_be_read_is_told(program: Project) -> None:
    failed = program.up(KUBEFLOW_PROOF_REHEARSAL_FAULTS="aws:ec2/vpc:Vpc@first").failed()
    assert "KUBEFLOW_PROOF_REHEARSAL_FAULTS" in failed.text


def test_misspelt_and_wrong_inputs_are_refused_before_anything_is_made(project: Projects) -> None:
    tiny = project()
    tiny.write("""
        import pulumi
        import pulumi_aws as aws

        aws.eks.Cluster("c", role_arn="arn:x", version="1.99",
                        vpc_config={"subnet_ids": ["a"], "endpoint_public_acess": True, "security_group_ids": "sg"})
        """)
    refused = tiny.preview().failed().errors
    assert "endpoint_public_acess" in refused
    assert "did you mean 'endpointPublicAccess'" in refused
    assert "securityGroupIds: expected list" in refused
    assert "'1.99' is not" in refused


def test_a_function_without_a_canned_answer_is_an_error(project: Projects) -> None:
    tiny = project()
    tiny.write("""
        import pulumi_aws as aws

        aws.ec2.get_ami(most_recent=True, owners=["amazon"])
        """)
    assert "has no answer for 'aws:ec2/getAmi:getAmi'" in tiny.preview().failed().text


@pytest.mark.parametrize("package", OTHERS)
def test_programs_of_the_other_clouds_come_up_settle_and_go(project: Projects, package: str) -> None:
    tiny = project(**SKIP_CHECKPOINTS)
    tiny.write(OTHERS[package])
    planned = tiny.preview().ok().changes
    assert tiny.up().ok().changes == planned
    outputs = tiny.outputs()
    assert outputs["name"]
    assert outputs["issuer"]
    tiny.preview("--expect-no-changes").ok()
    assert "PRIVATE KEY" not in tiny.state_text()
    assert tiny.operate("refresh").ok().changes == {"same": planned["create"]}
    assert tiny.operate("destroy").ok().changes == {"delete": planned["create"]}


def test_objects_reach_a_real_api_server_through_the_kubeconfig_of_an_invented_cluster(
    project: Projects, api: Api, tmp_path: Path
) -> None:
    given = yaml.safe_load(api.kubeconfig)
    user = given["users"][0]["user"]
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(given["clusters"][0]["cluster"]["certificate-authority-data"]))
    status = {
        "clientCertificateData": base64.b64decode(user["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(user["client-key-data"]).decode(),
    }
    credential = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": status}
    (tmp_path / "credential.json").write_text(json.dumps(credential), encoding="utf-8")
    aws = tmp_path / "exec plugins" / "aws"  # stands in for the command line of the cloud
    aws.parent.mkdir()
    aws.write_text(f"#!/bin/sh\ncat {shlex.quote(str(tmp_path / 'credential.json'))}\n", encoding="utf-8")
    aws.chmod(0o755)

    tiny = project(**SKIP_CHECKPOINTS)
    tiny.environment["PATH"] = f"{aws.parent}:{tiny.environment['PATH']}"
    tiny.write("""
        import json

        import pulumi
        import pulumi_aws as aws
        import pulumi_kubernetes as kubernetes

        cluster = aws.eks.Cluster(
            "cluster",
            role_arn="arn:aws:iam::123456789012:role/cluster",
            vpc_config=aws.eks.ClusterVpcConfigArgs(subnet_ids=["subnet-1"]),
            opts=pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-west-1")),
        )

        def kubeconfig(server, authority):
            version = "client.authentication.k8s.io/v1beta1"
            user = {"apiVersion": version, "command": "aws", "args": ["eks", "get-token"]}
            return json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": authority}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                "users": [{"name": "c", "user": {"exec": user}}],
            })

        facts = pulumi.Output.all(cluster.endpoint, cluster.certificate_authority.data)
        made = pulumi.Output.secret(facts.apply(lambda it: kubeconfig(*it)))
        provider = kubernetes.Provider("kubernetes", kubeconfig=made, cluster_identifier=cluster.arn)
        kubernetes.core.v1.Namespace(
            "rehearsed", metadata={"name": "rehearsed"}, opts=pulumi.ResourceOptions(provider=provider)
        )
        """)
    reach = {
        "KUBEFLOW_PROOF_REHEARSAL_ENDPOINT": api.server.removeprefix("https://"),
        "KUBEFLOW_PROOF_REHEARSAL_CA": str(authority),
    }
    assert tiny.preview(**reach).ok().changes == {"create": 5}
    tiny.up(**reach).ok()
    assert api.get("/api/v1/namespaces/rehearsed")
    tiny.preview("--expect-no-changes", **reach).ok()
    tiny.operate("destroy", **reach).ok()
    assert api.get("/api/v1/namespaces/rehearsed") is None
