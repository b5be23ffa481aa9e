"""An S3-compatible server (moto) with a versioned bucket and one user who may use it; and the client for it.

The server checks signatures and policies: who sends none, or a wrong one, is refused as in the cloud. It keeps all data
in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workloads.backends.process import processes, python, web
from workloads.backends.process.bench import Bench

REGION = "us-east-1"
BUCKET = "artifacts"
_SETUP_CALLS = 3  # user, policy, key: moto lets this many pass before anybody has an identity
_POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", '
    f'"Resource": ["arn:aws:s3:::{BUCKET}", "arn:aws:s3:::{BUCKET}/*"]}}]}}'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One call of an API that wants signatures. `query` is sorted and encoded already."""

    service: str
    method: str
    path: str
    query: str = ""
    body: bytes = b""


class StorageError(Exception):
    """The server refused what it was asked to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """An access key."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """One bucket, seen by somebody: with an identity, or with none at all."""

    endpoint: str
    name: str
    identity: Identity | None

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which the usual clients find and may use it."""
        who = self.identity or Identity(key="", secret="")
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": who.key,
            "AWS_SECRET_ACCESS_KEY": who.secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def ask(self, method: str, key: str = "", body: bytes = b"", query: str = "") -> web.Reply:
        """One call, signed if there is an identity."""
        path = "/" + urllib.parse.quote(f"{self.name}/{key}".rstrip("/"))
        request = Request(service="s3", method=method, path=path, query=query, body=body)
        return _ask(self.endpoint, self.identity, request)

    def put(self, key: str, body: bytes) -> str:
        """Store something; the version that it got."""
        return _fine(self.ask("PUT", key, body), f"store {key}").headers["x-amz-version-id"]

    def get(self, key: str, version: str = "") -> bytes:
        """Read something, in its newest version unless told."""
        query = f"versionId={urllib.parse.quote(version, safe='')}" if version else ""
        return _fine(self.ask("GET", key, query=query), f"read {key}").body

    def keys(self, prefix: str) -> list[str]:
        """Names that begin so."""
        listed = self.ask("GET", query=f"list-type=2&prefix={urllib.parse.quote(prefix, safe='')}")
        return re.findall("<Key>(.*?)</Key>", _fine(listed, f"list {prefix}").body.decode("utf-8"))


@contextmanager
def artifacts(bench: Bench) -> Generator[Bucket]:
    """The bucket of models and of what MLflow keeps, seen by the user who may use it."""
    python.require("moto")
    port = processes.free_port()
    endpoint = f"http://{processes.HOST}:{port}"
    with processes.running(
        "storage", [python.PYTHON, "-m", "moto.server", "-H", processes.HOST, "-p", str(port)],
        folder=bench.folder / "logs", ready=processes.answers(f"{endpoint}/moto-api/"), within=120,
        env=python.ENVIRONMENT | {"INITIAL_NO_AUTH_ACTION_COUNT": str(_SETUP_CALLS)},
    ):  # fmt: skip
        bucket = Bucket(endpoint=endpoint, name=BUCKET, identity=_user(endpoint))
        _fine(bucket.ask("PUT"), "create the bucket")
        enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        _fine(bucket.ask("PUT", body=enabled, query="versioning="), "turn versions on")
        yield bucket


def _user(endpoint: str) -> Identity:
    nobody = Identity(key="setup", secret="setup")  # noqa: S106 - the server knows no identities yet
    made = web.Reply(status=0, headers={}, body=b"")
    for action, more in (
        ("CreateUser", {}),
        ("PutUserPolicy", {"PolicyName": "artifacts", "PolicyDocument": _POLICY}),
        ("CreateAccessKey", {}),
    ):
        form = {"Action": action, "Version": "2010-05-08", "UserName": "validation", **more}
        body = urllib.parse.urlencode(form).encode("ascii")
        request = Request(service="iam", method="POST", path="/", body=body)
        made = _fine(_ask(endpoint, nobody, request), action)
    text = made.body.decode("utf-8")
    return Identity(key=_between(text, "AccessKeyId"), secret=_between(text, "SecretAccessKey"))


def _between(text: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", text)
    if found is None:
        raise StorageError(f"no {tag} in {text}")
    return found.group(1)


def _fine(reply: web.Reply, said: str) -> web.Reply:
    if not reply.ok:
        raise StorageError(f"could not {said}: {reply}")
    return reply


def _ask(endpoint: str, who: Identity | None, request: Request) -> web.Reply:
    form = request.service == "iam"
    headers = {
        "Host": urllib.parse.urlsplit(endpoint).netloc,
        "x-amz-content-sha256": hashlib.sha256(request.body).hexdigest(),
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" if form else "application/octet-stream",
    }
    if who is not None:
        headers = signed(who, request, headers, datetime.now(tz=UTC))
    url = f"{endpoint}{request.path}" + (f"?{request.query}" if request.query else "")
    return web.call(url, method=request.method, body=request.body or None, headers=headers)


def signed(who: Identity, request: Request, headers: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The headers with an AWS signature, version 4."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    every = {**headers, "x-amz-date": stamp}
    plain = {name.lower(): value.strip() for name, value in every.items()}
    names = ";".join(sorted(plain))
    lines = "".join(f"{name}:{plain[name]}\n" for name in sorted(plain))
    told = "\n".join(
        [request.method, request.path, request.query, lines, names, hashlib.sha256(request.body).hexdigest()]
    )
    scope = f"{day}/{REGION}/{request.service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(told.encode("utf-8")).hexdigest()])
    key = f"AWS4{who.secret}".encode()
    for part in (day, REGION, request.service, "aws4_request"):
        key = hmac.new(key, part.encode("utf-8"), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode("utf-8"), hashlib.sha256).hexdigest()
    scheme = f"AWS4-HMAC-SHA256 Credential={who.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**every, "Authorization": scheme}
