"""The environment variables under which the engine works in this checkout. Keeps what the user has set up elsewhere."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from tools import standins
from tools.places import Places, ToolsError

# The local stack only. By default the engine rewrites the whole state after every step, which makes a first `up` take
# eight times as long. Without these checkpoints a crash loses the record of that run, which is why no other stack gets
# them: the local cluster can always be made again, and the next `up` takes over the objects it finds.
# Compressed, the state of the whole platform takes a tenth of the room.
LOCAL_ONLY = {
    "PULUMI_SKIP_CHECKPOINTS": "true",
    "PULUMI_EXPERIMENTAL": "true",
    "PULUMI_DIY_BACKEND_GZIP": "true",
}

# Waves of objects that wait for their pods would occupy the few slots that the engine takes by default.
_PARALLEL = "64"


def variables(places: Places, *, local: bool) -> dict[str, str | None]:
    """What to set; None means unset. `local`: for the local stack, whose state stays in this checkout in any case."""
    result: dict[str, str | None] = {
        "PATH": _path(places),
        "PULUMI_HOME": str(places.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_PARALLEL": os.environ.get("PULUMI_PARALLEL", _PARALLEL),
    }
    if standins.in_use(places):
        result["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if local or not _backend_elsewhere(places):
        result["PULUMI_BACKEND_URL"] = backend(places)
        result["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase(places))
        result["PULUMI_CONFIG_PASSPHRASE"] = None  # it would win over the file
    elif "PULUMI_BACKEND_URL" not in os.environ:
        result["PULUMI_CREDENTIALS_PATH"] = str(_user_home())  # the engine looks for them in PULUMI_HOME otherwise
    return result | (LOCAL_ONLY if local else {})


def merged(places: Places, *, local: bool) -> dict[str, str]:
    """The variables on top of those of this process, as a program is started with."""
    return {name: value for name, value in (os.environ | variables(places, local=local)).items() if value is not None}


def shell(settings: Mapping[str, str | None]) -> str:
    """Lines for `eval` in a shell."""
    lines = [
        f"export {name}={shlex.quote(value)}" if value is not None else f"unset {name}"
        for name, value in settings.items()
    ]
    return "\n".join(lines)


def backend(places: Places) -> str:
    """The address of the file backend of this checkout. A space has to be percent-encoded, the engine decodes it."""
    return f"file://{quote(str(places.state))}"


def ours(places: Places) -> bool:
    """Whether stacks are kept in this checkout."""
    return not _backend_elsewhere(places)


def _backend_elsewhere(places: Places) -> bool:
    """Whether the user has chosen a backend, by variable or by `pulumi login`."""
    if chosen := os.environ.get("PULUMI_BACKEND_URL"):
        return chosen != backend(places)
    try:
        credentials = json.loads((_user_home() / "credentials.json").read_text(encoding="utf-8"))
        return bool(credentials.get("current"))
    except (OSError, ValueError, AttributeError):
        return False


def _user_home() -> Path:
    """Where the user's `pulumi login` is kept."""
    return Path(os.environ.get("PULUMI_CREDENTIALS_PATH") or Path.home() / ".pulumi")


def _path(places: Places) -> str:
    own = [str(places.bin), str(places.venv / "bin")]
    rest = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part not in own]
    return os.pathsep.join([*own, *rest])


def _passphrase(places: Places) -> Path:
    """Make the passphrase once. Never anew while there is state: its secrets could not be read any more."""
    file = places.passphrase
    if file.exists():
        return file
    kept = sorted((places.state / ".pulumi" / "stacks").glob("**/*.json"))
    if kept:
        raise ToolsError(
            f"{file} is gone, but {places.state} holds stacks whose secrets are encrypted with it "
            f"({', '.join(sorted({one.stem for one in kept}))}). Either\n"
            f"  put the file back from a copy, or\n"
            f"  if only the local stack is concerned, throw it away: {_throw_away(places)}"
        )
    places.state.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as opened:
            opened.write(secrets.token_urlsafe(32))
        os.link(draft, file)  # unlike a rename it refuses to replace what another process has just made
    except FileExistsError:
        return file
    finally:
        draft.unlink(missing_ok=True)
    return file


def _throw_away(places: Places) -> str:
    return f"make cluster-down, then: {shlex.join(['rm', '-rf', str(places.state)])}"
