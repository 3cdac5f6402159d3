"""Numbers of ports that are held for who will listen."""

import contextlib
import socket

import pytest

from mesh.codes import Code
from mesh.errors import HostError
from nodes import ports as module
from nodes.ports import END, FIRST, LOOPBACK, Ports

KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_given_a_number_can_listen_at_it_and_again(kind: socket.SocketKind) -> None:
    with contextlib.closing(Ports()) as ports:
        number = ports.draw(kind)

        for _ in range(2):
            with socket.socket(socket.AF_INET, kind) as sock:
                sock.bind((LOOPBACK, number))
                assert sock.getsockname() == (LOOPBACK, number)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_draws_what_is_held_until_it_is_held_no_longer(
    kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Ports()) as ports, contextlib.closing(Ports()) as others:
        number = ports.draw(kind)
        monkeypatch.setattr(module, "FIRST", number)
        monkeypatch.setattr(module, "END", number + 1)  # there is no other

        for wanted in KINDS:
            with pytest.raises(HostError, match="1 free ports in a row were not found in 100 draws") as caught:
                others.draw(wanted)
            assert caught.value.code == Code.PORT_TAKEN
        ports.close()

        assert others.draw(kind) == number


def test_a_number_at_which_somebody_listens_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(Ports()) as ports, socket.socket() as somebody:
        first = ports.draw(socket.SOCK_STREAM, count=3)
        ports.close()
        somebody.bind((LOOPBACK, first + 1))
        somebody.listen()
        monkeypatch.setattr(module, "FIRST", first)
        monkeypatch.setattr(module, "END", first + 3)

        with pytest.raises(HostError):
            ports.draw(socket.SOCK_STREAM, count=3)
        free = {ports.draw(socket.SOCK_STREAM), ports.draw(socket.SOCK_STREAM)}

    assert free == {first, first + 2}


def test_numbers_lie_below_those_that_kernels_give_and_differ() -> None:
    with contextlib.closing(Ports()) as ports:
        drawn = [ports.draw(kind) for kind in KINDS for _ in range(20)]

    assert len(set(drawn)) == len(drawn)
    assert min(drawn) >= FIRST and max(drawn) < END <= 32_768
