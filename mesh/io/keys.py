"""Keys on disk, and the real signatures.

A data directory holds `node.key` (the node's secret), `genesis`, `certificate`, `seeds`, and the store. A mesh's own secret is
`mesh.key`, wherever `gossamer mesh init` was told to put it. Every secret is a file of mode 0600, written beside its
place, fsynced and renamed. A key file that is damaged, or that others may read, stops the node and is never replaced:
with another key it would be another node.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mesh.certificates import (
    Genesis,
    Identity,
    Ticket,
    found_mesh,
    invite,
    join,
    read_genesis,
    read_ticket,
    verify_certificate,
)
from mesh.codes import Code
from mesh.crypto import SEED_BYTES, SIGNATURE_BYTES, Signer
from mesh.errors import HostError, RemoteError
from mesh.types import Address

NODE_KEY = "node.key"
MESH_KEY = "mesh.key"
GENESIS = "genesis"
CERTIFICATE = "certificate"
SEEDS = "seeds"
LOCK = "lock"
STORE = "store.sqlite3"
KEY_MAGIC = b"gossamer-key-1\n"
CHECKSUM_BYTES = 16


class Ed25519Signer:
    """A secret key that signs."""

    def __init__(self, seed: bytes) -> None:
        """Make the signer of a 32-byte seed."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """Sign; 64 bytes."""
        return self._key.sign(message)


class Ed25519Suite:
    """The suite of every real mesh."""

    def signer(self, seed: bytes) -> Signer:
        """Make the signer of a 32-byte secret seed."""
        return Ed25519Signer(seed)

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is the public key's over the message."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


T = TypeVar("T")
SUITE = Ed25519Suite()


# --- files -----------------------------------------------------------------------------------------------------------


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, whole or not at all, and durable when this returns. Raises `HostError`."""
    try:
        _write_private(path, content)
    except OSError as error:
        code = Code.DISK_FULL if error.errno == errno.ENOSPC else Code.STORE_UNREADABLE
        raise HostError(code, f"{path} cannot be written: {error.strerror}") from error


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_key(path: Path, seed: bytes) -> None:
    """Keep a secret seed, with a checksum."""
    write_private(path, KEY_MAGIC + (seed + _checksum(seed)).hex().encode() + b"\n")


def _checksum(seed: bytes) -> bytes:
    return blake2b(seed, digest_size=CHECKSUM_BYTES, person=b"gsm-key-file").digest()


def read_key(path: Path) -> bytes:
    """Read a secret seed. Raises `HostError` (KEY_CORRUPT) unless the file is whole and nobody else's to read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_bytes()
    except OSError as error:
        raise HostError(Code.KEY_CORRUPT, f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise HostError(Code.KEY_CORRUPT, f"{path}: others may read it (mode {mode:04o}); chmod 600 it")
    body = content.removeprefix(KEY_MAGIC).strip()
    try:
        decoded = bytes.fromhex(body.decode("ascii"))
    except ValueError:
        decoded = b""
    seed, checksum = decoded[:SEED_BYTES], decoded[SEED_BYTES:]
    if not content.startswith(KEY_MAGIC) or len(seed) != SEED_BYTES or checksum != _checksum(seed):
        raise HostError(Code.KEY_CORRUPT, f"{path}: it is damaged, or no key of Gossamer's")
    return seed


class FolderLock:
    """Holds a data directory: two processes on one store would each believe that they own it."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises `HostError` (DATA_IN_USE) if another process has it."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HostError(Code.STORE_UNREADABLE, f"{folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise HostError(Code.DATA_IN_USE, f"{folder}: another process uses it") from error

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._file)


# --- meshes and members ----------------------------------------------------------------------------------------------


def create_mesh(folder: Path, label: str) -> Genesis:
    """Found a mesh: its secret and its genesis go into a folder. Raises `HostError` if there is one already."""
    if (folder / MESH_KEY).exists():
        raise HostError(Code.CONFIG_INVALID, f"{folder}: there is a mesh already")
    seed = secrets.token_bytes(SEED_BYTES)
    try:
        genesis = found_mesh(SUITE, [seed], label=label, salt=secrets.token_bytes(16))
    except RemoteError as error:
        raise HostError(Code.CONFIG_INVALID, f"a mesh cannot be called {label!r}: {error}") from error
    write_private(folder / GENESIS, genesis.statement)
    write_key(folder / MESH_KEY, seed)
    return genesis


def read_mesh(folder: Path) -> tuple[Genesis, Signer]:
    """Read a mesh's genesis and secret. Raises `HostError`."""
    signer = SUITE.signer(read_key(folder / MESH_KEY))
    genesis = _genesis(folder / GENESIS)
    if signer.public not in genesis.keys:
        raise HostError(Code.KEY_CORRUPT, f"{folder / MESH_KEY}: it is no key of this mesh")
    return genesis, signer


def _genesis(path: Path) -> Genesis:
    return _read(path, read_genesis)


def _read(path: Path, read: Callable[[bytes], T]) -> T:
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise HostError(Code.KEY_CORRUPT, f"{path}: {error.strerror}") from error
    except RemoteError as error:
        raise HostError(Code.KEY_CORRUPT, f"{path}: {error}") from error


def make_ticket(
    folder: Path, wall_ms: int, *, regions: tuple[str, ...], seeds: tuple[Address, ...], life_ms: int
) -> Ticket:
    """Invite to the mesh whose secret is in a folder. Raises `HostError`."""
    genesis, signer = read_mesh(folder)
    secret = secrets.token_bytes(SEED_BYTES)
    return invite(genesis, [signer], SUITE, secret, wall_ms=wall_ms, regions=regions, seeds=seeds, life_ms=life_ms)


def is_member(folder: Path) -> bool:
    """Whether a data directory belongs to a mesh already."""
    return (folder / CERTIFICATE).exists()


def join_mesh(folder: Path, ticket_text: str, region: str, wall_ms: int) -> Identity:
    """Become a member: draw a key if there is none, sign a certificate by the ticket, keep both, forget the secret.

    The ticket's seeds are kept, too. Raises `HostError` if the ticket does not hold.
    """
    ticket = read_ticket(ticket_text, SUITE)
    key = folder / NODE_KEY
    seed = read_key(key) if key.exists() else secrets.token_bytes(SEED_BYTES)
    identity = join(ticket, SUITE.signer(seed), region, SUITE, wall_ms)
    if not key.exists():
        write_key(key, seed)
    write_private(folder / GENESIS, ticket.genesis.statement)
    write_private(folder / SEEDS, "".join(f"{seed}\n" for seed in ticket.seeds).encode())
    write_private(folder / CERTIFICATE, identity.certificate_raw)
    return identity


def read_seeds(folder: Path) -> list[str]:
    """The addresses that the ticket named: a node that starts again without it needs them no less."""
    try:
        return (folder / SEEDS).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def check_ticket(folder: Path, ticket_text: str, region: str, wall_ms: int) -> None:
    """See whether a ticket would let a node join, or fits the mesh that its directory belongs to. Raises `HostError`.

    A member does not need the ticket any more, so one that has expired since is no fault.
    """
    ticket = read_ticket(ticket_text, SUITE)
    if not is_member(folder):
        join(ticket, SUITE.signer(secrets.token_bytes(SEED_BYTES)), region, SUITE, wall_ms)
    elif _genesis(folder / GENESIS).mesh != ticket.genesis.mesh:
        raise HostError(Code.STORE_FOREIGN, f"{folder} belongs to another mesh than the ticket")


def load_identity(folder: Path, wall_ms: int) -> Identity:
    """Read who a node is from its data directory. Raises `HostError`."""
    signer = SUITE.signer(read_key(folder / NODE_KEY))
    genesis = _genesis(folder / GENESIS)
    path = folder / CERTIFICATE
    raw = _read(path, bytes)
    try:
        certificate = verify_certificate(raw, genesis, SUITE, wall_ms)
    except RemoteError as error:
        raise HostError(Code.CERTIFICATE_INVALID, f"{path}: {error}") from error
    if certificate.node != signer.public:
        raise HostError(Code.KEY_CORRUPT, f"{folder / NODE_KEY}: the certificate beside it is of another key")
    return Identity(genesis, signer, raw, certificate)
