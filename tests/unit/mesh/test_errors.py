"""The hierarchy of errors, and what each of them carries."""

import pytest

from mesh import errors
from mesh.errors import ConfigError, DecodeError, HostError, MeshError, RemoteError, UsageError, require


def test_the_tree_is_the_one_in_the_docstring() -> None:
    assert errors.__doc__ is not None
    for error, above in [
        (ConfigError, MeshError),
        (UsageError, MeshError),
        (RemoteError, MeshError),
        (DecodeError, RemoteError),
        (HostError, MeshError),
    ]:
        assert error.__bases__ == (above,)
        assert error.__name__ in errors.__doc__


def test_a_decode_error_carries_its_offset_and_says_it_where_it_says_something() -> None:
    inside, at_start = DecodeError("no frame", 17), DecodeError("no frame")

    assert (str(inside), inside.offset) == ("no frame (at byte 17)", 17)
    assert (str(at_start), at_start.offset) == ("no frame", 0)


def test_a_host_error_carries_its_code() -> None:
    error = HostError("GSM-1101", "the port is taken")

    assert (str(error), error.code) == ("the port is taken", "GSM-1101")


def test_require_complains_only_where_something_is_wrong() -> None:
    require(fine=True, complaint="fine")

    with pytest.raises(ConfigError, match="backwards"):
        require(fine=False, complaint="backwards")
