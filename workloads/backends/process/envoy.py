"""Envoy as a process, and the parts its settings are made of. Static settings only: it asks nobody for anything."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workloads.backends.process.bench import Bench
from workloads.backends.process.certificates import Authority, Certificate
from workloads.backends.process.processes import HOST, Program, answers, running
from workloads.outcome import SkippedError

Json = dict[str, Any]

VENV = Path(__file__).resolve().parents[3] / ".venv-envoy"
_BINARY = "lib/python*/site-packages/envoy/_bin/envoy"
_CONNECT_SECONDS = "5s"


def binary() -> Path:
    """Envoy's program, out of its environment."""
    found = next(VENV.glob(_BINARY), None)
    if found is None:
        raise SkippedError(f"needs Envoy in the environment {VENV.name}, which `make tools` brings")
    return found


@contextmanager
def envoy(
    bench: Bench, name: str, admin_port: int, listeners: Sequence[Json], clusters: Sequence[Json]
) -> Generator[Program]:
    """Run one Envoy with one worker. Its admin interface, with its metrics, is on loopback like the rest."""
    settings: Json = {
        "node": {"id": name, "cluster": name},
        "admin": {"address": address(admin_port)},
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
    }
    folder = bench.folder / "envoy"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    command = [
        binary(), "--config-path", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning",
    ]  # fmt: skip
    ready = answers(f"http://{HOST}:{admin_port}/ready")
    with running(name, command, folder=bench.folder / "logs", ready=ready) as program:
        yield program


def typed(name: str, **fields: object) -> Json:
    """A message of Envoy's API."""
    return {"@type": f"type.googleapis.com/{name}", **fields}


def address(port: int) -> Json:
    """A port of the loopback interface: no listener and no cluster here knows any other."""
    return {"socket_address": {"address": HOST, "port_value": port}}


def cluster(name: str, port: int, transport: Json | None = None) -> Json:
    """Where requests go."""
    endpoint = {"endpoint": {"address": address(port)}}
    plain: Json = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": _CONNECT_SECONDS,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return plain if transport is None else {**plain, "transport_socket": transport}


def listener(
    name: str,
    port: int,
    routes: Sequence[Json],
    *,
    transport: Json | None = None,
    filters: Sequence[Json] = (),
    headers: Sequence[Json] = (),
    **options: object,
) -> Json:
    """An HTTP listener with one virtual host for every name; `headers` are added to every answer."""
    host = {"name": name, "domains": ["*"], "routes": list(routes), "response_headers_to_add": list(headers)}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": typed("envoy.extensions.filters.http.router.v3.Router"),
    }
    manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type="AUTO",
        route_config={"name": name, "virtual_hosts": [host]},
        http_filters=[*filters, router],
        **options,
    )
    chain: Json = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if transport is not None:
        chain["transport_socket"] = transport
    return {"name": name, "address": address(port), "filter_chains": [chain]}


def to(cluster_name: str, prefix: str = "/") -> Json:
    """A route to a cluster."""
    return {"match": {"prefix": prefix}, "route": {"cluster": cluster_name, "timeout": "15s"}}


def serving(certificate: Certificate, *, oldest: str, ciphers: Sequence[str] = (), **options: object) -> Json:
    """TLS of a listener."""
    parameters = {"tls_minimum_protocol_version": oldest, "cipher_suites": list(ciphers)}
    common = {"tls_params": parameters, "tls_certificates": [_pair(certificate)], **options}
    return _tls("DownstreamTlsContext", common_tls_context=common)


def strict(certificate: Certificate, authority: Authority, client: str, *, demand: bool = True) -> Json:
    """TLS of a listener that takes one client only, known by its SPIFFE identity; or, without the demand, anybody."""
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [_pair(certificate)],
        **({"validation_context": _expecting(authority, client)} if demand else {}),
    }
    return _tls("DownstreamTlsContext", common_tls_context=common, require_client_certificate=demand)


def calling(certificate: Certificate, authority: Authority, server: str) -> Json:
    """TLS to a server that must have this SPIFFE identity."""
    common = {"tls_certificates": [_pair(certificate)], "validation_context": _expecting(authority, server)}
    return _tls("UpstreamTlsContext", common_tls_context=common)


def _expecting(authority: Authority, identity: str) -> Json:
    names = [{"san_type": "URI", "matcher": {"exact": identity}}]
    return {"trusted_ca": {"filename": str(authority.root)}, "match_typed_subject_alt_names": names}


def _pair(certificate: Certificate) -> Json:
    return {
        "certificate_chain": {"filename": str(certificate.chain)},
        "private_key": {"filename": str(certificate.key)},
    }


def _tls(kind: str, **fields: object) -> Json:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(f"envoy.extensions.transport_sockets.tls.v3.{kind}", **fields),
    }
