"""The composition root: settings -> cluster -> platform -> outputs. The only reader of the stack's configuration."""

from __future__ import annotations

import pulumi

from infra.provision import provision
from kubeflow import install
from kubeflow.platform import KubeflowPlatform

from .decode import SettingsError
from .load import OBJECTS, settings_from
from .outputs import Outputs
from .settings import Settings


def main() -> None:
    """Turn the stack file into resources; every problem of the file is told before the first one."""
    config = pulumi.Config()
    settings = read_settings(config)
    install.source(settings.platform.components)  # what is not cached is told before the first resource, too
    cluster = provision(settings.cluster, config.require_secret)
    platform = KubeflowPlatform(
        "kubeflow", settings.platform, cluster, pulumi.ResourceOptions(providers=[cluster.provider])
    )
    Outputs.of(cluster, platform.platform, settings.validation).export()


def read_settings(config: pulumi.Config) -> Settings:
    """The stack's configuration as typed settings."""
    try:
        return settings_from({name: value for name in OBJECTS if (value := config.get_object(name)) is not None})
    except SettingsError as error:
        raise pulumi.RunError(
            f"the configuration of stack '{pulumi.get_stack()}' has {len(error.problems)} problem(s); "
            f"nothing was changed:\n{error}"
        ) from error
