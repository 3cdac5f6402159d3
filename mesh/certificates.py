"""Who is a member: the genesis of a mesh, tickets to join it, certificates of membership.

A *mesh* is the hash of its genesis statement, which lists its keys. A *ticket* carries that statement, addresses of
seeds, and a delegation: the mesh's keys allow a ticket key to admit nodes, in these regions, with these roles, until
then. Whoever holds the ticket's secret signs its own certificate with it, so joining needs no issuer at hand; the
certificate carries the delegation, and a verifier checks both signatures and that the one lies within the other.

Everything here reads foreign bytes: every field is typed and bounded, and nothing but `RemoteError` (or, for tickets,
which people paste, `HostError`) is raised.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgpack

from mesh.codes import Code
from mesh.crypto import NAME_BYTES, PUBLIC_BYTES, SEED_BYTES, SIGNATURE_BYTES, Signer, Suite, name_of
from mesh.errors import HostError, RemoteError, UsageError
from mesh.types import Address, NodeId, node_of

MS_PER_DAY = 86_400_000
LIFE_MS = 400 * MS_PER_DAY
"""Delegations and certificates live so long until there are issuers (protocol.md, 1)."""
GRACE_MS = 7 * MS_PER_DAY
"""Certificates are accepted so long beyond their end, for nodes that have heard no issuer since."""
CLOCK_SLACK_MS = MS_PER_DAY
"""Certificates are accepted so long before their beginning: clocks differ."""
KEYS_MAX = 16
REGIONS_MAX = 64
SEEDS_MAX = 16
NAME_TEXT_MAX = 63
"""Characters of a region, role or label."""
STATEMENT_BYTES_MAX = 16 << 10
TICKET_PREFIX = "gsm1-"
ANY_REGION = "*"
ISSUER = "issuer"

_pack = msgpack.Packer(autoreset=True, use_bin_type=True).pack


def _packed(parts: list[Any]) -> bytes:
    packed: bytes = _pack(parts)
    return packed


def _unpacked(raw: bytes, length: int, what: str) -> list[Any]:
    """Read an array of exactly so many elements. Raises `RemoteError`."""
    if len(raw) > STATEMENT_BYTES_MAX:
        raise RemoteError(f"a {what} is too large")
    try:
        value = msgpack.unpackb(raw, max_array_len=256, max_map_len=64, max_ext_len=0, strict_map_key=True)
    except (msgpack.UnpackException, ValueError, RecursionError) as error:
        raise RemoteError(f"a {what} does not decode") from error
    if type(value) is not list or len(value) != length:
        raise RemoteError(f"a {what} is an array of {length}")
    return value


def _blob(value: Any, size: int | None = None) -> bytes:
    if type(value) is not bytes or (size is not None and len(value) != size) or len(value) > STATEMENT_BYTES_MAX:
        raise RemoteError("a key, name or signature has the wrong size")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise RemoteError("a number is out of range")
    return value


def _word(value: Any) -> str:
    """A region, role or label: short, printable, without spaces."""
    if type(value) is not str or not 0 < len(value) <= NAME_TEXT_MAX or not value.isprintable() or " " in value:
        raise RemoteError(f"a name has 1 to {NAME_TEXT_MAX} printable characters")
    return value


def _words(value: Any) -> tuple[str, ...]:
    if type(value) is not list or len(value) > REGIONS_MAX:
        raise RemoteError(f"at most {REGIONS_MAX} names")
    return tuple(_word(item) for item in value)


# --- the mesh --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a mesh is: its keys, of which `threshold` sign for it, and a salt that makes it one of its kind."""

    keys: tuple[bytes, ...]
    threshold: int
    label: str
    salt: bytes

    @property
    def statement(self) -> bytes:
        """The bytes whose hash names the mesh."""
        return _packed(["gossamer-genesis-1", list(self.keys), self.threshold, self.label, self.salt])

    @property
    def mesh(self) -> bytes:
        """The mesh's name, 32 bytes."""
        return name_of(self.statement)


def found_mesh(suite: Suite, key_seeds: list[bytes], *, label: str, salt: bytes, threshold: int = 1) -> Genesis:
    """Found a mesh whose keys come from these secret seeds (32 bytes each). `salt`: 16 random bytes."""
    keys = tuple(suite.signer(seed).public for seed in key_seeds)
    return read_genesis(Genesis(keys, threshold, label, salt).statement)


def read_genesis(statement: bytes) -> Genesis:
    """Read a genesis statement. Raises `RemoteError`."""
    kind, keys, threshold, label, salt = _unpacked(statement, 5, "genesis")
    if kind != "gossamer-genesis-1" or type(keys) is not list or not 0 < len(keys) <= KEYS_MAX:
        raise RemoteError(f"a genesis lists 1 to {KEYS_MAX} keys")
    found = tuple(_blob(key, PUBLIC_BYTES) for key in keys)
    if not 0 < _number(threshold) <= len(found) or len(set(found)) != len(found):
        raise RemoteError("a genesis needs between one and all of its keys, each once")
    return Genesis(found, threshold, _word(label), _blob(salt, 16))


# --- the right to admit ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delegation:
    """The mesh's keys allow a ticket key to admit nodes. `regions` may be `*`; dates are ms since 1970."""

    mesh: bytes
    ticket_key: bytes
    regions: tuple[str, ...]
    roles: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    signatures: tuple[tuple[int, bytes], ...] = ()
    """For each signing key its place in the genesis, and its signature."""

    @property
    def statement(self) -> bytes:
        """What the mesh's keys sign."""
        dates = [self.not_before_ms, self.not_after_ms]
        return _packed(
            ["gossamer-delegation-1", self.mesh, self.ticket_key, list(self.regions), list(self.roles), *dates]
        )

    def encode(self) -> bytes:
        """The statement and its signatures."""
        return _packed([self.statement, [list(signature) for signature in self.signatures]])


def delegate(genesis: Genesis, signers: list[Signer], draft: Delegation) -> Delegation:
    """Sign a delegation with keys of the mesh. Raises `UsageError` for another key, `RemoteError` for a field."""
    if any(signer.public not in genesis.keys for signer in signers):
        raise UsageError("only keys of the mesh sign its delegations")
    places = [(genesis.keys.index(signer.public), signer.sign(draft.statement)) for signer in signers]
    return _read_delegation(_packed([draft.statement, [list(place) for place in places]]))


def _read_delegation(raw: bytes) -> Delegation:
    statement, signatures = _unpacked(raw, 2, "delegation")
    kind, mesh, key, regions, roles, since, until = _unpacked(_blob(statement), 7, "delegation")
    if kind != "gossamer-delegation-1" or type(signatures) is not list or len(signatures) > KEYS_MAX:
        raise RemoteError("a delegation has another form")
    signed: list[tuple[int, bytes]] = []
    for item in signatures:
        if type(item) is not list or len(item) != 2:
            raise RemoteError("a signature is a key's place and the signature")
        signed.append((_number(item[0]), _blob(item[1], SIGNATURE_BYTES)))
    allowed = _words(regions), _words(roles)
    delegation = Delegation(
        _blob(mesh, NAME_BYTES), _blob(key, PUBLIC_BYTES), *allowed, _number(since), _number(until), tuple(signed)
    )
    if delegation.statement != statement:
        raise RemoteError("a delegation is not in its one form")
    return delegation


def _check_delegation(delegation: Delegation, genesis: Genesis, suite: Suite) -> None:
    if delegation.mesh != genesis.mesh:
        raise RemoteError("the delegation is of another mesh")
    if ISSUER in delegation.roles:
        raise RemoteError("a ticket cannot make issuers")
    signers = {
        place
        for place, signature in delegation.signatures
        if place < len(genesis.keys) and suite.verify(genesis.keys[place], delegation.statement, signature)
    }
    if len(signers) < genesis.threshold:
        raise RemoteError("the delegation is not signed by enough keys of the mesh")


# --- membership ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificate:
    """A node is a member, in this region, with these roles, until then."""

    mesh: bytes
    node: NodeId
    region: str
    labels: tuple[str, ...]
    roles: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    delegation: Delegation

    def is_valid(self, wall_ms: int) -> bool:
        """Whether it holds at a time, with some slack for clocks before and a grace afterwards."""
        return self.not_before_ms - CLOCK_SLACK_MS <= wall_ms <= self.not_after_ms + GRACE_MS

    @property
    def statement(self) -> bytes:
        """What the ticket key signs."""
        names = [self.region, list(self.labels), list(self.roles)]
        dates = [self.not_before_ms, self.not_after_ms]
        return _packed(["gossamer-member-1", self.mesh, self.node, *names, *dates, self.delegation.encode()])


def verify_certificate(raw: bytes, genesis: Genesis, suite: Suite, wall_ms: int) -> Certificate:
    """Read a certificate and check that it holds now. Raises `RemoteError` that says why it does not."""
    statement, signature = _unpacked(raw, 2, "certificate")
    parts = _unpacked(_blob(statement), 9, "certificate")
    kind, mesh, node, region, labels, roles, since, until, delegated = parts
    if kind != "gossamer-member-1":
        raise RemoteError("a certificate has another form")
    delegation = _read_delegation(_blob(delegated))
    names = _word(region), _words(labels), _words(roles)
    dates = _number(since), _number(until)
    member = node_of(_blob(node, PUBLIC_BYTES))
    certificate = Certificate(_blob(mesh, NAME_BYTES), member, *names, *dates, delegation)
    if certificate.statement != statement:
        raise RemoteError("a certificate is not in its one form")
    _check_delegation(delegation, genesis, suite)
    if not suite.verify(delegation.ticket_key, statement, _blob(signature, SIGNATURE_BYTES)):
        raise RemoteError("the certificate is not signed by its ticket")
    _check_within(certificate, genesis)
    if not certificate.is_valid(wall_ms):
        raise RemoteError("the certificate is expired, or not valid yet")
    return certificate


def _check_within(certificate: Certificate, genesis: Genesis) -> None:
    delegation = certificate.delegation
    if certificate.mesh != genesis.mesh:
        raise RemoteError("the certificate is of another mesh")
    if ANY_REGION not in delegation.regions and certificate.region not in delegation.regions:
        raise RemoteError(f"the ticket does not allow the region {certificate.region}")
    if not set(certificate.roles) <= set(delegation.roles):
        raise RemoteError("the ticket does not allow these roles")
    if certificate.not_before_ms < delegation.not_before_ms or certificate.not_after_ms > delegation.not_after_ms:
        raise RemoteError("the certificate outlives its ticket")


@dataclass(frozen=True, slots=True)
class Identity:
    """A node as itself: its key, and the certificate that makes it a member."""

    genesis: Genesis
    signer: Signer
    certificate_raw: bytes
    certificate: Certificate

    @property
    def mesh(self) -> bytes:
        """The mesh that it belongs to, 32 bytes."""
        return self.genesis.mesh

    @property
    def node(self) -> NodeId:
        """The node's identity: its public key."""
        return self.certificate.node

    @property
    def region(self) -> str:
        """The node's region."""
        return self.certificate.region


# --- tickets ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ticket:
    """All that a node needs to join a mesh. Secret: whoever holds it can admit nodes until it ends."""

    genesis: Genesis
    delegation: Delegation
    secret: bytes
    seeds: tuple[Address, ...] = ()

    def text(self) -> str:
        """One line, with a checksum."""
        seeds = [list(seed) for seed in self.seeds]
        packed = _packed([self.genesis.statement, self.delegation.encode(), self.secret, seeds])
        return TICKET_PREFIX + base64.urlsafe_b64encode(packed + _checksum(packed)).decode().rstrip("=")


def _checksum(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=6, person=b"gsm-ticket").digest()


def read_ticket(text: str, suite: Suite) -> Ticket:
    """Read a ticket that somebody pasted. Raises `HostError` (TICKET_INVALID) in one line."""
    body = "".join(text.split())
    if not body.startswith(TICKET_PREFIX):
        raise HostError(Code.TICKET_INVALID, f"a ticket begins with {TICKET_PREFIX}")
    body = body.removeprefix(TICKET_PREFIX)
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise HostError(Code.TICKET_INVALID, "the ticket is damaged: it holds characters that are none of it") from None
    packed, checksum = packed[:-6], packed[-6:]
    if _checksum(packed) != checksum:
        raise HostError(Code.TICKET_INVALID, "the ticket is damaged or incomplete: its checksum does not hold")
    try:
        statement, delegated, secret, places = _unpacked(packed, 4, "ticket")
        genesis, delegation = read_genesis(_blob(statement)), _read_delegation(_blob(delegated))
        _check_delegation(delegation, genesis, suite)
        ticket = Ticket(genesis, delegation, _blob(secret, SEED_BYTES), _seeds(places))
    except RemoteError as error:
        raise HostError(Code.TICKET_INVALID, f"the ticket does not hold: {error}") from error
    if suite.signer(ticket.secret).public != delegation.ticket_key:
        raise HostError(Code.TICKET_INVALID, "the ticket does not hold: its secret is of another one")
    return ticket


def _seeds(places: Any) -> tuple[Address, ...]:
    if type(places) is not list or len(places) > SEEDS_MAX:
        raise RemoteError(f"at most {SEEDS_MAX} seeds")
    seeds: list[Address] = []
    for place in places:
        if type(place) is not list or len(place) != 2 or type(place[0]) is not str or not 0 < len(place[0]) <= 255:
            raise RemoteError("a seed is a host and a port")
        if not 0 < _number(place[1]) < 65_536:
            raise RemoteError("a port lies between 1 and 65535")
        seeds.append(Address(place[0], place[1]))
    return tuple(seeds)


def invite(
    genesis: Genesis,
    signers: list[Signer],
    suite: Suite,
    secret: bytes,
    *,
    wall_ms: int,
    regions: tuple[str, ...] = (ANY_REGION,),
    roles: tuple[str, ...] = (),
    seeds: tuple[Address, ...] = (),
    life_ms: int = LIFE_MS,
) -> Ticket:
    """Make a ticket. `secret`: 32 random bytes; whoever has them can admit nodes for `life_ms`.

    Raises `HostError` (CONFIG_INVALID) for regions or roles that are no names.
    """
    key = suite.signer(secret).public
    draft = Delegation(genesis.mesh, key, regions, roles, wall_ms - CLOCK_SLACK_MS, wall_ms + life_ms)
    try:
        delegation = delegate(genesis, signers, draft)
    except RemoteError as error:
        raise HostError(Code.CONFIG_INVALID, f"no ticket can say so: {error}") from error
    return Ticket(genesis, delegation, secret, seeds)


def join(ticket: Ticket, node_signer: Signer, region: str, suite: Suite, wall_ms: int) -> Identity:
    """Become a member by a ticket: sign one's own certificate. Raises `HostError` (TICKET_INVALID)."""
    delegation = ticket.delegation
    if wall_ms > delegation.not_after_ms:  # the grace is for members that hear no issuer, not for joining
        raise HostError(Code.TICKET_INVALID, "the ticket cannot be used: it has expired")
    node = NodeId(node_signer.public)
    since = max(wall_ms - CLOCK_SLACK_MS, delegation.not_before_ms)
    dates = since, delegation.not_after_ms
    certificate = Certificate(ticket.genesis.mesh, node, region, (), delegation.roles, *dates, delegation)
    statement = certificate.statement
    raw = _packed([statement, suite.signer(ticket.secret).sign(statement)])
    try:
        verified = verify_certificate(raw, ticket.genesis, suite, wall_ms)
    except RemoteError as error:
        raise HostError(Code.TICKET_INVALID, f"the ticket cannot be used: {error}") from error
    return Identity(ticket.genesis, node_signer, raw, verified)


def solo_identity(suite: Suite, seed: bytes, mesh_seed: bytes, region: str, wall_ms: int) -> Identity:
    """Make a member of a mesh from seeds alone: for simulations, where all may know all secrets."""
    key = blake2b(mesh_seed, digest_size=SEED_BYTES, person=b"gsm-mesh").digest()
    genesis = found_mesh(suite, [key], label="sim", salt=blake2b(mesh_seed, digest_size=16).digest())
    secret = blake2b(mesh_seed, digest_size=SEED_BYTES, person=b"gsm-secret").digest()
    ticket = invite(genesis, [suite.signer(key)], suite, secret, wall_ms=wall_ms)
    return join(ticket, suite.signer(blake2b(seed, digest_size=SEED_BYTES).digest()), region, suite, wall_ms)
