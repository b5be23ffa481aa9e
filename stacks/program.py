"""The composition root: settings -> cluster -> platform -> outputs. The only reader of the stack's configuration."""

from __future__ import annotations

from dataclasses import replace

import pulumi

from infra.contract import ClusterSpec
from infra.provision import provision
from kubeflow import gpu, install
from kubeflow.admission import Exempted
from kubeflow.platform import KubeflowPlatform, PlatformArgs

from .decode import SettingsError
from .load import OBJECTS, settings_from
from .outputs import Outputs
from .settings import Settings


def main() -> None:
    """Turn the stack file into resources; every problem of the file is told before the first one."""
    config = pulumi.Config()
    settings = read_settings(config)
    chosen = install.expanded(settings.platform.components)
    install.source(chosen, needed=not settings.platform.allow_absent)  # told before the first resource
    cluster = provision(_with_labels(settings), config.require_secret)
    exempted = tuple(Exempted(rule=one.rule, resource=one.resource) for one in settings.policies.exemptions)
    args = PlatformArgs(spec=settings.platform, cluster=cluster, secrets=config.require_secret, exempted=exempted)
    platform = KubeflowPlatform("kubeflow", args, pulumi.ResourceOptions(providers=[cluster.provider]))
    Outputs.of(cluster, platform.platform, settings.validation).export()


def _with_labels(settings: Settings) -> ClusterSpec:
    """The cluster with the labels by which nodes learn how their GPUs are shared: autoscaled ones, too, are born so."""
    labels = gpu.node_labels(settings.platform.gpu, settings.cluster.pools)
    pools = {
        name: replace(pool, labels={**pool.labels, **labels.get(name, {})})
        for name, pool in settings.cluster.pools.items()
    }
    return replace(settings.cluster, pools=pools)


def read_settings(config: pulumi.Config) -> Settings:
    """The stack's configuration as typed settings."""
    try:
        return settings_from({name: value for name in OBJECTS if (value := config.get_object(name)) is not None})
    except SettingsError as error:
        raise pulumi.RunError(
            f"the configuration of stack '{pulumi.get_stack()}' has {len(error.problems)} problem(s); "
            f"nothing was changed:\n{error}"
        ) from error
