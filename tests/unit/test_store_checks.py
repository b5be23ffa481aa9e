"""The object store as a tenant's pod finds it: a store (moto) that keeps identities apart passes, others are found."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_bench import model_bench, needs
from tests.support.probe_ground import Ground, ground, target, visit
from workloads import runner
from workloads.backends.process import storage
from workloads.backends.process.processes import HOST
from workloads.backends.process.storage import Bucket
from workloads.checks import stores
from workloads.outcome import Outcome, SkippedError
from workloads.profile import QUICK

TENANT, OTHER = "check-vision", "check-nlp"
SECRET = "mlpipeline-minio-artifact"
SPACE = f"/api/v1/namespaces/{TENANT}/configmaps"
OWN = "arn:aws:s3:::artifacts/tenants/check-vision/*"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A versioned bucket in which the user has the tenant's part."""
    needs("moto")
    with pytest.MonkeyPatch.context() as patch, model_bench(tmp_path_factory.mktemp("store")) as bench:
        every = {"Effect": "Allow", "Action": ["s3:CreateBucket", "s3:PutBucketVersioning"], "Resource": "*"}
        own = {"Effect": "Allow", "Action": "s3:*", "Resource": OWN}
        # Who may list the bucket is told of a missing object that it is missing, everybody else that it is forbidden.
        listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::artifacts"}
        policy = {"Version": "2012-10-17", "Statement": [every, own, listing]}
        patch.setattr(storage, "_POLICY", json.dumps(policy))
        yield bench.use(storage.artifacts)


@pytest.fixture
def made(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    with ground(tmp_path, monkeypatch) as made:
        told(made, bucket)
        who = bucket.identity
        assert who is not None
        made.secrets = {(SECRET, "accesskey"): who.key, (SECRET, "secretkey"): who.secret}
        yield made


def told(made: Ground, bucket: Bucket, **others: Any) -> None:  # noqa: ANN401 - of the repository
    """What the platform writes for a tenant."""
    store = {
        "endpoint": bucket.endpoint.partition("://")[2], "insecure": True, "bucket": bucket.name,
        "region": storage.REGION, "keyFormat": f"tenants/{TENANT}/logs/{{{{workflow.name}}}}",
        "accessKeySecret": {"name": SECRET, "key": "accesskey"},
        "secretKeySecret": {"name": SECRET, "key": "secretkey"},
    }  # fmt: skip
    kept = {key: value for key, value in {**store, **others}.items() if value is not None}
    body = {"data": {"default-namespaced": json.dumps({"archiveLogs": True, "s3": kept})}}
    made.objects[f"{SPACE}/artifact-repositories"] = body


def judged(made: Ground) -> tuple[Outcome, str]:
    return runner.judge(stores.artifacts(target(), visit(made, QUICK)))


def test_a_store_that_keeps_tenants_apart_passes(made: Ground) -> None:
    outcome, reason = judged(made)
    assert outcome is Outcome.PASS, reason


@contextmanager
def faulty(bucket: Bucket, fault: str) -> Generator[str]:
    """A server before the store with a fault; gives its endpoint. It asks as the owner, whoever asks it."""

    class Before(BaseHTTPRequestHandler):
        def _go(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.partition("?")
            key, known = path.removeprefix(f"/{bucket.name}/"), self._known()
            if (fault != "everybody is let in" and not known) or (OTHER in key and fault != "one part for all"):
                self.send_error(403)
                return
            if self.command == "DELETE" and fault == "nothing is deleted":
                self.send_error(204)
                return
            reply = bucket.ask(self.command, key.replace(OTHER, TENANT), body, query)
            self.send_response(reply.status)
            content = reply.body[::-1] if fault == "other bytes" and reply.ok else reply.body
            self.send_header("Content-Length", str(len(content)))
            if "x-amz-version-id" in reply.headers:
                self.send_header("x-amz-version-id", reply.headers["x-amz-version-id"])
            self.end_headers()
            self.wfile.write(content)

        def _known(self) -> bool:
            """Whether the signature is the owner's: made again, of the same moment."""
            given = self.headers.get("Authorization", "")
            when = datetime.strptime(self.headers.get("x-amz-date", "20260101T000000Z"), "%Y%m%dT%H%M%SZ").replace(
                tzinfo=UTC
            )
            path, _, query = self.path.partition("?")
            headers = {name: self.headers.get(name, "") for name in ("Host", "x-amz-content-sha256")}
            call = storage.Request(service="s3", method=self.command, path=path, query=query, body=b"")
            assert bucket.identity is not None
            if self.command == "PUT":  # its body is in the digest that the headers carry
                return given != "" and bucket.identity.key in given
            return storage.signed(bucket.identity, call, headers, when)["Authorization"] == given

        do_GET = do_PUT = do_DELETE = _go  # noqa: N815 - named by the base class

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as in the base class
            """Say nothing."""

    with HTTPServer((HOST, 0), Before) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{HOST}:{server.server_port}"
        server.shutdown()


FAULTS = {
    "everybody is let in": [
        "who shows no identity reads nothing (200",
        "who signs with a wrong key reads nothing (200",
    ],
    "one part for all": [f"the tenant writes nothing below tenants/{OTHER}/logs/ (200"],
    "other bytes": ["what is stored comes back byte for byte"],
    "nothing is deleted": ["what is deleted is gone"],
}


def test_the_server_before_the_store_has_no_fault_of_its_own(made: Ground, bucket: Bucket) -> None:
    with faulty(bucket, "") as endpoint:
        told(made, bucket, endpoint=endpoint)
        outcome, reason = judged(made)
    assert outcome is Outcome.PASS, reason


@pytest.mark.fails("storage.artifacts", on="cluster")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_does_not_keep_its_word_is_found(made: Ground, bucket: Bucket, fault: str) -> None:
    with faulty(bucket, fault) as endpoint:
        told(made, bucket, endpoint=endpoint)
        outcome, reason = judged(made)
    assert outcome is Outcome.FAIL
    for said in FAULTS[fault]:
        assert f"not so: {said}" in reason


def test_a_store_without_versions_is_found(made: Ground, bucket: Bucket) -> None:
    suspended = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    enabled = suspended.replace(b"Suspended", b"Enabled")
    assert bucket.ask("PUT", body=suspended, query="versioning=").ok
    try:
        outcome, reason = judged(made)
    finally:
        assert bucket.ask("PUT", body=enabled, query="versioning=").ok
    assert outcome is Outcome.FAIL
    assert "not so: a version outlives its successor" in reason


def test_a_key_that_opens_nothing_is_found(made: Ground) -> None:
    made.secrets[SECRET, "secretkey"] = "wrong"
    outcome, reason = judged(made)
    assert outcome is Outcome.FAIL
    assert "not so: what is stored comes back byte for byte (stored: 403" in reason


def test_a_pod_without_key_is_who_its_token_says(made: Ground, bucket: Bucket, tmp_path: Path) -> None:
    """The token exchange is AWS's, whose answer is played here; the key in it is one that the store knows."""
    told(made, bucket, accessKeySecret=None, secretKeySecret=None)
    assert "the pod was given no role and no token" in judged(made)[1]
    who, seen = bucket.identity, list[bytes]()
    assert who is not None
    keys = f"<AccessKeyId>{who.key}</AccessKeyId><SecretAccessKey>{who.secret}</SecretAccessKey>"

    class Exchange(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(keys.encode())

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as in the base class
            """Say nothing."""

    (tmp_path / "token").write_text("a.b.c", encoding="utf-8")
    with HTTPServer(("127.0.0.1", 0), Exchange) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.environment = {
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{server.server_port}",
        }  # fmt: skip
        outcome, reason = judged(made)
        server.shutdown()
    assert outcome is Outcome.PASS, reason
    assert b"Action=AssumeRoleWithWebIdentity" in seen[0]
    assert b"WebIdentityToken=a.b.c" in seen[0]


def test_a_store_that_speaks_something_else_is_not_judged(made: Ground) -> None:
    body = {"data": {"default-namespaced": json.dumps({"archiveLogs": True, "gcs": {"bucket": "b"}})}}
    made.objects[f"{SPACE}/artifact-repositories"] = body
    with pytest.raises(SkippedError, match=r"a store of another kind \(gcs\)"):
        judged(made)


def test_a_bucket_is_named_in_the_host_where_the_launcher_must_do_so(made: Ground) -> None:
    seen = visit(made, QUICK)
    assert stores.by_path(seen, stores.home(target()))
    providers = json.dumps({"s3": {"default": {"forcePathStyle": False}}})
    made.objects[f"{SPACE}/kfp-launcher"] = {"data": {"providers": providers}}
    assert not stores.by_path(seen, stores.home(target()))
