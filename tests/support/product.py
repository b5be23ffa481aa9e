"""The product itself on the real engine: this repository's program, a stack file of the test, a state of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from tests.support.engine import ROOT, SKIP_CHECKPOINTS, Project, Result

STACK = "dev"


class Product(Project):
    """The program of this repository with one stack; the repository's own files stay as they are."""

    def __init__(
        self, folder: Path, binaries: Path, config: dict[str, Any], *, stack: str = STACK, state: Path | None = None
    ) -> None:
        self.folder = folder
        self.program = ROOT
        self.stack = stack
        self.bare = folder / "bare"  # a project of the same name without a program: stacks are made there
        for name in ("bare", "state", "home"):
            (folder / name).mkdir(parents=True)
        self.environment = {
            "PATH": os.pathsep.join([str(binaries), os.environ.get("PATH", os.defpath)]),
            "HOME": str(folder / "home"),
            "KUBECONFIG": str(folder / "no-kubeconfig"),
            "PULUMI_HOME": str(folder / "home" / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{state or folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_PARALLEL": "64",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **SKIP_CHECKPOINTS,
        }
        self.stack_file = self.bare / f"Pulumi.{stack}.yaml"
        self.configure(config)
        (self.bare / "Pulumi.yaml").write_text("name: kubeflow-proof\nruntime: python\n", encoding="utf-8")
        self.program = self.bare
        self.pulumi("stack", "init", stack).ok()
        self.program = ROOT

    def configure(self, config: dict[str, Any]) -> None:
        """Write the stack file, keeping the salt that the engine put there."""
        kept: dict[str, Any] = {}
        if self.stack_file.exists():
            written: dict[str, Any] = yaml.safe_load(self.stack_file.read_text(encoding="utf-8"))
            kept = {name: value for name, value in written.items() if name != "config"}
        self.stack_file.write_text(yaml.safe_dump({**kept, "config": config}, sort_keys=False), encoding="utf-8")

    def operate(self, verb: str, *arguments: str, **environment: str) -> Result:
        """Preview, up, refresh or destroy of the stack."""
        chosen = ("--stack", self.stack, "--config-file", str(self.stack_file))
        return super().operate(verb, *chosen, *arguments, **environment)

    def pulumi(self, *arguments: str, **environment: str) -> Result:
        """Run a command of the engine; those about the stack are told which."""
        chosen = ("--stack", self.stack) if arguments[:2] in {("stack", "export"), ("stack", "output")} else ()
        return super().pulumi(*arguments, *chosen, **environment)


def local_config(kubeconfig: Path) -> dict[str, Any]:
    """The committed stack file `local` without upstream's components, with another kubeconfig."""
    committed: dict[str, Any] = yaml.safe_load((ROOT / "stacks/Pulumi.local.yaml").read_text(encoding="utf-8"))
    config: dict[str, Any] = committed["config"]
    config["kubeflow-proof:cluster"]["options"]["kubeconfig"] = str(kubeconfig)
    config["kubeflow-proof:platform"]["components"] = []
    return config
