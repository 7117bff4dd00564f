"""A small public key infrastructure, as PEM files in a folder, and a mosquitto that uses it."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)


class Certificates:
    """Makes ``NAME.pem`` and ``NAME.key``; all are for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}

    def ca(self, name: str) -> x509.Name:
        subject = self._subject(name)
        self._write(name, subject, subject, name, days=365, kind=x509.BasicConstraints(ca=True, path_length=None))
        return subject

    def leaf(self, name: str, issuer: x509.Name, *, days: float = 365) -> None:
        """A certificate that ends in so many days; negative: it has ended."""
        signer = str(issuer.rdns[0].rfc4514_string()).removeprefix("CN=")
        kind = x509.BasicConstraints(ca=False, path_length=None)
        self._write(name, self._subject(name), issuer, signer, days=days, kind=kind)

    def listener(self, name: str = "broker", *, ca: str = "ca", client_certificates: bool = False) -> str:
        """Lines for mosquitto's configuration."""
        return (
            f"cafile {self.folder}/{ca}.pem\ncertfile {self.folder}/{name}.pem\nkeyfile {self.folder}/{name}.key\n"
            f"require_certificate {str(client_certificates).lower()}\n"
        )

    def _subject(self, name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    def _write(
        self, name: str, subject: x509.Name, issuer: x509.Name, signer: str, *, days: float, kind: x509.BasicConstraints
    ) -> None:
        key = self._keys[name] = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(kind, critical=True)
            .add_extension(loopback, critical=False)
            .sign(self._keys[signer], hashes.SHA256())
        )
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = self.folder / f"{name}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        private.chmod(0o600)
