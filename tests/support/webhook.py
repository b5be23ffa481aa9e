"""A real admission webhook for tests: an HTTPS server on the ClusterIP of its own Service, which is on the loopback."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.cluster import Api, Object

PORT = 9443


class Webhook:
    """Answers every admission review the same way, and remembers of each whether it was a dry run."""

    def __init__(self, api: Api, namespace: str, service: str) -> None:
        self.host = f"{service}.{namespace}.svc"
        spec = {"ports": [{"port": PORT}], "selector": {"app": service}}
        body: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service}, "spec": spec}
        made: Any = api.call("POST", f"/api/v1/namespaces/{namespace}/services", body)
        self._address: str = made["spec"]["clusterIP"]
        self.allows = True
        self.dry_runs: list[bool] = []
        self.ca, self._pair = certificate(self.host)
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self._pair)
            file.flush()
            tls.load_cert_chain(file.name)
        self._server = ThreadingHTTPServer((self._address, PORT), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening, if it does."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            """One admission review."""

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.dry_runs.append(review["request"]["dryRun"])
                answer = {"uid": review["request"]["uid"], "allowed": webhook.allows}
                text = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
                """Write nothing between the lines of a test."""

        return Handler


def certificate(host: str) -> tuple[str, bytes]:
    """A self-signed certificate as a caBundle, and with its key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook of a test")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return base64.b64encode(pem).decode(), pem + private
