"""Where logs are kept: one workspace, for as long as the options say. Decides nothing about what is logged."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import monitor, operationalinsights

from .options import Site


class AksLogs(pulumi.ComponentResource):
    """A Log Analytics workspace, and the way into it."""

    def __init__(self, name: str, site: Site, group: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        super().__init__("proof:aks:Logs", name, {"days": site.options.log_days}, opts)
        self._own = pulumi.ResourceOptions(parent=self)
        self._workspace = operationalinsights.Workspace(
            name,
            resource_group_name=group,
            retention_in_days=site.options.log_days,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            features=operationalinsights.WorkspaceFeaturesArgs(disable_local_auth=True),  # no shared keys
            tags=site.tags,
            opts=self._own,
        )
        self.register_outputs({})

    def keep(self, name: str, resource: pulumi.Input[str], categories: Sequence[str]) -> monitor.DiagnosticSetting:
        """Keep what a resource logs."""
        return monitor.DiagnosticSetting(
            name,
            resource_uri=resource,
            workspace_id=self._workspace.id,
            log_analytics_destination_type="Dedicated",  # a table for each kind of log
            logs=[monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in categories],
            opts=self._own,
        )
