"""Where logs are kept: one project for the control plane, the audit and the flows. Decides nothing about who reads."""

from __future__ import annotations

import pulumi
import pulumi_alicloud as alicloud

from .options import Site


class AckLogs(pulumi.ComponentResource):
    """A log project, and in it the store of flow logs where they are wanted."""

    project: pulumi.Output[str]
    flows: alicloud.log.Store | None

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:ack:Logs", name, {"days": site.options.log_days}, opts)
        own = pulumi.ResourceOptions(parent=self)
        self.project = alicloud.log.Project(
            name,
            project_name=site.log_project,
            description=f"cluster {site.name}",
            tags=site.tagged(name),
            opts=own,
        ).project_name
        self.flows = None
        if site.options.network.flow_logs:
            self.flows = alicloud.log.Store(
                f"{name}-flows",
                project_name=self.project,
                logstore_name="flows",
                retention_period=site.options.log_days,
                shard_count=2,
                auto_split=True,
                max_split_shard_count=64,
                encrypt_conf=alicloud.log.StoreEncryptConfArgs(enable=True, encrypt_type="default"),
                opts=own,
            )
        self.register_outputs({"project": self.project})
