"""A certificate authority for one run: server and client certificates, SPIFFE identities. Trusted by nobody else."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 90.0
_SKEW = dt.timedelta(minutes=5)  # clocks of one machine agree, those of its virtual machines may not


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A certificate and its key, each in a file."""

    chain: Path
    key: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """Signs certificates; `root` is the file with which they are verified."""

    name: str
    folder: Path
    root: Path
    _certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str, folder: Path) -> Self:
        """Make a new authority; its key is in no file."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        made = _builder(subject, subject, key, DAYS).add_extension(_CA, critical=True)
        certificate = made.add_extension(_CA_USAGE, critical=True).sign(key, hashes.SHA256())
        root = folder / f"{name}.pem"
        root.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(name=name, folder=folder, root=root, _certificate=certificate, _key=key)

    def issue(
        self, name: str, *, dns: tuple[str, ...] = (), spiffe: str | None = None, loopback: bool = False,
        days: float = DAYS,
    ) -> Certificate:  # fmt: skip
        """Sign a certificate for a server or a client: DNS names, 127.0.0.1, a SPIFFE identity, or several of them."""
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in dns]
        if loopback:
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        if spiffe is not None:
            names.append(x509.UniformResourceIdentifier(spiffe))
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_subject(name), self._certificate.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_BOTH_SIDES), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        issued = Certificate(chain=self.folder / f"{name}.pem", key=self.folder / f"{name}.key")
        issued.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return issued

    def client(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """What a client verifies servers with; with a certificate it shows one itself."""
        context = ssl.create_default_context(cafile=str(self.root))
        if certificate is not None:
            context.load_cert_chain(certificate.chain, certificate.key)
        return context


_BOTH_SIDES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_CA = x509.BasicConstraints(ca=True, path_length=0)
_CA_USAGE = x509.KeyUsage(
    digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    ends = now + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - _SKEW)
        .not_valid_after(ends)
    )
