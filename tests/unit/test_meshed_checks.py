"""Inside of a cluster's mesh: real scripts through two real Envoys; whatever is not strict or not quick is found."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import edge
from tests.support.probe_ground import Ground, ground, target, visit
from workloads import load, runner
from workloads.backends.cluster import inside as backend
from workloads.backends.cluster.inside import Server
from workloads.backends.process import envoy, mesh
from workloads.backends.process.bench import Bench
from workloads.backends.process.mesh import Options, configured
from workloads.backends.process.processes import HOST, answers, running
from workloads.checks import meshed, offered
from workloads.jobs import probing
from workloads.outcome import NotMeasurableError, Outcome
from workloads.profile import QUICK, Load

pytestmark = pytest.mark.skipif(bool(edge.missing("envoy")), reason=edge.missing("envoy"))

SPACE, ACCOUNT = "team-a", "client"  # those of `mesh.CLIENT`
NAMES = {f"{name}.{SPACE}.svc.cluster.local": [HOST] for name in ("proof-callee", "proof-answers")}
PROFILE = dataclasses.replace(QUICK, internal=Load(requests=400, seconds=4, warm_up_seconds=0.5))
KNOWN = "through its sidecar a client reaches the server, which sees who it is"
PLAIN = ["plain HTTP to the server's pod is refused", "plain HTTP to the server's name is refused"]
ANONYMOUS = "TLS without a certificate is refused"
PATIENT = load.Rules(
    least_sent=0.0, most_lag_seconds=60, most_lag_share=1e3, most_cpu=1e3, most_held=1.0, stall_seconds=60
)
Faulty = Callable[..., Ground]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about verdicts, on machines that may be busy."""
    monkeypatch.setattr(offered, "RULES", PATIENT)
    monkeypatch.setattr(meshed, "PATIENCE", 2.0)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """Two sidecars around our own server; gives a way to set them up otherwise."""
    health: list[int] = []

    @contextmanager
    def served(bench: Bench, name: str, port: int, delay: float) -> Generator[object]:
        made = Ground(folder=tmp_path, changed={"probe_serve.py": script(delay)})
        environment = {**os.environ, "POD": "proof-callee-0", "ADDRESS": HOST, "PLAN": f'{{"port": {port}}}'}
        command = [sys.executable, str(made.place() / "probe_serve.py")]
        ready = answers(f"http://{HOST}:{port}/")
        with running(name, command, folder=bench.folder / "logs", ready=ready, env=environment) as program:
            yield program

    def sidecar(bench: Bench, name: str, admin: int, *rest: Any) -> Any:  # noqa: ANN401 - Envoy's
        health.append(admin)
        return start(bench, name, admin, *rest)

    start = envoy.envoy
    monkeypatch.setattr(envoy, "envoy", sidecar)
    monkeypatch.setattr(mesh, "echo", served)
    stack = ExitStack()

    def make(options: Options, *, carried: bool = True) -> Ground:
        bench = stack.enter_context(edge.bench(tmp_path / "bench"))
        both = stack.enter_context(configured(options)(bench))
        sidecars = both.client_port if carried else both.server_port
        made = stack.enter_context(
            ground(tmp_path, monkeypatch, names={"of": NAMES}, nodes=("node-a",), sidecars=sidecars)
        )
        monkeypatch.setattr(probing, "PORT", both.server_port)
        monkeypatch.setattr(meshed, "HEALTH_PORT", health[0])
        monkeypatch.setattr(meshed, "HEALTH_PATH", "/ready")
        server = Server(pod="proof-callee-0", node="node-a", address=HOST, sidecar=True)

        def serve(*_: object) -> tuple[Server, ...]:
            return (server,)

        monkeypatch.setattr(backend, "serve", serve)
        return made

    with stack:
        yield make


def script(delay: float) -> str:
    honest = (Path(probing.__file__).parent / "scripts" / "probe_serve.py").read_text(encoding="utf-8")
    return honest.replace("        self.send_response(200)", f"        __import__('time').sleep({delay})\n"
                                                              "        self.send_response(200)")  # fmt: skip


def judged(check: Any, made: Ground, limit: float = 5_000.0) -> tuple[Outcome, str]:  # noqa: ANN401 - a check
    tenant = {"namespace": SPACE, "gpus": 0, "serviceAccounts": {"contributor": ACCOUNT, "viewer": "viewer"}}
    stack = target(platform__tenants={SPACE: tenant}, platform__components=["istio"])
    return runner.judge(check(stack, visit(made, PROFILE, mesh__latency=limit)))


def test_a_strict_server_is_reached_by_name_and_not_otherwise(pair: Faulty) -> None:
    made = pair(Options())
    for check in (meshed.plaintext_is_refused, meshed.latency):
        outcome, reason = judged(check, made)
        assert outcome is Outcome.PASS, reason


@pytest.mark.fails("mesh.plaintext-is-refused", on="cluster")
def test_a_server_that_takes_plaintext_is_found(pair: Faulty) -> None:
    outcome, reason = judged(meshed.plaintext_is_refused, pair(Options(encrypted=False)))
    assert outcome is Outcome.FAIL
    for claim in (KNOWN, *PLAIN):
        assert f"not so: {claim}" in reason


def test_a_server_that_takes_clients_without_a_certificate_is_found(pair: Faulty) -> None:
    outcome, reason = judged(meshed.plaintext_is_refused, pair(Options(strict=False)))
    assert outcome is Outcome.FAIL
    assert f"not so: {ANONYMOUS} (status 200)" in reason
    assert f"not so: {KNOWN} (status 200, nobody)" in reason
    assert PLAIN[0] not in reason


def test_a_client_that_the_mesh_does_not_carry_is_found(pair: Faulty) -> None:
    outcome, reason = judged(meshed.plaintext_is_refused, pair(Options(), carried=False))
    assert outcome is Outcome.FAIL
    assert f"not so: {KNOWN}" in reason


def test_a_server_that_nobody_reaches_refuses_nobody(pair: Faulty) -> None:
    made = pair(Options())
    made.fenced[SPACE] = [f"{HOST}:{probing.PORT}", f"{HOST}:{meshed.HEALTH_PORT}"]
    with pytest.raises(NotMeasurableError, match="does not even reach the server's pod: TimeoutError"):
        judged(meshed.plaintext_is_refused, made)


@pytest.mark.fails("mesh.latency", on="cluster")
def test_a_slow_server_inside_of_the_mesh_is_found(pair: Faulty) -> None:
    outcome, reason = judged(meshed.latency, pair(Options(delay=0.2)), limit=100.0)
    assert outcome is Outcome.FAIL
    assert "not so: 99% of the requests of 1 KiB from node-a are answered within 100 ms" in reason


def test_requests_that_fail_are_found(pair: Faulty) -> None:
    made = pair(Options())
    made.sidecars = 1  # nobody listens there
    outcome, reason = judged(meshed.latency, made)
    assert outcome is Outcome.FAIL
    assert "not so: no request from node-a fails" in reason
