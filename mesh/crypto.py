"""Signatures, as the core sees them: a suite is handed in, so that the simulator can use a cheap one.

`SimSuite` is keyed BLAKE2b with the sizes of Ed25519 and the same failures: a changed byte does not verify. It proves
nothing against an adversary (the public key *is* the secret) and never leaves the simulator. The real suite,
Ed25519, lives in `mesh.io.keys`.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
NAME_BYTES = 32


class Signer(Protocol):
    """A secret key that signs."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign; 64 bytes, the same for the same message."""
        ...


class Suite(Protocol):
    """What the core needs of cryptography."""

    def signer(self, seed: bytes) -> Signer:
        """Make the signer of a 32-byte secret seed."""
        ...

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is the public key's over the message. Never raises on foreign bytes."""
        ...


class SimSigner:
    """The simulator's signer: keyed hashing, with the public key as the key."""

    def __init__(self, seed: bytes) -> None:
        """Derive the public key from the seed."""
        self.public = blake2b(seed, digest_size=PUBLIC_BYTES, person=b"gsm-sim-key").digest()

    def sign(self, message: bytes) -> bytes:
        """Sign by hashing under the public key."""
        return blake2b(message, key=self.public, digest_size=SIGNATURE_BYTES).digest()


class SimSuite:
    """A suite for simulations only."""

    def signer(self, seed: bytes) -> Signer:
        """Make the signer of a 32-byte secret seed."""
        return SimSigner(seed)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Recompute and compare."""
        if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        return blake2b(message, key=public, digest_size=SIGNATURE_BYTES).digest() == signature


def name_of(header: bytes) -> bytes:
    """Name a batch, a certificate or a mesh: BLAKE2b-256 of its bytes."""
    return blake2b(header, digest_size=NAME_BYTES).digest()
