"""Rules of keys and certificates: the texts that the provider's documentation lists as accepted."""

from __future__ import annotations

from rehearsal.cloud_provider.rules import OneOf, Rules

_PROVIDER = "hashicorp/terraform-provider-tls, docs/resources"
_USES = OneOf(
    (
        "any_extended",
        "cert_signing",
        "client_auth",
        "code_signing",
        "content_commitment",
        "crl_signing",
        "data_encipherment",
        "decipher_only",
        "digital_signature",
        "email_protection",
        "encipher_only",
        "ipsec_end_system",
        "ipsec_tunnel",
        "ipsec_user",
        "key_agreement",
        "key_encipherment",
        "microsoft_commercial_code_signing",
        "microsoft_kernel_code_signing",
        "microsoft_server_gated_crypto",
        "netscape_server_gated_crypto",
        "ocsp_signing",
        "server_auth",
        "timestamping",
    ),
    _PROVIDER,
)

RULES = Rules(
    values={
        "tls:index/privateKey:PrivateKey": {
            "algorithm": OneOf(("RSA", "ECDSA", "ED25519"), _PROVIDER),
            "ecdsaCurve": OneOf(("P224", "P256", "P384", "P521"), _PROVIDER),
        },
        "tls:index/selfSignedCert:SelfSignedCert": {"allowedUses[]": _USES},
        "tls:index/locallySignedCert:LocallySignedCert": {"allowedUses[]": _USES},
    },
)
