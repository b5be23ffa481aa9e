"""Small valid specs that tests start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi

from infra.contract import ClusterSpec, Environment, EnvironmentOptions, Gpu, Pool, Role, Secrets
from infra.existing.options import ExistingOptions
from infra.local.options import LocalOptions, Machine
from kubeflow.contract import Opening, PlatformSpec, Quota, TenantSpec
from kubeflow.quantity import Quantity

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: sample
clusters: [{name: sample, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: sample, context: {cluster: sample, user: sample}}]
users: [{name: sample, user: {token: not-a-real-token}}]
"""

POOLS: Mapping[str, Pool] = {
    "cpu": Pool(role=Role.CPU, machine="small", min=2, max=2),
    "l4": Pool(role=Role.GPU, machine="big", min=1, max=1, gpu=Gpu(product="NVIDIA-L4", count=4, memory_mib=23034)),
}


def local_options(kubeconfig: str = "kubeconfig") -> LocalOptions:
    """Options for `POOLS` on this machine."""
    machines = {"small": Machine(cpu=4, memory_gib=16), "big": Machine(cpu=48, memory_gib=192)}
    return LocalOptions(machines=machines, kubeconfig=kubeconfig)


def existing_options(*, kubeconfig_path: str | None = None, stack: str | None = None) -> ExistingOptions:
    """Options for `POOLS` in a given cluster."""
    return ExistingOptions(
        kubeconfig_path=kubeconfig_path,
        stack=stack,
        block_storage_class="standard",
        pod_cidr="10.244.0.0/16",
        service_cidr="10.96.0.0/12",
        api_server_cidrs=("10.0.0.10/32",),
    )


def cluster_spec(
    environment: Environment, options: EnvironmentOptions, pools: Mapping[str, Pool] = POOLS
) -> ClusterSpec:
    """A cluster of `POOLS`."""
    return ClusterSpec(
        environment=environment, name="sample", region="here", version="1.35", pools=pools, options=options
    )


def platform_spec() -> PlatformSpec:
    """Two tenants, one with GPUs, people and a declared way out."""
    return PlatformSpec(
        tenants={
            "team-a": TenantSpec(
                owner="ada@example.com",
                contributors=("grace@example.com",),
                viewers=("audit@example.com",),
                quota=Quota(gpus=8, cpu=Quantity("64")),
                egress=(Opening(cidr="10.20.0.0/24", port=6379, reason="feature store"),),
            ),
            "team-b": TenantSpec(owner="alan@example.com"),
        }
    )


def secrets(values: Mapping[str, str]) -> Secrets:
    """A reader of secret configuration."""

    def read(name: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(values[name])

    return read


def spec_for(environment: Environment, folder: Path) -> ClusterSpec:
    """The sample cluster in an environment; its kubeconfig lies in `folder`."""
    path = folder / "kubeconfig"
    path.write_text(KUBECONFIG, encoding="utf-8")
    options = {
        Environment.LOCAL: local_options(str(path)),
        Environment.EXISTING: existing_options(kubeconfig_path=str(path)),
    }
    return cluster_spec(environment, options[environment])
