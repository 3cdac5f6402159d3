"""What a node says while it runs: structured, one line an event; a console's colours in a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mesh.codes import EXPLANATIONS, Code


@contextmanager
def _without(package: str) -> Iterator[None]:
    """As if a package were not installed."""
    before = {package: sys.modules[package]} if package in sys.modules else {}
    sys.modules[package] = None  # type: ignore[assignment]  # which is how Python says so
    try:
        yield
    finally:
        del sys.modules[package]
        sys.modules.update(before)


with _without("rich"):  # structlog would take it for tracebacks, which are text here: a sixth of the start of a node
    import structlog

QUIET = {Code.LINK_SUPERSEDED, Code.NODE_STOPPING}
"""Codes that say nothing a person has to act on."""


def logger() -> Any:
    """What events are said to; its methods are levels."""
    return structlog.get_logger()


def configure(level: str, form: str) -> None:
    """Send events to standard error."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("websockets").setLevel(logging.ERROR)
    logging.getLogger("quic").setLevel(logging.ERROR)


def report(log: Any, code: str, about: Mapping[str, object]) -> None:
    """Say a coded event: its title, the facts, and what to do."""
    known = Code(code)
    explanation = EXPLANATIONS[known]
    say = log.debug if known in QUIET else log.warning
    say(explanation.title, code=code, **about, remedy=explanation.remedy)
