"""What verbs share: how they end, and the flags that several have."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, BinaryIO, NoReturn, TextIO, TypeVar

import click

from mesh.codes import EXPLANATIONS, Code
from mesh.errors import HostError

FAILED, MISUSED, TIMED_OUT = 1, 2, 3
MISUSES = (Code.CHANNEL_INVALID, Code.PATTERN_INVALID, Code.FIELD_INVALID, Code.CONFIG_INVALID)
T = TypeVar("T")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def fail(code: str, text: str, *, status: int = FAILED) -> NoReturn:
    """End with one line: the code, what happened, and what to do."""
    explanation = EXPLANATIONS.get(Code(code)) if code in set(Code) else None
    remedy = f" {explanation.remedy}" if explanation else ""
    end = "" if text.endswith((".", "?", "!", "…")) else "."
    click.echo(f"gossamer: {code} {text}{end}{remedy}", err=True)
    raise SystemExit(status)


class Number(click.FloatRange):
    """A number in a range, which neither nan nor infinity is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number that can be waited for.", param, ctx)
        return number


def gateway_flags(function: Decorated) -> Decorated:
    """`--gateway`, `--json`: for verbs that are clients."""
    function = click.option(
        "--gateway",
        "-g",
        "gateways",
        multiple=True,
        metavar="A",
        help="Gateway to attach to; several may be given. [localhost]",
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(function)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a client's work; its errors are one line and an exit status."""
    from nodes.sdk.messages import GossamerError

    try:
        return asyncio.run(work)
    except GossamerError as error:
        status = TIMED_OUT if error.code == Code.WAIT_TIMED_OUT else FAILED
        misuse = error.code in MISUSES
        fail(error.code, error.text, status=MISUSED if misuse else status)
    except HostError as error:
        fail(error.code, str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # who read us has enough: end quietly, and let the interpreter's last flush go nowhere
        _forget_output()
        raise SystemExit(0) from None
    except OSError as error:  # a cursor file or an output that cannot be written
        out_of_order(error)


def _forget_output() -> None:
    """Let what is left in the buffer of the output go nowhere."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def out_of_order(error: OSError) -> NoReturn:
    """End with one line: a file, or an output, that cannot be written."""
    _forget_output()
    click.echo(f"gossamer: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", err=True)
    raise SystemExit(FAILED) from None


def standard(stream: TextIO | None, name: str) -> BinaryIO:
    """Standard input or output as bytes. Ends with one line if whoever started us has closed it."""
    if stream is None:
        click.echo(f"gossamer: there is no standard {name}: it is closed", err=True)
        raise SystemExit(FAILED)
    return stream.buffer


def line(value: dict[str, Any]) -> str:
    """One JSON object as a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
