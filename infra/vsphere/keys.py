"""The authorities of the cluster, and what they sign here. Whoever has the state has them: it has to be encrypted."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random
import pulumi_tls as tls

from .site import Site

_DECADE = 10 * 365 * 24
_DAY = 24
_AUTHORITY = ("digital_signature", "key_encipherment", "cert_signing")
_CLIENT = ("digital_signature", "key_encipherment", "client_auth")
_SECRETS_KEY = 32  # bytes of AES-256


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]


class VsphereKeys(pulumi.ComponentResource):
    """What kubeadm would make on the first node, made here, so that any node can be replaced."""

    cluster: Pair
    etcd: Pair
    front_proxy: Pair
    accounts: tls.PrivateKey  # signs tokens of service accounts
    secrets: pulumi.Output[str]  # encrypts Secrets in etcd; base64

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("proof:vsphere:Keys", name, {"cluster": site.name}, opts)
        self._name = name
        self._own = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=site.options.deletion_protection)
        self.cluster = self._authority("cluster", "kubernetes")
        self.etcd = self._authority("etcd", "etcd-ca")
        self.front_proxy = self._authority("front-proxy", "front-proxy-ca")
        self.accounts = tls.PrivateKey(f"{name}-accounts", algorithm="RSA", rsa_bits=2048, opts=self._kept)
        self.secrets = random.RandomBytes(f"{name}-secrets", length=_SECRETS_KEY, opts=self._kept).base64
        self.register_outputs({})

    def _authority(self, purpose: str, common_name: str) -> Pair:
        key = self._key(purpose, self._kept)
        made = tls.SelfSignedCert(
            f"{self._name}-{purpose}",
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=common_name),
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=list(_AUTHORITY),
            validity_period_hours=_DECADE,
            opts=self._kept,
        )
        return Pair(made.cert_pem, key.private_key_pem)

    def node(self, node: str) -> Pair:
        """What a node joins with: it can be this node and nothing else, so there is no token that opens more."""
        return self._client(node, f"system:node:{node}", "system:nodes", _DECADE, None)

    def administrator(self, days: int) -> Pair:
        """The administrator's certificate; a run of the program in its last third makes a new one."""
        return self._client("admin", "kubeflow-proof", "kubeadm:cluster-admins", days * _DAY, days * _DAY // 3)

    def _client(self, purpose: str, common_name: str, organization: str, hours: int, early: int | None) -> Pair:
        name, key = f"{self._name}-{purpose}", self._key(purpose, self._own)
        request = tls.CertRequest(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=common_name, organization=organization),
            opts=self._own,
        )
        signed = tls.LocallySignedCert(
            name,
            ca_cert_pem=self.cluster.certificate,
            ca_private_key_pem=self.cluster.key,
            cert_request_pem=request.cert_request_pem,
            allowed_uses=list(_CLIENT),
            validity_period_hours=hours,
            early_renewal_hours=early,
            opts=self._own,
        )
        return Pair(signed.cert_pem, key.private_key_pem)

    def _key(self, purpose: str, opts: pulumi.ResourceOptions) -> tls.PrivateKey:
        return tls.PrivateKey(f"{self._name}-{purpose}", algorithm="ECDSA", ecdsa_curve="P256", opts=opts)
