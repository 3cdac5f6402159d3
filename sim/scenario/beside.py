"""What a Python scenario imports from its own folder, as `python FILE` would let it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from pathlib import Path


@contextmanager
def importable(folder: Path) -> Iterator[list[Path]]:
    """Let modules of a folder be imported for a while. Nothing of it stays but the list of files that were imported.

    The modules go, too: another folder may have one of the same name, and whoever asks for that means their own. A folder
    whose modules could be imported anyhow is left as it is. The list is whole afterwards.
    """
    place = str(folder.resolve())
    path, before = list(sys.path), set(sys.modules)
    files: list[Path] = []
    if place in sys.path:
        yield files
        files += _files(before, place)
        return
    sys.path.insert(0, place)
    invalidate_caches()  # it may be younger than what was last seen of the folder
    try:
        yield files
    finally:
        files += _files(before, place)
        sys.path[:] = path
        new = set(sys.modules) - before
        theirs = {name for name in new if "." not in name and PathFinder.find_spec(name, [place])}
        for name in new:
            if name.partition(".")[0] in theirs:
                del sys.modules[name]


def _files(before: Collection[str], place: str) -> list[Path]:
    """The files of modules that are new, and of those from the folder, which may have been imported before."""
    named = [(name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items())]
    found = [(name, Path(file)) for name, file in named if isinstance(file, str)]
    return [file for name, file in found if name not in before or file.is_relative_to(place)]
