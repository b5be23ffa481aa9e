"""Command line: `python -m rehearsal {install,remove} --bin DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rehearsal.launchers import (
    CLOUD_PACKAGES,
    KUBERNETES_PROVIDER,
    LANGUAGE_HOST,
    ForeignFileError,
    install,
    installed_cloud_providers,
    remove,
)


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    top = argparse.ArgumentParser(prog="python -m rehearsal", description="Stand-ins for plugins of the engine.")
    verbs = top.add_subparsers(dest="verb", required=True)
    adding = verbs.add_parser("install", help="write launchers of the stand-ins; of all of them if none is named")
    adding.add_argument("--language-host", action="store_true", help="the language host and the dynamic provider")
    adding.add_argument("--kubernetes-provider", action="store_true", help="the Kubernetes provider")
    adding.add_argument(
        "--cloud-providers",
        nargs="*",
        choices=CLOUD_PACKAGES,
        metavar="NAME",
        help=f"cloud providers: {', '.join(CLOUD_PACKAGES)}; without a name, of every SDK that is installed",
    )
    removing = verbs.add_parser("remove", help="delete the launchers that install wrote, and nothing else")
    for verb in (adding, removing):
        verb.add_argument("--bin", type=Path, required=True, metavar="DIR", help="the folder of the engine `pulumi`")
    return top


def chosen(asked: argparse.Namespace) -> dict[str, str]:
    """The launchers that were asked for."""
    clouds: list[str] | None = asked.cloud_providers
    every = not (asked.language_host or asked.kubernetes_provider or clouds is not None)
    names = dict[str, str]()
    if every or asked.language_host:
        names |= LANGUAGE_HOST
    if every or asked.kubernetes_provider:
        names |= KUBERNETES_PROVIDER
    if every or clouds is not None:
        names |= {f"pulumi-resource-{name}": name for name in clouds} if clouds else installed_cloud_providers()
    return names


def main() -> int:
    """Do what the command line asks for."""
    asked = parser().parse_args()
    if asked.verb == "remove":
        for file in remove(asked.bin):
            print(f"removed {file}")
        return 0
    try:
        written = install(asked.bin, chosen(asked), sys.executable)
    except ForeignFileError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return 1
    for file in written:
        print(f"stand-in {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
