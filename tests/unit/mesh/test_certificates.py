"""Who may be a member: delegations within the mesh, certificates within delegations, and nobody else."""

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from mesh import certificates as c
from mesh.certificates import (
    CLOCK_SLACK_MS,
    GRACE_MS,
    ISSUER,
    KEYS_MAX,
    LIFE_MS,
    REGIONS_MAX,
    SEEDS_MAX,
    TICKET_PREFIX,
    Certificate,
    Delegation,
    Genesis,
    Identity,
    Ticket,
    delegate,
    found_mesh,
    invite,
    join,
    read_genesis,
    read_ticket,
    solo_identity,
    verify_certificate,
)
from mesh.codes import Code
from mesh.crypto import Signer, name_of
from mesh.errors import HostError, RemoteError, UsageError
from mesh.types import Address, NodeId
from tests.samples import SUITE, WALL_MS

SEEDS = [b"1" * 32, b"2" * 32, b"3" * 32]
SALT, SECRET = b"s" * 16, b"t" * 32
KEYS = [SUITE.signer(seed) for seed in SEEDS]
GENESIS = found_mesh(SUITE, SEEDS, label="shops", salt=SALT, threshold=2)
TICKET_KEY = SUITE.signer(SECRET)
DRAFT = Delegation(GENESIS.mesh, TICKET_KEY.public, ("eu", "us"), ("holder",), WALL_MS, WALL_MS + LIFE_MS)
DELEGATION = delegate(GENESIS, KEYS[:2], DRAFT)
NODE = SUITE.signer(b"n" * 32)
MEMBER = Certificate(
    GENESIS.mesh, NodeId(NODE.public), "eu", ("rack-1",), ("holder",), WALL_MS, WALL_MS + LIFE_MS, DELEGATION
)


def packed(*parts: object) -> bytes:
    return msgpack.packb(parts)


def signed(certificate: Certificate, signer: Signer = TICKET_KEY) -> bytes:
    return packed(certificate.statement, signer.sign(certificate.statement))


def why_not(raw: bytes, wall_ms: int = WALL_MS) -> str:
    """Why a certificate does not hold."""
    with pytest.raises(RemoteError) as caught:
        verify_certificate(raw, GENESIS, SUITE, wall_ms)
    return str(caught.value)


# --- the mesh --------------------------------------------------------------------------------------------------------


def test_a_mesh_is_the_hash_of_its_statement() -> None:
    assert Genesis(tuple(key.public for key in KEYS), 2, "shops", SALT) == GENESIS
    assert read_genesis(GENESIS.statement) == GENESIS
    assert GENESIS.mesh == name_of(GENESIS.statement)
    others = [
        found_mesh(SUITE, SEEDS, label="shops", salt=b"u" * 16, threshold=2),
        found_mesh(SUITE, SEEDS, label="ships", salt=SALT, threshold=2),
        found_mesh(SUITE, SEEDS, label="shops", salt=SALT),
        found_mesh(SUITE, SEEDS[:2], label="shops", salt=SALT, threshold=2),
    ]
    assert len({GENESIS.mesh, *(other.mesh for other in others)}) == 5


KEY = KEYS[0].public


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (b"", "a genesis does not decode"),
        (b"\xc1", "a genesis does not decode"),
        (packed(1) + b"x", "a genesis does not decode"),
        (bytes((16 << 10) + 1), "a genesis is too large"),
        (packed(*([1] * 257)), "a genesis does not decode"),
        (packed(1, 2, 3, 4), "a genesis is an array of 5"),
        (msgpack.packb({}), "a genesis is an array of 5"),
        (packed("other", [KEY], 1, "x", SALT), "a genesis lists 1 to 16 keys"),
        (packed("gossamer-genesis-1", [], 1, "x", SALT), "a genesis lists 1 to 16 keys"),
        (packed("gossamer-genesis-1", KEY, 1, "x", SALT), "a genesis lists 1 to 16 keys"),
        (packed("gossamer-genesis-1", [KEY] * (KEYS_MAX + 1), 1, "x", SALT), "a genesis lists 1 to 16 keys"),
        (packed("gossamer-genesis-1", [KEY[1:]], 1, "x", SALT), "a key, name or signature has the wrong size"),
        (packed("gossamer-genesis-1", ["k"], 1, "x", SALT), "a key, name or signature has the wrong size"),
        (packed("gossamer-genesis-1", [KEY], 0, "x", SALT), "a genesis needs between one and all of its keys"),
        (packed("gossamer-genesis-1", [KEY], 2, "x", SALT), "a genesis needs between one and all of its keys"),
        (packed("gossamer-genesis-1", [KEY, KEY], 1, "x", SALT), "a genesis needs between one and all of its keys"),
        (packed("gossamer-genesis-1", [KEY], *[True], "x", SALT), "a number is out of range"),
        (packed("gossamer-genesis-1", [KEY], 1 << 63, "x", SALT), "a number is out of range"),
        (packed("gossamer-genesis-1", [KEY], -1, "x", SALT), "a number is out of range"),
        (packed("gossamer-genesis-1", [KEY], 1, "", SALT), "a name has 1 to 63 printable characters"),
        (packed("gossamer-genesis-1", [KEY], 1, "x" * 64, SALT), "a name has 1 to 63 printable characters"),
        (packed("gossamer-genesis-1", [KEY], 1, "a b", SALT), "a name has 1 to 63 printable characters"),
        (packed("gossamer-genesis-1", [KEY], 1, "a\n", SALT), "a name has 1 to 63 printable characters"),
        (packed("gossamer-genesis-1", [KEY], 1, b"x", SALT), "a name has 1 to 63 printable characters"),
        (packed("gossamer-genesis-1", [KEY], 1, "x", SALT[1:]), "a key, name or signature has the wrong size"),
    ],
)
def test_a_statement_that_founds_no_mesh_is_refused(statement: bytes, why: str) -> None:
    with pytest.raises(RemoteError, match=f"^{why}"):
        read_genesis(statement)


def test_the_largest_mesh_has_sixteen_keys_and_a_label_of_63_characters() -> None:
    seeds = [bytes([n]) * 32 for n in range(KEYS_MAX)]

    genesis = found_mesh(SUITE, seeds, label="x" * 63, salt=SALT, threshold=KEYS_MAX)

    assert read_genesis(genesis.statement) == genesis


# --- delegations -----------------------------------------------------------------------------------------------------


def certificate_under(delegation: Delegation, **changes: Any) -> Certificate:
    return replace(MEMBER, delegation=delegation, **changes)


def resigned(draft: Delegation, signers: list[Signer] | None = None) -> Delegation:
    """A delegation with other contents, signed by two keys of the mesh."""
    signers = KEYS[:2] if signers is None else signers
    signatures = tuple((GENESIS.keys.index(key.public), key.sign(draft.statement)) for key in signers)
    return replace(draft, signatures=signatures)


def test_enough_keys_of_the_mesh_make_a_delegation() -> None:
    for signers in (KEYS[:2], KEYS[1:], KEYS):
        delegation = delegate(GENESIS, signers, DRAFT)
        assert (
            verify_certificate(signed(certificate_under(delegation)), GENESIS, SUITE, WALL_MS).delegation == delegation
        )


@pytest.mark.parametrize(
    "delegation",
    [
        resigned(DRAFT, KEYS[:1]),
        resigned(DRAFT, [KEYS[0], KEYS[0]]),
        replace(DELEGATION, signatures=((0, KEYS[0].sign(DRAFT.statement)), (1, KEYS[0].sign(DRAFT.statement)))),
        replace(DELEGATION, signatures=((0, KEYS[0].sign(DRAFT.statement)), (3, KEYS[1].sign(DRAFT.statement)))),
        replace(DELEGATION, not_after_ms=WALL_MS + 2 * LIFE_MS),
        replace(DELEGATION, regions=("eu", "us", "ap")),
        replace(DELEGATION, signatures=()),
    ],
)
def test_a_delegation_without_enough_signatures_of_this_very_statement_does_not_count(delegation: Delegation) -> None:
    reason = "the delegation is not signed by enough keys of the mesh"

    assert why_not(signed(certificate_under(delegation))) == reason


def test_a_delegation_of_another_mesh_does_not_count() -> None:
    other = found_mesh(SUITE, SEEDS, label="ships", salt=SALT, threshold=2)

    assert why_not(signed(certificate_under(resigned(replace(DRAFT, mesh=other.mesh))))) == (
        "the delegation is of another mesh"
    )


def test_no_ticket_makes_issuers() -> None:
    delegation = resigned(replace(DRAFT, roles=("holder", ISSUER)))

    assert why_not(signed(certificate_under(delegation))) == "a ticket cannot make issuers"


def delegation_with(index: int, value: object) -> bytes:
    """A certificate whose delegation has another field, with whatever signatures."""
    fields = msgpack.unpackb(DRAFT.statement)
    fields[index] = value
    raw = packed(msgpack.packb(fields), [[0, b"s" * 64]])
    member = msgpack.unpackb(MEMBER.statement)
    member[8] = raw
    statement = msgpack.packb(member)
    return packed(statement, TICKET_KEY.sign(statement))


@pytest.mark.parametrize(
    ("index", "value", "why"),
    [
        (0, "gossamer-delegation-2", "a delegation has another form"),
        (1, b"m" * 31, "a key, name or signature has the wrong size"),
        (2, "k" * 32, "a key, name or signature has the wrong size"),
        (3, "eu", "at most 64 names"),
        (3, ["eu"] * (REGIONS_MAX + 1), "at most 64 names"),
        (3, [""], "a name has 1 to 63 printable characters"),
        (4, [5], "a name has 1 to 63 printable characters"),
        (5, -1, "a number is out of range"),
        (6, True, "a number is out of range"),
    ],
)
def test_every_field_of_a_delegation_is_typed_and_bounded(index: int, value: object, why: str) -> None:
    assert why_not(delegation_with(index, value)) == why


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xc1", "a delegation does not decode"),
        (packed(1), "a delegation is an array of 2"),
        (packed(1, []), "a key, name or signature has the wrong size"),
        (packed(packed(1), []), "a delegation is an array of 7"),
        (packed(DRAFT.statement, 5), "a delegation has another form"),
        (packed(DRAFT.statement, [[0, b"s" * 64]] * (KEYS_MAX + 1)), "a delegation has another form"),
        (packed(DRAFT.statement, [5]), "a signature is a key's place and the signature"),
        (packed(DRAFT.statement, [[0]]), "a signature is a key's place and the signature"),
        (packed(DRAFT.statement, [[0, b"s" * 63]]), "a key, name or signature has the wrong size"),
        (packed(DRAFT.statement, [[-1, b"s" * 64]]), "a number is out of range"),
        (
            packed(DRAFT.statement.replace(b"\x92\xa2eu", b"\xdc\x00\x02\xa2eu"), []),
            "a delegation is not in its one form",
        ),
    ],
)
def test_what_is_no_delegation_is_refused(raw: bytes, why: str) -> None:
    fields = msgpack.unpackb(MEMBER.statement)
    fields[8] = raw
    statement = msgpack.packb(fields)

    assert why_not(packed(statement, TICKET_KEY.sign(statement))) == why


# --- certificates ----------------------------------------------------------------------------------------------------


def test_a_certificate_within_its_delegation_holds() -> None:
    assert verify_certificate(signed(MEMBER), GENESIS, SUITE, WALL_MS) == MEMBER


def test_a_certificate_holds_from_a_day_before_its_beginning_to_a_week_after_its_end() -> None:
    raw = signed(MEMBER)
    first, last = WALL_MS - CLOCK_SLACK_MS, WALL_MS + LIFE_MS + GRACE_MS

    for wall_ms in (first, last):
        assert verify_certificate(raw, GENESIS, SUITE, wall_ms) == MEMBER
    for wall_ms in (first - 1, last + 1):
        assert why_not(raw, wall_ms) == "the certificate is expired, or not valid yet"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mesh": b"m" * 32}, "the certificate is of another mesh"),
        ({"region": "ap"}, "the ticket does not allow the region ap"),
        ({"roles": ("holder", "gateway")}, "the ticket does not allow these roles"),
        ({"roles": (ISSUER,)}, "the ticket does not allow these roles"),
        ({"not_before_ms": WALL_MS - 1}, "the certificate outlives its ticket"),
        ({"not_after_ms": WALL_MS + LIFE_MS + 1}, "the certificate outlives its ticket"),
    ],
)
def test_a_certificate_beyond_its_delegation_does_not_hold(changes: dict[str, Any], why: str) -> None:
    assert why_not(signed(replace(MEMBER, **changes))) == why


@pytest.mark.parametrize("changes", [{"region": "us"}, {"roles": ()}, {"labels": ()}])
def test_a_certificate_may_ask_for_less(changes: dict[str, Any]) -> None:
    member = replace(MEMBER, **changes)

    assert verify_certificate(signed(member), GENESIS, SUITE, WALL_MS) == member


def test_a_ticket_for_any_region_is_one_for_any_region() -> None:
    anywhere = certificate_under(resigned(replace(DRAFT, regions=("*",))), region="moon")

    assert verify_certificate(signed(anywhere), GENESIS, SUITE, WALL_MS).region == "moon"


def test_only_the_ticket_s_key_signs_certificates() -> None:
    for signer in (KEYS[0], NODE):
        assert why_not(signed(MEMBER, signer)) == "the certificate is not signed by its ticket"


def test_a_certificate_delegates_nothing() -> None:
    """Depth one: what a member's own key signs makes nobody a member."""
    deeper = replace(DELEGATION, ticket_key=NODE.public)

    assert why_not(signed(certificate_under(deeper), NODE)) == (
        "the delegation is not signed by enough keys of the mesh"
    )


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "a certificate does not decode"),
        (bytes((16 << 10) + 1), "a certificate is too large"),
        (packed(1), "a certificate is an array of 2"),
        (packed("x", b"s" * 64), "a key, name or signature has the wrong size"),
        (packed(packed(1), b"s" * 64), "a certificate is an array of 9"),
        (packed(MEMBER.statement, b"s" * 63), "a key, name or signature has the wrong size"),
        (
            packed(MEMBER.statement.replace(b"gossamer-member-1", b"gossamer-member-2"), b"s" * 64),
            "a certificate has another form",
        ),
        (
            packed(MEMBER.statement.replace(b"\x91\xa6rack-1", b"\xdc\x00\x01\xa6rack-1"), b"s" * 64),
            "a certificate is not in its one form",
        ),
    ],
)
def test_what_is_no_certificate_is_refused(raw: bytes, why: str) -> None:
    assert why_not(raw) == why


# --- tickets ---------------------------------------------------------------------------------------------------------

PLACES = (Address("eu.example", 7), Address("::1", 65_535))


def ticket(**changes: Any) -> Ticket:
    made = invite(GENESIS, KEYS[:2], SUITE, SECRET, wall_ms=WALL_MS, regions=("eu",), roles=("holder",), seeds=PLACES)
    return replace(made, **changes)


def test_an_invitation_is_one_line_that_is_read_again() -> None:
    made = ticket()

    text = made.text()

    assert text.startswith(TICKET_PREFIX)
    assert "\n" not in text
    assert read_ticket(text, SUITE) == made
    assert read_ticket(f"  {text[:40]}\n {text[40:]}\n", SUITE) == made
    delegation = made.delegation
    assert (delegation.regions, delegation.roles) == (("eu",), ("holder",))
    assert (delegation.not_before_ms, delegation.not_after_ms) == (WALL_MS - CLOCK_SLACK_MS, WALL_MS + LIFE_MS)


def test_an_invitation_is_for_any_region_and_no_role_unless_told_otherwise() -> None:
    made = invite(GENESIS, KEYS[:2], SUITE, SECRET, wall_ms=WALL_MS, life_ms=5)

    assert (made.delegation.regions, made.delegation.roles, made.seeds) == (("*",), (), ())
    assert made.delegation.not_after_ms == WALL_MS + 5


@pytest.mark.parametrize("fields", [{"regions": ("a b",)}, {"regions": ("eu",) * 65}, {"roles": ("",)}])
def test_nobody_is_invited_to_a_region_or_role_that_is_no_name(fields: dict[str, Any]) -> None:
    with pytest.raises(HostError, match="no ticket can say so: ") as caught:
        invite(GENESIS, KEYS[:2], SUITE, SECRET, wall_ms=WALL_MS, **fields)

    assert caught.value.code == Code.CONFIG_INVALID


def test_only_keys_of_the_mesh_delegate() -> None:
    with pytest.raises(UsageError, match="only keys of the mesh sign its delegations"):
        delegate(GENESIS, [KEYS[0], NODE], DRAFT)


def text_of(*parts: object) -> str:
    raw = packed(*parts)
    return TICKET_PREFIX + c.base64.urlsafe_b64encode(raw + c._checksum(raw)).decode().rstrip("=")


def ticket_with_places(places: object) -> str:
    made = ticket()
    return text_of(made.genesis.statement, made.delegation.encode(), SECRET, places)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a ticket begins with gsm1-"),
        ("gsm2-abc", "a ticket begins with gsm1-"),
        ("gsm1-", "its checksum does not hold"),
        ("gsm1-ab!c", "it holds characters that are none of it"),
        ("gsm1-abé", "it holds characters that are none of it"),
        ("gsm1-a", "it holds characters that are none of it"),
        (ticket().text()[:-1], "the ticket is damaged"),
        (ticket().text().replace("A", "B", 1), "its checksum does not hold"),
        (text_of(1), "the ticket does not hold: a ticket is an array of 4"),
        (text_of(b"", b"", SECRET, []), "the ticket does not hold: a genesis does not decode"),
        (ticket(secret=b"x" * 32).text(), "the ticket does not hold: its secret is of another one"),
        (ticket(secret=b"x" * 31).text(), "the ticket does not hold: a key, name or signature has the wrong size"),
        (ticket(delegation=DRAFT).text(), "the ticket does not hold: the delegation is not signed by enough keys"),
        (ticket_with_places(5), "the ticket does not hold: at most 16 seeds"),
        (ticket_with_places([["h", 1]] * (SEEDS_MAX + 1)), "the ticket does not hold: at most 16 seeds"),
        (ticket_with_places([5]), "the ticket does not hold: a seed is a host and a port"),
        (ticket_with_places([["h"]]), "the ticket does not hold: a seed is a host and a port"),
        (ticket_with_places([[b"h", 1]]), "the ticket does not hold: a seed is a host and a port"),
        (ticket_with_places([["", 1]]), "the ticket does not hold: a seed is a host and a port"),
        (ticket_with_places([["h" * 256, 1]]), "the ticket does not hold: a seed is a host and a port"),
        (ticket_with_places([["h", 0]]), "the ticket does not hold: a port lies between 1 and 65535"),
        (ticket_with_places([["h", 65_536]]), "the ticket does not hold: a port lies between 1 and 65535"),
    ],
)
def test_a_ticket_that_somebody_pasted_wrong_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(HostError) as caught:
        read_ticket(text, SUITE)

    assert caught.value.code == Code.TICKET_INVALID
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_limits_of_a_ticket_are_within() -> None:
    places = tuple(Address("h" * 255, port) for port in range(1, SEEDS_MAX + 1))

    assert read_ticket(ticket(seeds=places).text(), SUITE).seeds == places


def test_a_node_joins_by_signing_its_own_certificate() -> None:
    made = ticket()

    identity = join(made, NODE, "eu", SUITE, WALL_MS)

    dates = made.delegation.not_before_ms, made.delegation.not_after_ms
    expected = Certificate(GENESIS.mesh, NodeId(NODE.public), "eu", (), ("holder",), *dates, made.delegation)
    assert identity == Identity(GENESIS, NODE, signed(expected), expected)
    assert (identity.mesh, identity.node, identity.region) == (GENESIS.mesh, NODE.public, "eu")
    later = join(made, NODE, "eu", SUITE, WALL_MS + 5 * CLOCK_SLACK_MS)
    assert later.certificate.not_before_ms == WALL_MS + 4 * CLOCK_SLACK_MS


@pytest.mark.parametrize(
    ("region", "wall_ms", "why"),
    [
        ("us", WALL_MS, "the ticket does not allow the region us"),
        ("eu", WALL_MS + LIFE_MS + 1, "it has expired"),
        ("a b", WALL_MS, "a name has 1 to 63 printable characters"),
    ],
)
def test_a_ticket_that_cannot_be_used_says_why(region: str, wall_ms: int, why: str) -> None:
    with pytest.raises(HostError, match=f"the ticket cannot be used: {why}") as caught:
        join(ticket(), NODE, region, SUITE, wall_ms)

    assert caught.value.code == Code.TICKET_INVALID


def test_in_a_simulation_seeds_alone_make_members_of_one_mesh() -> None:
    ana, ben = (solo_identity(SUITE, seed, b"mesh", "eu", WALL_MS) for seed in (b"ana", b"ben"))

    assert ana.mesh == ben.mesh
    assert ana.node != ben.node
    assert verify_certificate(ben.certificate_raw, ana.genesis, SUITE, WALL_MS).node == ben.node
    assert solo_identity(SUITE, b"ana", b"other", "eu", WALL_MS).mesh != ana.mesh
