"""What the validation of a tape or a journal finds wrong, in the words that our own errors use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

KINDS = {
    "bool": "true or false",
    "dataclass": "an object",
    "dict": "an object",
    "finite": "a number",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "an object",
    "string": "a text",
    "tuple": "a list",
}
"""What is expected, by how the type of an error begins; it goes on with what was wrong with it."""
BOUNDS = {
    "greater_than_equal": ("at least {}", "ge"),
    "less_than_equal": ("at most {}", "le"),
    "string_too_long": ("at most {} characters", "max_length"),
    "too_long": ("at most {} items", "max_length"),
    "too_short": ("at least {} items", "min_length"),
}
"""The same of what is bounded, and what the bound is called."""
UNKNOWN = "extra_forbidden", "unexpected_keyword_argument"


def expected(error: ErrorDetails) -> str:
    """What was expected; nothing where it is missing, for then whatever belongs there would do."""
    kind = error["type"]
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "missing":
        return ""
    if kind in UNKNOWN:
        return "no such key"
    if kind in BOUNDS:
        words, name = BOUNDS[kind]
        bound = error.get("ctx", {}).get(name, 0)
        return words.format(f"{int(bound) if bound == int(bound) else bound:,}")
    if kind == "value_error":
        return _parted(message)[1]
    return KINDS.get(kind.partition("_")[0], message[0].lower() + message[1:])


def problem(error: ErrorDetails, shown: str) -> str:
    """What is wrong: that it is missing, what a check of ours says of it, or else what stands there, as it is shown."""
    if error["type"] == "missing":
        return "it is missing"
    if error["type"] == "value_error":
        return _parted(error["msg"].removeprefix("Value error, "))[0] or shown
    return shown


def _parted(message: str) -> tuple[str, str]:
    """What a check of ours says: what is wrong, if it says that, and what was expected."""
    found, _, words = message.partition("; expected " if "; expected " in message else " is not ")
    return (found, words) if words else ("", message)
