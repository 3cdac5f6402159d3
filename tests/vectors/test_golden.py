"""Do the bytes stay? Every frame and operation has its golden bytes, in hex, one file each.

A file that changes is a decision about compatibility: `pytest tests/vectors --update` writes it, and the commit says why.
"""

from pathlib import Path

import pytest

from mesh import frames as f
from mesh import operations as o
from mesh.wire.frames import decode_frame, encode_frame
from mesh.wire.operations import decode_client, decode_node, encode_operation
from mesh.wire.text import encode_node_text
from tests.vectors.examples import FRAMES, OPERATIONS

FOLDER = Path(__file__).parent
LINE = 120
FROM_CLIENT = o.ClientOperation.__args__  # type: ignore[attr-defined]


def golden(folder: str, name: str, encoded: bytes, *, update: bool) -> bytes:
    """The golden bytes of a name; with `--update`, those that were encoded now, from now on."""
    path = FOLDER / folder / f"{name}.hex"
    if update:
        path.parent.mkdir(exist_ok=True)
        digits = encoded.hex()
        path.write_text("".join(digits[at : at + LINE] + "\n" for at in range(0, len(digits), LINE)))
    return bytes.fromhex(path.read_text())


def without_raw(operation: o.ClientOperation | o.NodeOperation) -> o.ClientOperation | o.NodeOperation:
    """What a client sees: records that were decoded from a spliced array do not keep their bytes."""
    if not isinstance(operation, o.Messages | o.HistoryPage):
        return operation
    fields = {name: getattr(operation, name) for name in operation.__slots__}
    fields["records"] = tuple(record._replace(raw=b"") for record in operation.records)
    return type(operation)(**fields)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_has_its_golden_bytes_and_is_read_from_them(name: str, update_transcripts: bool) -> None:
    frame = FRAMES[name]

    encoded = encode_frame(frame)

    assert encoded == golden("frames", name, encoded, update=update_transcripts)
    assert decode_frame(encoded) == frame


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_its_golden_bytes_and_is_read_from_them(name: str, update_transcripts: bool) -> None:
    operation = OPERATIONS[name]
    decode, other = (decode_client, decode_node) if isinstance(operation, FROM_CLIENT) else (decode_node, decode_client)

    encoded = encode_operation(operation)

    assert encoded == golden("operations", name, encoded, update=update_transcripts)
    assert decode(encoded) == without_raw(operation)
    assert other(encoded) is None


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if not isinstance(one, FROM_CLIENT)])
def test_what_a_node_says_has_its_golden_json(name: str, update_transcripts: bool) -> None:
    operation = OPERATIONS[name]
    assert not isinstance(operation, FROM_CLIENT)

    text = encode_node_text(operation)

    path = FOLDER / "json" / f"{name}.json"
    if update_transcripts:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text()


def test_every_kind_has_a_vector_and_every_vector_a_kind() -> None:
    kinds = {type(frame) for frame in FRAMES.values()}
    said = {type(operation) for operation in OPERATIONS.values()}

    assert kinds == set(f.Frame.__args__)  # type: ignore[attr-defined]
    assert said == {*FROM_CLIENT, *o.NodeOperation.__args__}  # type: ignore[attr-defined]
    assert {path.stem for path in FOLDER.glob("frames/*")} == FRAMES.keys()
    assert {path.stem for path in FOLDER.glob("operations/*")} == OPERATIONS.keys()
