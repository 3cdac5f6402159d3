"""What is published: varied JSON of exactly 128 bytes, the same for every system."""

import json

PAYLOAD_BYTES = 128


def payload(number: int) -> bytes:
    """Message `number`: a reading of a sensor, padded to 128 bytes."""
    value = (number * 2_654_435_761) & 0xFFFFFFFF
    reading = {"id": number, "sensor": f"s-{value % 997:04d}", "value": value / 1000, "unit": "kPa", "note": ""}
    packed = json.dumps(reading, separators=(",", ":"))
    filler = f"{value:010d}" * 13
    reading["note"] = filler[: PAYLOAD_BYTES - len(packed)]
    done = json.dumps(reading, separators=(",", ":")).encode()
    assert len(done) == PAYLOAD_BYTES, done
    return done


def number_of(data: bytes) -> int:
    """Which message it is, without parsing all of it."""
    return int(data[6 : data.index(b",")])
