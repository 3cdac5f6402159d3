"""Types of a scenario's fields: written as people write them, held as integers, and written back the same way."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from sim.units import duration_us, rate_bps, say_bytes, say_ppm, say_rate, say_us, share_ppm, size_bytes, time_us

NUMBER = r"\d+(\.\d+)?"


def _unless(kind: type, read: Any) -> Any:
    """Take what is an integer already as it is: Python scenarios give integers, files give words."""
    return lambda value: value if isinstance(value, kind) and not isinstance(value, bool) else read(value)


Time = Annotated[
    int,
    BeforeValidator(_unless(int, duration_us)),
    PlainSerializer(say_us),
    WithJsonSchema({"type": "string", "pattern": rf"^{NUMBER}\s*(us|ms|s|m|h|d)$", "examples": ["250ms", "10s"]}),
]
"""Microseconds, not negative."""
Offset = Annotated[
    int,
    BeforeValidator(_unless(int, time_us)),
    PlainSerializer(say_us),
    WithJsonSchema({"type": "string", "pattern": rf"^[+-]?{NUMBER}\s*(us|ms|s|m|h|d)$", "examples": ["-1h", "10m"]}),
]
"""Microseconds; may be negative."""
Size = Annotated[
    int,
    BeforeValidator(size_bytes),
    PlainSerializer(say_bytes),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "examples": ["64KiB", "10MB"]}]}),
]
"""Bytes."""
Rate = Annotated[
    int,
    BeforeValidator(_unless(int, rate_bps)),
    PlainSerializer(say_rate),
    WithJsonSchema({"type": "string", "pattern": rf"^{NUMBER}\s*[kMG]?bit/s$", "examples": ["64kbit/s", "10Mbit/s"]}),
]
"""Bits a second."""
Share = Annotated[
    int,
    BeforeValidator(_unless(int, share_ppm)),
    PlainSerializer(say_ppm),
    WithJsonSchema({"type": "string", "pattern": rf"^{NUMBER}\s*%$", "examples": ["30%", "0.5%"]}),
]
"""Parts per million."""


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Nodes or clients: names, patterns such as `eu-*`, or `@eu` for all nodes of a region."""


class Part(BaseModel):
    """A table of a scenario. Unknown keys are refused; what was read never changes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        alias_generator=lambda name: name.rstrip("_").replace("_", "-"),
    )
