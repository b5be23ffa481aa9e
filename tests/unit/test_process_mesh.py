"""Inside the mesh: the checks pass for a strict pair, and fail for each way in which it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import edge
from workloads import runner
from workloads.backends.process import mesh
from workloads.backends.process.mesh import Options, configured
from workloads.checks import encryption, offered
from workloads.outcome import Outcome

pytestmark = pytest.mark.skipif(bool(edge.missing("envoy")), reason=edge.missing("envoy"))

IDENTITY = "through its sidecar the client reaches the server, which sees who it is"
DIRECT = "the same certificate opens the port without the sidecar"
REFUSED = [
    "TLS without a certificate is refused",
    "the right name from another authority is refused",
    "another name from the right authority is refused",
]
PLAIN = "plain HTTP to the strict port is refused"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered, "measure", edge.measure)


def faulty(options: Options) -> dict[object, object]:
    return {mesh.mesh: configured(options)}


def test_a_strict_pair_passes_every_check(tmp_path: Path) -> None:
    with edge.bench(tmp_path) as bench:
        for check in (encryption.mutual, encryption.latency):
            outcome, reason = runner.judge(check(bench))
            assert outcome is Outcome.PASS, reason


@pytest.mark.fails("mesh.plaintext-is-refused", on="process")
def test_a_port_that_accepts_plaintext_is_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(encrypted=False))) as bench:
        broken = edge.broken(encryption.mutual(bench))
    assert PLAIN in broken
    assert IDENTITY in broken


@pytest.mark.fails("mesh.plaintext-is-refused", on="process")
def test_a_port_that_accepts_any_client_is_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(strict=False))) as bench:
        assert edge.broken(encryption.mutual(bench)) == [IDENTITY, *REFUSED]


def test_a_server_with_another_identity_is_not_taken_for_the_right_one(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(server=mesh.STRANGER))) as bench:
        assert edge.broken(encryption.mutual(bench)) == [IDENTITY]


def test_a_pair_that_is_not_there_refuses_nobody(tmp_path: Path) -> None:
    """That nothing answers must not be read as a refusal."""
    with edge.bench(tmp_path) as bench:
        with configured(Options())(bench) as pair:
            pass
        answer = encryption.ask(pair.server_port, None, "")
    assert answer.status is None
    assert not encryption.closed(answer)


@pytest.mark.fails("mesh.latency", on="process")
def test_a_slow_server_inside_the_mesh_is_found(tmp_path: Path) -> None:
    with edge.bench(tmp_path, faulty(Options(delay=0.3)), {"mesh.latency": 100.0}) as bench:
        outcome, reason = runner.judge(encryption.latency(bench))
    assert outcome is Outcome.FAIL
    assert "p99 latency" in reason
