"""What a Python scenario imports from its own folder, as `python FILE` would let it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from pathlib import Path


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported for a while. Nothing of it stays.

    The modules go, too: another folder may have one of the same name, and whoever asks for that means their own. A folder
    whose modules could be imported anyhow is left as it is.
    """
    place = str(folder.resolve())
    if place in sys.path:
        yield
        return
    path, before = list(sys.path), set(sys.modules)
    sys.path.insert(0, place)
    invalidate_caches()  # it may be younger than what was last seen of the folder
    try:
        yield
    finally:
        sys.path[:] = path
        new = set(sys.modules) - before
        theirs = {name for name in new if "." not in name and PathFinder.find_spec(name, [place])}
        for name in new:
            if name.partition(".")[0] in theirs:
                del sys.modules[name]
