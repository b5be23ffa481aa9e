"""Keeps something in an S3-compatible store as its pod's own identity, reads it back, and tries what must not work."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import re
import secrets
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from probe_common import asked, say

SECONDS = 20
SIZE = 1 << 20
WORDS = 120  # of an answer


@dataclass(frozen=True)
class Identity:
    """A key; with a session where it was given for a token."""

    key: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)


@dataclass(frozen=True)
class Answer:
    """What the store said; status 0 if it said nothing."""

    status: int
    said: str
    body: bytes = b""
    version: str = ""

    def told(self) -> dict[str, Any]:
        """For the result."""
        return {"status": self.status, "said": self.said}


@dataclass(frozen=True)
class Bucket:
    """A bucket, seen by somebody or by nobody."""

    plan: Mapping[str, Any] = field(repr=False)
    who: Identity | None

    def ask(self, method: str, key: str, body: bytes = b"", version: str = "") -> Answer:
        """One call."""
        host, name = str(self.plan["endpoint"]), str(self.plan["bucket"])
        path = f"/{name}/{key}" if self.plan["byPath"] else f"/{key}"
        host = host if self.plan["byPath"] else f"{name}.{host}"
        path, query = urllib.parse.quote(path), f"versionId={urllib.parse.quote(version, safe='')}" if version else ""
        headers = {"Host": host, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
        if self.who is not None:
            headers = signed(self.who, self.plan["region"], (method, path, query), headers)
        kind = http.client.HTTPConnection if self.plan["plain"] else http.client.HTTPSConnection
        connection = kind(host, timeout=SECONDS)
        try:
            connection.request(method, f"{path}?{query}" if query else path, body, headers)
            reply = connection.getresponse()
            content, stored = reply.read(), reply.headers.get("x-amz-version-id", "")
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, f"{type(error).__name__}: {error}"[:WORDS])
        finally:
            connection.close()
        found = re.search(rb"<Code>(.*?)</Code>", content)
        said = f"{reply.status} {found[1].decode() if found else reply.reason}"
        return Answer(reply.status, said[:WORDS], content, stored)


def signed(who: Identity, region: str, call: tuple[str, str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with an AWS signature, version 4."""
    now = datetime.now(UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    every = {**headers, "x-amz-date": stamp, **({"x-amz-security-token": who.session} if who.session else {})}
    plain = {name.lower(): value for name, value in every.items()}
    names, lines = ";".join(sorted(plain)), "".join(f"{name}:{plain[name]}\n" for name in sorted(plain))
    told = "\n".join([*call, lines, names, plain["x-amz-content-sha256"]])
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(told.encode()).hexdigest()])
    key = f"AWS4{who.secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    scheme = f"AWS4-HMAC-SHA256 Credential={who.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**every, "Authorization": scheme}


def identity(plan: Mapping[str, Any]) -> Identity | str:
    """The tenant's key, or what the cloud gives for the token of the pod's service account; or why there is neither."""
    if plan["keyed"]:
        return Identity(os.environ["ACCESS_KEY"], os.environ["SECRET_KEY"])
    role, file = os.environ.get("AWS_ROLE_ARN"), os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if not role or not file:
        return "the pod was given no role and no token"
    form = {
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": role,
        "RoleSessionName": "validation", "WebIdentityToken": Path(file).read_text(encoding="utf-8"),
    }  # fmt: skip
    where = os.environ.get("AWS_ENDPOINT_URL_STS", f"https://sts.{plan['region']}.amazonaws.com")
    try:
        with urllib.request.urlopen(where, urllib.parse.urlencode(form).encode(), SECONDS) as reply:  # noqa: S310 - AWS or a test
            text = reply.read().decode()
    except OSError as error:
        return f"{type(error).__name__}: {error}"[:WORDS]
    parts = [re.search(f"<{tag}>(.*?)</{tag}>", text) for tag in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    key, secret, session = (part[1] if part else "" for part in parts)
    return Identity(key, secret, session)


def main() -> None:
    """Store, read, replace, and be refused."""
    plan = asked()
    who = identity(plan)
    if isinstance(who, str):
        say({"identity": who})
        return
    bucket, key = Bucket(plan, who), f"{plan['prefix']}proof-{secrets.token_hex(8)}"
    first, second = secrets.token_bytes(SIZE), b"something else"
    put = bucket.ask("PUT", key, first)
    got = bucket.ask("GET", key)
    later = bucket.ask("PUT", key, second)
    old = bucket.ask("GET", key, version=put.version) if put.version else Answer(0, "the store gave no version")
    wrong = replace(who, secret=secrets.token_hex(20))
    result = {
        "identity": "",
        "put": put.told(),
        "get": {**got.told(), "same": got.body == first},
        "old": {**old.told(), "same": old.body == first, "newer": bucket.ask("GET", key).body == second},
        "later": later.told(),
        "nobody": {way: Bucket(plan, None).ask(way, key, first).told() for way in ("GET", "PUT")},
        "forged": Bucket(plan, wrong).ask("GET", key).told(),
        "others": {one: bucket.ask("PUT", f"{one}proof", first).told() for one in plan["others"]},
    }
    result["delete"] = bucket.ask("DELETE", key).told()
    result["gone"] = bucket.ask("GET", key).told()
    say(result)


if __name__ == "__main__":
    main()
