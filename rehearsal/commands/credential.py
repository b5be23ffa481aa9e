"""A cloud's credential command, rehearsed: prints an ExecCredential with a token of the local API server.

It takes the arguments that the real command needs for this, and refuses any others: a kubeconfig that the real one
would not understand must not work here. It knows no cloud's credentials and asks nobody. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOKEN = "KUBEFLOW_PROOF_REHEARSAL_TOKEN"  # noqa: S105 - the name of a variable: a file {"token": ..., "expires": ...}
_JOURNAL = "KUBEFLOW_PROOF_REHEARSAL_JOURNAL"
_INFO = "KUBERNETES_EXEC_INFO"
_VERSION = "client.authentication.k8s.io/v1beta1"

# Command -> its words, the options it cannot do without, the ones it may have; `info`: it reads the cluster from the
# environment. AWS CLI, `aws eks get-token help`; kubelogin, `get-token --help`; cloud-provider-gcp,
# cmd/gke-gcloud-auth-plugin; AliyunContainerService/ack-ram-tool, docs of `credential-plugin`.
_FORMS: Mapping[str, Sequence[tuple[Sequence[str], frozenset[str], frozenset[str]]]] = {
    "aws": ((("eks", "get-token"), frozenset({"--cluster-name"}), frozenset({"--region", "--role-arn", "--output"})),),
    "kubelogin": (
        (
            ("get-token",),
            frozenset({"--server-id", "--login"}),
            frozenset({"--tenant-id", "--client-id", "--environment", "--timeout", "--authority-host"}),
        ),
    ),
    "gke-gcloud-auth-plugin": (((), frozenset(), frozenset({"--use_application_default_credentials"})),),
    "ack-ram-tool": tuple(
        (
            ("credential-plugin", verb),
            frozenset({"--cluster-id"}),
            frozenset({"--api-version", "--expiration", "--region-id", "--log-level", "--cache-dir"}),
        )
        for verb in ("get-credential", "get-token")
    ),
}
_SHORT = {"-c": "--cluster-id", "-l": "--login", "-t": "--tenant-id"}
_SWITCHES = frozenset({"--use_application_default_credentials"})


class RefusedError(Exception):
    """The real command could not have answered."""


def check(name: str, arguments: Sequence[str], info: Mapping[str, Any]) -> None:
    """Refuse what the real command would not understand."""
    version = info.get("apiVersion", _VERSION)
    if version != _VERSION:
        raise RefusedError(f"found apiVersion {version}, expected {_VERSION}")
    words, options = _read(arguments)
    for form_words, needed, allowed in _FORMS[name]:
        if tuple(words) == tuple(form_words):
            if missing := needed - options.keys():
                raise RefusedError(f"missing {', '.join(sorted(missing))}")
            if unknown := options.keys() - needed - allowed:
                raise RefusedError(f"unknown option {', '.join(sorted(unknown))}")
            if empty := [option for option, value in options.items() if not value and option not in _SWITCHES]:
                raise RefusedError(f"no value for {', '.join(sorted(empty))}")
            break
    else:
        forms = " or ".join(f"'{' '.join(form[0])}'" for form in _FORMS[name])
        raise RefusedError(f"found '{' '.join(words)}', expected {forms}")
    if name == "gke-gcloud-auth-plugin" and not info.get("spec", {}).get("cluster", {}).get("server"):
        raise RefusedError(f"{_INFO} names no cluster: the kubeconfig needs provideClusterInfo")


def _read(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    options: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        part = rest.pop(0)
        if not part.startswith("-"):
            words.append(part)
            continue
        option, given, value = part.partition("=")
        option = _SHORT.get(option, option)
        takes_next = not given and option not in _SWITCHES and rest and not rest[0].startswith("--")
        options[option] = rest.pop(0) if takes_next else value
    return words, options


def _note(name: str) -> None:
    """A line in the rehearsal's journal, so that it can tell that the command was really run."""
    if file := os.environ.get(_JOURNAL):
        line = {"time": round(time.time(), 3), "package": "commands", "method": "Credential", "subject": name}
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line) + "\n")


def main() -> int:
    """Answer as the command named by the first argument."""
    name, *arguments = sys.argv[1:]
    sys.stderr.write(f"stand-in for the official command {name}: see docs/rehearsal.md\n")
    try:
        info: dict[str, Any] = json.loads(os.environ.get(_INFO) or "{}")
        check(name, arguments, info)
        held: dict[str, str] = json.loads(Path(os.environ.get(TOKEN) or "/dev/null").read_text(encoding="utf-8"))
    except RefusedError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    except (OSError, ValueError):
        sys.stderr.write(f"{name}: {TOKEN} names no file with a token: this works only inside a rehearsal\n")
        return 1
    _note(name)
    status = {"token": held["token"], "expirationTimestamp": held["expires"]}
    sys.stdout.write(json.dumps({"apiVersion": _VERSION, "kind": "ExecCredential", "status": status}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
