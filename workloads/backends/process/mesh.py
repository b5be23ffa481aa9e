"""Two Envoys as the sidecars of two pods: plain HTTP at both ends, mutual TLS with SPIFFE identities between them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from workloads.backends.process import envoy
from workloads.backends.process.bench import Bench
from workloads.backends.process.certificates import Authority
from workloads.backends.process.echo import echo
from workloads.backends.process.processes import HOST, free_ports

CLIENT = "spiffe://proof.test/ns/team-a/sa/client"
SERVER = "spiffe://proof.test/ns/team-a/sa/server"
STRANGER = "spiffe://proof.test/ns/team-b/sa/client"
PLACE = "two Envoys on this machine: mutual TLS is real, there is no network between them and no second node"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How it is set up. The defaults are what the platform promises; anything else is there to be found out."""

    strict: bool = True  # the server's sidecar takes only its client, over mutual TLS
    encrypted: bool = True  # at all
    server: str = SERVER  # the identity that the server's certificate gives
    delay: float = 0.0  # of the server


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """The pair: what the client calls, and the port of the server's sidecar that only the client may reach."""

    client_port: int
    server_port: int
    authority: Authority

    @property
    def url(self) -> str:
        """What the client's own sidecar takes, in plain HTTP as from a container of the same pod."""
        return f"http://{HOST}:{self.client_port}"


@contextmanager
def mesh(bench: Bench) -> Generator[Mesh]:
    """The pair as the platform promises it."""
    with configured(Options())(bench) as made:
        yield made


def configured(options: Options) -> Callable[[Bench], AbstractContextManager[Mesh]]:
    """A pair that is set up otherwise."""

    @contextmanager
    def start(bench: Bench) -> Generator[Mesh]:
        envoy.binary()
        client, server, behind, *admin = free_ports(5)
        authority = Authority.make("mesh-authority", bench.folder / "certificates")
        ours = authority.issue("mesh-client", spiffe=CLIENT)
        theirs = authority.issue("mesh-server", spiffe=options.server)
        upstream = envoy.calling(ours, authority, SERVER) if options.encrypted else None
        downstream = envoy.strict(theirs, authority, CLIENT, demand=options.strict) if options.encrypted else None
        inbound = envoy.listener(
            "inbound", server, [envoy.to("server")], transport=downstream,
            forward_client_cert_details="SANITIZE_SET", set_current_client_cert_details={"uri": True},
        )  # fmt: skip
        outbound = envoy.listener("outbound", client, [envoy.to("peer")])
        with (
            echo(bench, "server", behind, options.delay),
            envoy.envoy(bench, "server-sidecar", admin[0], [inbound], [envoy.cluster("server", behind)]),
            envoy.envoy(bench, "client-sidecar", admin[1], [outbound], [envoy.cluster("peer", server, upstream)]),
        ):
            yield Mesh(client_port=client, server_port=server, authority=authority)

    return start
