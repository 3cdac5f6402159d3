"""The public face of Gossamer: `import gossamer` is the SDK.

    async with gossamer.connect("localhost") as client:
        await client.channel("room/42").publish({"text": "hello"})

Everything here lives in `nodes.sdk` and is fetched when it is first used, so that importing this package costs nothing
and the command can print its help without loading a network stack. `gossamer.sync` is the same for scripts without an
event loop.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.sdk import (
        Client,
        Cursor,
        Gap,
        GossamerError,
        Message,
        Receipt,
        WaitTimedOutError,
        connect,
        sync,
    )

__all__ = ["Client", "Cursor", "Gap", "GossamerError", "Message", "Receipt", "WaitTimedOutError", "connect", "sync"]

_HOME = "nodes.sdk"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("gossamer")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = import_module(f"{_HOME}.sync") if name == "sync" else getattr(import_module(_HOME), name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{_HOME}.sync".startswith(error.name):
            raise  # something that the SDK needs is missing, which is another matter
        raise AttributeError(f"gossamer.{name} is planned; this version has no {error.name} yet") from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
