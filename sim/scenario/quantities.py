"""Types of a scenario's fields: written as people write them, held as integers, and written back the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from mesh.log.record import RECORD_BYTES_MAX
from mesh.types import channel_fault, pattern_fault
from sim.units import (
    MILLION,
    RATE_MAX,
    TIME_MAX_US,
    TIMES_US,
    WORDS_MAX,
    duration_us,
    offset_us,
    rate_bps,
    say_bytes,
    say_ppm,
    say_rate,
    say_us,
    share_ppm,
    size_bytes,
    time_us,
)

MESSAGE_BYTES_MAX = RECORD_BYTES_MAX - (4 << 10)
"""What any node takes, whatever names stand beside it."""
NUMBER_MAX = (1 << 31) - 1
NUMBER = r"[0-9]+(\.[0-9]+)?"


IN_WORDS = {"in-words": True}
"""The context in which quantities have units, as in files: 5 is no time there."""


def _in_words(read: Callable[[object], int]) -> BeforeValidator:
    """Take what is an integer already as it is: a `Scenario` that is made has integers, the tables of files have words."""

    def taken(value: Any, info: ValidationInfo) -> Any:
        is_ready = isinstance(value, int) and not isinstance(value, bool) and info.context != IN_WORDS
        return value if is_ready else read(value)

    return BeforeValidator(taken)


def _time_us(text: object, least: str = "of 0 or more") -> int:
    us = time_us(text)
    if us < 0:
        raise ValueError(f'{text!r} is negative; expected a time {least}, such as "250ms" or "10s"')
    return us


Time = Annotated[
    int,
    _in_words(_time_us),
    Field(ge=0, le=TIME_MAX_US),
    PlainSerializer(say_us),
    WithJsonSchema({"type": "string", "pattern": rf"^{NUMBER}\s*(us|ms|s|m|h|d)$", "examples": ["250ms", "10s"]}),
]
"""Microseconds, not negative."""


def _lasting(us: int) -> int:
    if not us:
        raise ValueError("'0s' is not longer than 0s")
    return us


def at_most(most_us: int) -> AfterValidator:
    """A bound on a time, told as one."""

    def checked(us: int) -> int:
        if us > most_us:
            raise ValueError(f"{say_us(us)!r} is not at most {say_us(most_us)}")
        return us

    return AfterValidator(checked)


DELAY_MAX_US = TIMES_US["h"]
"""As of a region matrix: longer is a slip of the pen, and would be waited for, with heartbeats all the while."""
OneWayTime = Annotated[Time, at_most(DELAY_MAX_US)]
"""How long something takes from one node to another."""
Lasting = Annotated[
    int,
    _in_words(lambda text: _time_us(text, "longer than 0s")),
    Field(ge=0, le=TIME_MAX_US),
    PlainSerializer(say_us),
    AfterValidator(_lasting),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^(?=.*[1-9]){NUMBER}\s*(us|ms|s|m|h|d)$", "examples": ["250ms", "10s"]}
    ),
]
"""How long something lasts."""


def _beginning(value: Any) -> Any:
    if not isinstance(value, str) or value in ("beginning", "now"):
        return value
    try:
        us = duration_us(value)
    except ValueError:
        us = 0
    if not us:
        raise ValueError(f'{value[:WORDS_MAX]!r} is not "beginning", "now" or a time such as "5s"')
    return value


Since = Annotated[Literal["beginning", "now"] | Lasting, BeforeValidator(_beginning)]
"""Where a subscription begins: so long before the moment of asking, where it is neither."""
Offset = Annotated[
    int,
    _in_words(offset_us),
    Field(ge=-TIME_MAX_US, le=TIME_MAX_US),
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
MessageSize = Annotated[Size, Field(le=MESSAGE_BYTES_MAX)]
"""Bytes of one message."""
Rate = Annotated[
    int,
    _in_words(rate_bps),
    Field(gt=0, le=RATE_MAX),
    PlainSerializer(say_rate),
    WithJsonSchema({"type": "string", "pattern": rf"^{NUMBER}\s*[kMG]?bit/s$", "examples": ["64kbit/s", "10Mbit/s"]}),
]
"""Bits a second."""
Share = Annotated[
    int,
    _in_words(share_ppm),
    Field(ge=0, le=MILLION),
    PlainSerializer(say_ppm),
    WithJsonSchema(
        {"type": "string", "pattern": r"^0*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)\s*%$", "examples": ["30%", "0.5%"]}
    ),
]
"""Parts per million."""


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _one_or_more(text: dict[str, str], least: int = 1) -> WithJsonSchema:
    """A text, or a list of such."""
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text, "minItems": least}]})


LEVEL = r"[^/+#\u0000-\u001f\u007f-\u009f]+"
CHANNEL_SCHEMA = {"type": "string", "pattern": rf"^(?!\$){LEVEL}(/{LEVEL})*$"}
PATTERN_SCHEMA = {"type": "string", "pattern": rf"^((\+|{LEVEL})/)*(\+|#|{LEVEL})$"}
NAMES_SCHEMA = _one_or_more({"type": "string"})
Names = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_names), NAMES_SCHEMA]
"""Nodes or clients: names, patterns such as `eu-*`, or `@eu` for all nodes of a region."""
NamesOrNone = Annotated[tuple[str, ...], BeforeValidator(_names), _one_or_more({"type": "string"}, 0)]
"""The same, or nobody."""


PLACE, WHOSE = "{n}", "{client}"
"""Stand for a number, in the channels of a workload and in subscriptions, and there also for the client's name."""


def _text(what: str, fault_of: Callable[[str], str], *places: str) -> AfterValidator:
    """A channel or a pattern that can be, whatever stands at the places in braces that it may have."""

    def checked(text: str) -> str:
        bare = text
        for place in places:
            bare = bare.replace(place, "0")
        fault = fault_of(bare)
        if not fault and places and "{" in bare:
            fault = f"only {' and '.join(places)} may stand in braces"
        if fault:
            raise ValueError(f"{text[:WORDS_MAX]!r} is not a {what} that can be: {fault}")
        return text

    return AfterValidator(checked)


Channel = Annotated[str, _text("channel", channel_fault), WithJsonSchema(CHANNEL_SCHEMA)]
Channels = Annotated[
    tuple[Annotated[str, _text("channel", channel_fault, PLACE)], ...],
    Field(min_length=1),
    BeforeValidator(_names),
    _one_or_more(CHANNEL_SCHEMA),
]
"""Channels of a workload, in which `{n}` may stand."""
Pattern = Annotated[str, _text("pattern", pattern_fault), WithJsonSchema(PATTERN_SCHEMA)]
Patterns = Annotated[
    tuple[Pattern, ...],
    Field(min_length=1),
    BeforeValidator(_names),
    _one_or_more(PATTERN_SCHEMA),
]
"""What is subscribed to: `+` is one level, `#` the rest."""
PatternsOfMany = Annotated[
    tuple[Annotated[str, _text("pattern", pattern_fault, PLACE, WHOSE)], ...],
    Field(min_length=1),
    BeforeValidator(_names),
    _one_or_more(PATTERN_SCHEMA),
]
"""The same, in which `{n}` and `{client}` may stand."""
PatternsOfOne = Annotated[
    tuple[Annotated[str, _text("pattern", pattern_fault, WHOSE)], ...],
    Field(min_length=1),
    BeforeValidator(_names),
    _one_or_more(PATTERN_SCHEMA),
]
"""The same, in which `{client}` may stand."""


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError(f"{text[:WORDS_MAX]!r} is not a text with something in it")
    return text


Words = Annotated[str, AfterValidator(_not_empty), WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"\S"})]
"""What a person reads, and has to be there."""
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1, le=NUMBER_MAX)]
PageSize = Annotated[int, Field(strict=True, ge=1, le=1_000)]
"""Messages on a page of history: what a node shows at a time at the most, by default."""
Real = Annotated[float, Field(strict=True, ge=0, le=NUMBER_MAX, allow_inf_nan=False)]
"""A bound that is no integer."""
Setting = Annotated[int, Field(strict=True, ge=-NUMBER_MAX, le=1 << 53)] | Flag
"""Of a node, where it is no text."""


def _without_tables(value: Any) -> Any:
    for name, setting in value.items() if isinstance(value, dict) else ():
        if isinstance(setting, dict) and setting:
            whole = f"{name}.{next(iter(setting))}"
            raise ValueError(f"{whole[:WORDS_MAX]} is not a key in quotes: write {whole[:WORDS_MAX]!r} = …")
    return value


Settings = Annotated[dict[str, Setting], BeforeValidator(_without_tables)]
"""Of a node, each under its whole name ..."""
AllSettings = Annotated[dict[str, Setting | str], BeforeValidator(_without_tables)]
"""... or of all of them, where some are texts."""


class Part(BaseModel):
    """A table of a scenario. Unknown keys are refused; what was read never changes."""

    model_config = ConfigDict(
        defer_build=True,  # a scenario's validator holds those of its tables: one of each by itself is rarely asked for
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        alias_generator=lambda name: name.rstrip("_").replace("_", "-"),
    )
