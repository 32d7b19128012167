"""A certificate authority of a test, and what it signs."""

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


def _key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, password: bytes | None = None) -> bytes:
        encryption = BestAvailableEncryption(password) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def write(self, folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
        """Both as files: the certificate and the key."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(self.key_pem(password))
        return certificate, key


@dataclass
class Authority:
    """Signs certificates that are good for an hour."""

    name: str = "candora tests"
    key: EllipticCurvePrivateKey = field(default_factory=_key)

    def __post_init__(self) -> None:
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._builder(self.name, self.key).add_extension(constraints, critical=True)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self.certificate = builder.add_extension(usage, critical=True).sign(self.key, hashes.SHA256())

    def issue(self, common_name: str, *names: str) -> Pair:
        """A certificate with these names in its subjectAltName: DNS names, addresses, URIs."""
        key = _key()
        builder = self._builder(common_name, key)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        return Pair(builder.sign(self.key, hashes.SHA256()), key)

    def write(self, path: Path) -> Path:
        """Its own certificate as a file."""
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path

    def _builder(self, common_name: str, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        public = key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )


def _general(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
