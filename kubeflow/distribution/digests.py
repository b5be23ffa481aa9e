"""The digests of upstream's images: read from a committed file, asked once from registries. Pulls no image.

Tags can be moved by whoever owns the registry; a digest names the bytes. Anonymous access only.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from .lock import FOLDER
from .references import parse, qualified

_KINDS = (  # of what a tag may name; an index names the images of all architectures
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_API_HOSTS = {"docker.io": "registry-1.docker.io"}  # where a registry's interface is not at its name
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BUSY = (429, 502, 503, 504)
_PAUSES = (1.0, 4.0, 15.0)  # seconds before the next tries
_SECONDS = 30.0


class DigestError(Exception):
    """An image whose digest its registry does not tell, or a file that holds something else than digests."""


def path_of(release: str, folder: Path = FOLDER) -> Path:
    """The committed file of a release."""
    return folder / f"{release}.digests.json"


def read(release: str, folder: Path = FOLDER) -> Mapping[str, str]:
    """Image, as upstream names it -> digest. Empty where the file is absent."""
    path = path_of(release, folder)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DigestError(f"{path.name} is damaged: {error}") from error
    digests: dict[str, str] = content.get("digests", {})
    wrong = [image for image, digest in digests.items() if not _DIGEST.fullmatch(digest)]
    if wrong:
        raise DigestError(
            f"{path.name} has no digest of the form sha256:<64 hexadecimal digits> for {', '.join(wrong)}"
        )
    return digests


def update(
    release: str,
    images: Iterable[str],
    *,
    report: Callable[[str], None],
    folder: Path = FOLDER,
    refresh: bool = False,
) -> list[str]:
    """Ask for what the file lacks, or for all; write each answer at once. Returns what could not be had."""
    wanted = [image for image in sorted(set(images)) if not parse(image).digest]
    known = dict(read(release, folder))
    registries = Registries()
    failed: list[str] = []
    for image in wanted:
        if image in known and not refresh:
            continue
        try:
            known[image] = registries.digest(image)
        except DigestError as error:
            failed.append(image)
            report(f"{image}: {error}")
            continue
        report(f"{image}: {known[image]}")
        _write(path_of(release, folder), release, known)
    return failed


def _write(path: Path, release: str, digests: Mapping[str, str]) -> None:
    content = {"release": release, "digests": dict(sorted(digests.items()))}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


class Answer(NamedTuple):
    """What a registry says."""

    status: int
    headers: Message
    content: bytes


class Registries:
    """Registries as an anonymous reader; a token for each repository is asked for once."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    def digest(self, image: str) -> str:
        """The digest that a tag names now; without a tag, that of `latest`."""
        reference = parse(image)
        host, _, repository = qualified(reference.name).partition("/")
        scheme = "http" if host.partition(":")[0] == "localhost" else "https"
        path = f"{scheme}://{_API_HOSTS.get(host, host)}/v2/{repository}/manifests/{reference.tag or 'latest'}"
        found = self._get("HEAD", path, f"{host}/{repository}").headers.get("Docker-Content-Digest", "")
        if not found:  # not every registry sends the header: the digest is the manifest's own
            found = f"sha256:{hashlib.sha256(self._get('GET', path, f'{host}/{repository}').content).hexdigest()}"
        if not _DIGEST.fullmatch(found):
            raise DigestError(f"the registry answers with the digest {found[:80]!r}, which is no SHA-256")
        return found

    def _get(self, method: str, path: str, repository: str) -> Answer:
        answer = _ask(method, path, self._tokens.get(repository, ""))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._tokens[repository] = _token(answer.headers.get("WWW-Authenticate", ""))
            answer = _ask(method, path, self._tokens[repository])
        if answer.status != HTTPStatus.OK:
            raise DigestError(f"the registry answers {answer.status} to {method} {path}")
        return answer


def _token(challenge: str) -> str:
    """What a registry hands out to everybody who asks at the address that it names."""
    kind, _, rest = challenge.partition(" ")
    parameters = dict(_PARAMETER.findall(rest))
    realm = parameters.get("realm", "")
    if kind.lower() != "bearer" or not realm.startswith(("https://", "http://localhost:")):
        raise DigestError(f"the registry wants a login of the kind {kind or 'that it does not name'!r} at {realm!r}")
    query = urlencode({name: parameters[name] for name in ("service", "scope") if name in parameters})
    answer = _ask("GET", f"{realm}?{query}" if query else realm)
    try:
        content: dict[str, Any] = json.loads(answer.content)
    except ValueError:
        content = {}
    token = str(content.get("token") or content.get("access_token") or "")
    if not token:
        raise DigestError(f"{realm} answers {answer.status} and no token: the image is not public")
    return token


def _ask(method: str, address: str, token: str = "") -> Answer:
    """One request; a registry that is busy is asked again, later each time."""
    headers = {"Accept": ", ".join(_KINDS)} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = Request(address, headers=headers, method=method)  # noqa: S310 - https, or this machine
    for pause in (*_PAUSES, None):
        try:
            with urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310 - https, or this machine
                return Answer(reply.status, reply.headers, reply.read())
        except HTTPError as error:
            with error:
                if pause is None or error.code not in _BUSY:
                    return Answer(error.code, error.headers, error.read())
        except OSError as error:
            if pause is None:
                raise DigestError(f"no answer to {method} {address}: {error}") from error
        time.sleep(pause)
    raise AssertionError("the last try returns or raises")
