"""Signed tokens of a made-up issuer, and the public key with which a gateway checks them. Known to one run only."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://issuer.test"
_BYTES = 32  # of each half of a signature on this curve


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """Whoever signs the tokens; each instance has a key of its own."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=_key, repr=False)

    @property
    def keys(self) -> str:
        """The public key, as a JSON Web Key Set."""
        numbers = self.key.public_key().public_numbers()
        point = {"x": _encoded(_wide(numbers.x)), "y": _encoded(_wide(numbers.y))}
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", **point}]})

    def token(self, *, seconds: float = 3600) -> str:
        """A JSON Web Token that is valid for so long; not any more, where that is negative."""
        claims = {"iss": ISSUER, "sub": "validation", "exp": int(time.time() + seconds)}
        signed = ".".join(_encoded(_json(part)) for part in ({"alg": "ES256", "typ": "JWT"}, claims))
        first, second = decode_dss_signature(self.key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(_wide(first) + _wide(second))}"


def _wide(number: int) -> bytes:
    return number.to_bytes(_BYTES, "big")


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
