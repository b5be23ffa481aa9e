"""Programs of the process backend: they are waited for, explained when they fail, and never left behind."""

import signal
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from workloads.backends.process import processes
from workloads.backends.process.certificates import Authority, Certificate
from workloads.backends.process.processes import SoftwareError, free_port, free_ports, listens, running, wait_until

ROOT = Path(__file__).resolve().parents[2]
STUBBORN = """
import signal, socket, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
same = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(99)"
child = subprocess.Popen([sys.executable, "-c", same])
print("child", child.pid, flush=True)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(99)
"""
SERVER = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(99)"


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", script, *map(str, arguments)]


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_program_is_ready_when_the_context_begins_and_gone_when_it_ends(tmp_path: Path) -> None:
    port = free_port()
    with running("server", python(SERVER, port), folder=tmp_path, ready=listens(port)) as program:
        assert listens(port)()
    assert gone(program.pid)
    with pytest.raises(ConnectionRefusedError):
        listens(port)()


def test_a_program_that_ignores_requests_to_end_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 0.1)
    port = free_port()
    with running("stubborn", python(STUBBORN, port), folder=tmp_path, ready=listens(port)) as program:
        child = int(program.log.read_text(encoding="utf-8").split()[1])
        assert not gone(child)
    assert gone(program.pid)
    assert wait_until(lambda: gone(child), 5)


def test_a_program_that_dies_is_explained_by_the_end_of_its_log(tmp_path: Path) -> None:
    script = "print('the reason'); raise SystemExit(3)"
    with (
        pytest.raises(SoftwareError, match=r"(?s)broken ended with exit code 3:.*the reason"),
        running("broken", python(script), folder=tmp_path, ready=lambda: False),
    ):
        raise AssertionError


def test_a_program_that_never_gets_ready_is_told_and_ended(tmp_path: Path) -> None:
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(99)"
    with (
        pytest.raises(SoftwareError, match=r"slow is not ready after 1 s:\s+\d+") as raised,
        running("slow", python(script), folder=tmp_path, ready=lambda: False, within=1),
    ):
        raise AssertionError
    assert gone(int(str(raised.value).split()[-1]))


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(SoftwareError, match="absent cannot be started"),
        running("absent", [tmp_path / "absent"], folder=tmp_path, ready=lambda: True),
    ):
        raise AssertionError


def test_a_program_does_not_outlive_a_run_that_was_killed(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from workloads.backends.process.processes import running
        with running("orphan", ["sleep", "99"], folder=Path(sys.argv[1]), ready=lambda: True) as program:
            print(program.pid, flush=True)
            time.sleep(99)
    """)
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(python(script, tmp_path), cwd=root, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        pid = int(runner.stdout.readline())
        assert not gone(pid)
        runner.kill()
    assert wait_until(lambda: gone(pid), 10)


def test_no_proxy_of_the_user_stands_between_two_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:1")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    script = "import os, time; print([k for k in os.environ if 'proxy' in k.lower()], flush=True); time.sleep(99)"
    log = tmp_path / "plain.log"
    with running("plain", python(script), folder=tmp_path, ready=lambda: b"]" in log.read_bytes()):
        assert log.read_text(encoding="utf-8") == "[]\n"


def test_ports_are_given_out_once() -> None:
    ports = [*free_ports(50), *free_ports(50)]
    assert len(set(ports)) == 100


def test_a_port_that_one_process_was_given_is_not_given_to_another() -> None:
    port = free_port()
    program = f"""
from workloads.backends.process import processes
processes._PORTS = range({port}, {port + 1})
try:
    print("given", processes.free_port())
except processes.SoftwareError as error:
    print(error)
"""
    other = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == f"no 1 free ports between {port} and {port + 1}"


def test_a_condition_that_is_never_met_ends_at_the_deadline() -> None:
    assert not wait_until(lambda: False, 0.1)


def test_a_certificate_is_trusted_by_its_own_authority_only(tmp_path: Path) -> None:
    ours, theirs = Authority.make("ours", tmp_path), Authority.make("theirs", tmp_path)
    server = ours.issue("server", dns=("gateway.test",), loopback=True, spiffe="spiffe://run/ns/a/sa/b")
    assert server.key.stat().st_mode & 0o077 == 0
    assert handshake(server, ours.client()) == ""
    assert "unable to get local issuer certificate" in handshake(server, theirs.client())
    expired = ours.issue("expired", loopback=True, days=-1)
    assert "certificate has expired" in handshake(expired, ours.client())


def handshake(certificate: Certificate, client: ssl.SSLContext) -> str:
    """What a client says about a server's certificate; empty if it accepts it. Both in memory, without a network."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.chain, certificate.key)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(down, up, server_hostname="127.0.0.1")
    answering = server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error)
    return ""


def test_the_signal_that_ends_a_program_first_is_the_polite_one(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time; signal.signal(15, lambda *_: (print('polite', flush=True), sys.exit()))\n"
        "print('up', flush=True); time.sleep(99)"
    )
    log = tmp_path / "tidy.log"
    with running("tidy", python(script), folder=tmp_path, ready=lambda: b"up" in log.read_bytes()) as program:
        pass
    assert log.read_text(encoding="utf-8").split() == ["up", "polite"]
    assert program.process.returncode != -signal.SIGKILL
