"""The TLS certificate of an endpoint: ECDSA P-256, self-signed, made anew at every start. It proves nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFE_DAYS = 3650


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """A certificate and its key, in memory only."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


def self_signed() -> TlsCertificate:
    """Make a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gossamer")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=LIFE_DAYS * 10))
    )
    return TlsCertificate(builder.sign(key, hashes.SHA256()), key)
