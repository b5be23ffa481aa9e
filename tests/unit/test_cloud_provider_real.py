"""Passwords, keys and certificates of the stand-ins are real."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.cloud_provider import real, real_random, real_tls

RANDOM, TLS = real_random.MAKERS, real_tls.MAKERS


def password(**inputs: Any) -> dict[str, Any]:  # noqa: ANN401 - inputs of a resource
    return RANDOM["random:index/randomPassword:RandomPassword"](inputs)[1]


def tls(kind: str, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401 - inputs of a resource
    return TLS[f"tls:index/{kind[0].lower()}{kind[1:]}:{kind}"](inputs)[1]


@given(
    length=st.integers(8, 40),
    special=st.booleans(),
    least=st.integers(0, 2),
    alphabet=st.sampled_from([None, "_-"]),
)
def test_a_password_has_the_length_and_the_characters_that_were_asked_for(
    length: int, least: int, alphabet: str | None, *, special: bool
) -> None:
    classes = {"minLower": least, "minUpper": least, "minNumeric": least, "minSpecial": least if special else 0}
    found = real_random.MAKERS["random:index/randomString:RandomString"](
        {"length": length, "special": special, "overrideSpecial": alphabet, **classes}
    )[1]["result"]
    marks = [one for one in found if one not in string.ascii_letters + string.digits]
    assert len(found) == length
    assert sum(one.islower() for one in found) >= least
    assert sum(one.isdigit() for one in found) >= least
    assert len(marks) >= classes["minSpecial"]
    assert special or not marks
    assert alphabet is None or set(marks) <= set(alphabet)


def test_a_password_comes_with_its_hash_and_never_twice() -> None:
    one = password(length=24)
    assert bcrypt.checkpw(one["result"].encode(), one["bcryptHash"].encode())
    assert password(length=24)["result"] != one["result"]


def test_a_password_that_cannot_be_made_is_told() -> None:
    with pytest.raises(ValueError, match="length 3 is too short"):
        password(length=3, minLower=4)


def test_identifiers_agree_in_all_their_forms() -> None:
    identity, outputs = RANDOM["random:index/randomId:RandomId"]({"byteLength": 4, "prefix": "p-"})
    assert int(outputs["hex"].removeprefix("p-"), 16) == int(outputs["dec"].removeprefix("p-"))
    assert outputs["b64Url"] == f"p-{identity}"
    found = RANDOM["random:index/randomBytes:RandomBytes"]({"length": 32})[1]
    assert len(bytes.fromhex(found["hex"])) == 32


@pytest.mark.parametrize("inputs", [{"algorithm": "RSA"}, {"algorithm": "ED25519"}, {"algorithm": "ECDSA"}])
def test_a_private_key_fits_its_public_key(inputs: dict[str, Any]) -> None:
    key = tls("PrivateKey", **inputs)
    private = serialization.load_pem_private_key(key["privateKeyPem"].encode(), None)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert public.decode() == key["publicKeyPem"]


def authority(name: str) -> tuple[str, str]:
    key = tls("PrivateKey", algorithm="ECDSA", ecdsaCurve="P256")["privateKeyPem"]
    made = tls(
        "SelfSignedCert", privateKeyPem=key, isCaCertificate=True, validityPeriodHours=24,
        allowedUses=["cert_signing", "crl_signing"], subject={"commonName": name},
    )  # fmt: skip
    return key, made["certPem"]


def client(key: str, certificate: str) -> x509.Certificate:
    own = tls("PrivateKey", algorithm="ECDSA", ecdsaCurve="P256")["privateKeyPem"]
    request = tls(
        "CertRequest", privateKeyPem=own, dnsNames=["node.example.test"], ipAddresses=["10.0.0.1"],
        subject={"commonName": "admin", "organization": "kubeadm:cluster-admins"},
    )  # fmt: skip
    signed = tls(
        "LocallySignedCert", certRequestPem=request["certRequestPem"], caCertPem=certificate, caPrivateKeyPem=key,
        allowedUses=["client_auth", "digital_signature"], validityPeriodHours=2,
    )  # fmt: skip
    return x509.load_pem_x509_certificate(signed["certPem"].encode())


def test_a_certificate_is_what_was_asked_for_and_signed_by_its_authority() -> None:
    key, pem = authority("some-authority")
    issuer, made = x509.load_pem_x509_certificate(pem.encode()), client(key, pem)
    made.verify_directly_issued_by(issuer)
    assert made.subject.rfc4514_string() == "O=kubeadm:cluster-admins,CN=admin"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node.example.test"]
    assert ExtendedKeyUsageOID.CLIENT_AUTH in made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (made.not_valid_after_utc - made.not_valid_before_utc).total_seconds() == 2 * 3600


def test_the_authority_of_the_cluster_can_be_that_of_a_real_api_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, pem = authority("the real one")
    (tmp_path / "ca.crt").write_text(pem, encoding="ascii")
    (tmp_path / "ca.key").write_text(key, encoding="ascii")
    monkeypatch.setenv("KUBEFLOW_PROOF_REHEARSAL_PKI", str(tmp_path))
    own_key, own = authority("kubernetes")
    assert own == pem
    client(own_key, own).verify_directly_issued_by(x509.load_pem_x509_certificate(pem.encode()))
    assert authority("etcd-ca")[1] != pem, "only the authority of the API server is replaced"


def test_a_use_that_nobody_knows_is_told() -> None:
    with pytest.raises(ValueError, match="allowedUses: cooking"):
        tls(
            "SelfSignedCert",
            privateKeyPem=authority("x")[0],
            allowedUses=["cooking"],
            validityPeriodHours=1,
        )


def test_what_cannot_be_made_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    assert real.makers("aws") == {}
    monkeypatch.setattr(real.importlib.util, "find_spec", lambda _name: None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    assert real.makers("tls") == {}
