"""A throw-away authority and a certificate for localhost, as PEM files and as the PKCS#12 file that rathole wants."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "bench"
"""Of the PKCS#12 file; the key lives for one race in a private directory."""

_DAY = datetime.timedelta(days=1)
_SIGNS_CERTIFICATES = {"key_cert_sign": True, "crl_sign": True}
_SIGNS_HANDSHAKES = {"digital_signature": True}
_USAGES = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
    "encipher_only decipher_only"
).split()


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """One P-256 certificate for `localhost` (what certbot issues by default) in both programs' formats."""

    root: Path
    cert: Path
    key: Path
    pkcs12: Path


def make_certificate(directory: Path) -> CertificateFiles:
    """Write the four files into `directory`."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _issue("Hushgate bench authority", authority_key, authority_key, None)
    leaf = _issue("localhost", key, authority_key, authority)

    files = CertificateFiles(*(directory / name for name in ("root.pem", "cert.pem", "key.pem", "server.p12")))
    files.root.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.cert.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    for path, secret in (
        (
            files.key,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        ),
        (
            files.pkcs12,
            pkcs12.serialize_key_and_certificates(
                b"bench", key, leaf, None, serialization.BestAvailableEncryption(PASSWORD.encode())
            ),
        ),
    ):
        path.touch(mode=0o600)
        path.write_bytes(secret)
    return files


def _issue(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate | None,
) -> x509.Certificate:
    is_authority = authority is None
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = _SIGNS_CERTIFICATES if is_authority else _SIGNS_HANDSHAKES
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if authority is None else authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{use: usage.get(use, False) for use in _USAGES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(authority_key, hashes.SHA256())
