"""The resources of package `tls`: real keys and certificates, as the official plugin makes them.

KUBEFLOW_PROOF_REHEARSAL_PKI may name a folder with `ca.crt` and `ca.key` of a real API server. A program that makes
the authority of its own cluster (a self-signed certificate of that name) then gets this one, and what it lets that
authority sign is signed with this key: so its kubeconfig opens the real API server.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rehearsal.cloud_provider.wire import Object

PKI = "KUBEFLOW_PROOF_REHEARSAL_PKI"
CLUSTER_AUTHORITIES = frozenset({"kubernetes", "kubernetes-ca"})  # common names that kubeadm and its documents use

_CURVES = {"P224": ec.SECP224R1, "P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1}
_EXTENDED = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
}
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "cert_signing", "crl_signing", "encipher_only", "decipher_only",
)  # fmt: skip
_SUBJECT = {
    "commonName": NameOID.COMMON_NAME,
    "country": NameOID.COUNTRY_NAME,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
_PEM, _RAW = serialization.Encoding.PEM, serialization.NoEncryption()


def _make_key(inputs: Object) -> Any:
    match inputs["algorithm"]:
        case "RSA":
            return rsa.generate_private_key(65537, int(inputs.get("rsaBits") or 2048))
        case "ECDSA":
            return ec.generate_private_key(_CURVES[inputs.get("ecdsaCurve") or "P224"]())
        case "ED25519":
            return ed25519.Ed25519PrivateKey.generate()
        case other:
            raise ValueError(f"algorithm: {other!r} is none of RSA, ECDSA, ED25519")


def _private_key(inputs: Object) -> tuple[str, Object]:
    key = _make_key(inputs)
    own = serialization.PrivateFormat.TraditionalOpenSSL
    pkcs8 = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _RAW).decode()
    pem = pkcs8 if inputs["algorithm"] == "ED25519" else key.private_bytes(_PEM, own, _RAW).decode()
    public = key.public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    outputs: Object = {
        **inputs,
        "ecdsaCurve": inputs.get("ecdsaCurve") or "P224",
        "rsaBits": int(inputs.get("rsaBits") or 2048),
        "privateKeyPem": pem,
        "privateKeyPemPkcs8": pkcs8,
        "publicKeyPem": public.public_bytes(_PEM, info).decode(),
        "privateKeyOpenssh": "",
        "publicKeyOpenssh": "",
        "publicKeyFingerprintMd5": "",
        "publicKeyFingerprintSha256": "",
    }
    if outputs["ecdsaCurve"] != "P224" or inputs["algorithm"] != "ECDSA":  # OpenSSH does not know P224
        private = key.private_bytes(_PEM, serialization.PrivateFormat.OpenSSH, _RAW).decode()
        text = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
        outputs |= {"privateKeyOpenssh": private, "publicKeyOpenssh": f"{text}\n"}
    der = public.public_bytes(serialization.Encoding.DER, info)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest(), outputs


def _load_key(pem: str) -> Any:
    return serialization.load_pem_private_key(pem.encode(), None)


def _algorithm(key: Any) -> str:
    return {"RSA": "RSA", "Ed2": "ED25519"}.get(type(key).__name__.lstrip("_")[:3], "ECDSA")


def _digest(key: Any) -> Any:
    return None if _algorithm(key) == "ED25519" else hashes.SHA256()


def _name(subject: Object | None) -> x509.Name:
    given = subject or {}
    return x509.Name([x509.NameAttribute(oid, given[name]) for name, oid in _SUBJECT.items() if given.get(name)])


def _alternatives(inputs: Object) -> x509.SubjectAlternativeName | None:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or ()]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in inputs.get("ipAddresses") or ()]
    names += [x509.UniformResourceIdentifier(text) for text in inputs.get("uris") or ()]
    return x509.SubjectAlternativeName(names) if names else None


def _request(inputs: Object) -> tuple[str, Object]:
    key = _load_key(inputs["privateKeyPem"])
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(inputs.get("subject")))
    if alternatives := _alternatives(inputs):
        builder = builder.add_extension(alternatives, critical=False)
    pem = builder.sign(key, _digest(key)).public_bytes(_PEM).decode()
    identity = hashlib.sha1(pem.encode(), usedforsecurity=False).hexdigest()
    return identity, {**inputs, "certRequestPem": pem, "keyAlgorithm": _algorithm(key)}


def _usage(uses: Iterable[str]) -> tuple[x509.KeyUsage | None, x509.ExtendedKeyUsage | None]:
    wanted = set(uses)
    if unknown := wanted - set(_USAGES) - _EXTENDED.keys():
        raise ValueError(f"allowedUses: {', '.join(sorted(unknown))}; known: {', '.join((*_USAGES, *_EXTENDED))}")
    flags = {name: name in wanted for name in _USAGES}
    flags["key_cert_sign"], flags["crl_sign"] = flags.pop("cert_signing"), flags.pop("crl_signing")
    extended = [oid for name, oid in _EXTENDED.items() if name in wanted]
    return (
        x509.KeyUsage(**flags) if any(flags.values()) else None,
        x509.ExtendedKeyUsage(extended) if extended else None,
    )


def _sign(
    inputs: Object,
    public: Any,
    alternatives: x509.SubjectAlternativeName | None,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
) -> tuple[str, Object]:
    """A certificate for a public key, signed with a private one."""
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0)
    end = begin + dt.timedelta(hours=int(inputs["validityPeriodHours"]))
    is_authority, serial = bool(inputs.get("isCaCertificate")), x509.random_serial_number()
    builder = (
        x509.CertificateBuilder(issuer, subject, public, serial, begin, end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if is_authority or inputs.get("setSubjectKeyId"):
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    usage, extended = _usage(inputs["allowedUses"])
    if usage:
        builder = builder.add_extension(usage, critical=True)
    if extended:
        builder = builder.add_extension(extended, critical=False)
    if alternatives:
        builder = builder.add_extension(alternatives, critical=False)
    pem = builder.sign(key, _digest(key)).public_bytes(_PEM).decode()
    return str(serial), inputs | _dates(begin, end) | {"certPem": pem}


def _dates(begin: dt.datetime, end: dt.datetime) -> Object:
    return {
        "validityStartTime": begin.isoformat(),
        "validityEndTime": end.isoformat(),
        "readyForRenewal": False,
        "earlyRenewalHours": 0,
        "maxPathLength": -1,
    }


def _real_authority() -> tuple[x509.Certificate, Any] | None:
    folder = os.environ.get(PKI)
    if not folder:
        return None
    certificate = x509.load_pem_x509_certificate(Path(folder, "ca.crt").read_bytes())
    return certificate, _load_key(Path(folder, "ca.key").read_text(encoding="ascii"))


def _self_signed(inputs: Object) -> tuple[str, Object]:
    key = _load_key(inputs["privateKeyPem"])
    subject = _name(inputs.get("subject"))
    named: Object = inputs.get("subject") or {}
    real = _real_authority()
    if real and inputs.get("isCaCertificate") and named.get("commonName") in CLUSTER_AUTHORITIES:
        dates = _dates(real[0].not_valid_before_utc, real[0].not_valid_after_utc)
        made = {**inputs, **dates, "certPem": real[0].public_bytes(_PEM).decode(), "keyAlgorithm": _algorithm(real[1])}
        return str(real[0].serial_number), made
    identity, outputs = _sign(inputs, key.public_key(), _alternatives(inputs), subject=subject, issuer=subject, key=key)
    return identity, {**outputs, "keyAlgorithm": _algorithm(key)}


def _locally_signed(inputs: Object) -> tuple[str, Object]:
    request = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
    authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
    key, real = _load_key(inputs["caPrivateKeyPem"]), _real_authority()
    if real and real[0] == authority:
        key = real[1]
    try:
        alternatives = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        alternatives = None
    identity, outputs = _sign(
        inputs, request.public_key(), alternatives, subject=request.subject, issuer=authority.subject, key=key
    )
    return identity, {**outputs, "caKeyAlgorithm": _algorithm(key)}


MAKERS = {
    "tls:index/privateKey:PrivateKey": _private_key,
    "tls:index/certRequest:CertRequest": _request,
    "tls:index/selfSignedCert:SelfSignedCert": _self_signed,
    "tls:index/locallySignedCert:LocallySignedCert": _locally_signed,
}
