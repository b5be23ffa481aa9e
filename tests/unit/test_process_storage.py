"""The S3-compatible store: versions, identities and signatures, and the check that looks at them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support.model_bench import judged, model_bench, needs, not_so
from workloads.backends.process import storage
from workloads.backends.process.bench import Bench
from workloads.checks import training
from workloads.outcome import Outcome


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs("kserve", "moto")
    with model_bench(tmp_path_factory.mktemp("storage")) as made:
        yield made


def test_a_signature_is_the_one_of_the_published_example() -> None:
    """The lifecycle request of "Authenticating Requests: Using the Authorization Header" in the S3 API reference."""
    who = storage.Identity(key="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    request = storage.Request(service="s3", method="GET", path="/", query="lifecycle=")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    headers = {"Host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": empty}
    signed = storage.signed(who, request, headers, datetime(2013, 5, 24, tzinfo=UTC))
    assert signed["Authorization"].endswith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")


def test_an_older_version_outlives_the_newer_one(bench: Bench) -> None:
    bucket = bench.use(storage.artifacts)
    first, second = bucket.put("some folder/a file", b"one"), bucket.put("some folder/a file", b"two")
    assert bucket.get("some folder/a file", first) == b"one"
    assert bucket.get("some folder/a file", second) == bucket.get("some folder/a file") == b"two"
    assert bucket.keys("some folder/") == ["some folder/a file"]


def test_what_is_not_there_is_an_error(bench: Bench) -> None:
    with pytest.raises(storage.StorageError, match="could not read nothing: 404"):
        bench.use(storage.artifacts).get("nothing")


def test_models_are_kept_for_their_owner_alone(bench: Bench) -> None:
    assert judged(training.artifacts, bench)[0] is Outcome.PASS


@pytest.mark.fails("storage.artifacts", on="process")
def test_a_store_that_lets_everybody_in_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = bench.use(storage.artifacts).identity
    ask = storage.Bucket.ask

    def generous(self: storage.Bucket, method: str, key: str = "", body: bytes = b"", query: str = "") -> object:
        return ask(dataclasses.replace(self, identity=owner), method, key, body, query)

    monkeypatch.setattr(storage.Bucket, "ask", generous)
    assert not_so(training.artifacts, bench) == [
        "who shows no identity reads nothing",
        "who signs with a wrong key reads nothing",
    ]


@pytest.mark.fails("storage.artifacts", on="process")
def test_a_store_without_versions_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = storage.Bucket.get

    def forgetful(self: storage.Bucket, key: str, version: str = "") -> bytes:
        return newest(self, key, "" if version else version)

    monkeypatch.setattr(storage.Bucket, "get", forgetful)
    assert "a version outlives its successor" in not_so(training.artifacts, bench)
