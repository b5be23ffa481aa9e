"""Package `tls`: every change makes a new key or certificate, real ones where possible (`real_tls.py`)."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import Table

_CERTIFICATES = [
    {
        "certPem": "${ca_pem}",
        "isCa": True,
        "issuer": "CN=stand-in",
        "maxPathLength": 0,
        "notAfter": "2099-01-01T00:00:00Z",
        "notBefore": "2020-01-01T00:00:00Z",
        "publicKeyAlgorithm": "RSA",
        "serialNumber": "1",
        "sha1Fingerprint": "${h32}${h8}",
        "signatureAlgorithm": "SHA256-RSA",
        "subject": "CN=stand-in",
        "version": 3,
    }
]

TABLE = Table(
    default_id="${h32}",
    force_new={"*": frozenset({"*"})},
    in_place={
        "tls:index/selfSignedCert:SelfSignedCert": frozenset({"earlyRenewalHours"}),
        "tls:index/locallySignedCert:LocallySignedCert": frozenset({"earlyRenewalHours"}),
    },
    invokes={"tls:index/getCertificate:getCertificate": {"id": "${h32}", "certificates": _CERTIFICATES}},
)
