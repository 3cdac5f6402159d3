"""The simulator's suite fails where the real one does: another message, key, signature or size."""

from mesh.crypto import NAME_BYTES, PUBLIC_BYTES, SIGNATURE_BYTES, SimSuite, name_of

SUITE = SimSuite()
SIGNER = SUITE.signer(b"s" * 32)


def test_a_signature_has_the_sizes_of_ed25519_and_verifies() -> None:
    signature = SIGNER.sign(b"hello")

    assert (len(SIGNER.public), len(signature)) == (PUBLIC_BYTES, SIGNATURE_BYTES)
    assert SUITE.verify(SIGNER.public, b"hello", signature)
    assert SIGNER.sign(b"hello") == signature


def test_whatever_is_changed_does_not_verify() -> None:
    signature = SIGNER.sign(b"hello")
    other = SUITE.signer(b"t" * 32).public
    broken = bytes([signature[0] ^ 1]) + signature[1:]

    assert not SUITE.verify(SIGNER.public, b"hullo", signature)
    assert not SUITE.verify(other, b"hello", signature)
    assert not SUITE.verify(SIGNER.public, b"hello", broken)


def test_foreign_bytes_of_any_size_do_not_raise() -> None:
    signature = SIGNER.sign(b"hello")

    for public in (b"", SIGNER.public[:-1], SIGNER.public * 9):
        assert not SUITE.verify(public, b"hello", signature)
    for size in (0, SIGNATURE_BYTES - 1, SIGNATURE_BYTES + 1):
        assert not SUITE.verify(SIGNER.public, b"hello", (signature * 2)[:size])


def test_a_name_is_32_bytes_of_what_it_names() -> None:
    assert len(name_of(b"")) == NAME_BYTES
    assert name_of(b"a") == name_of(b"a") != name_of(b"b")
