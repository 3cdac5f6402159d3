"""What a measurement was made on."""

import os
import platform
import sqlite3
import sys
from pathlib import Path


def machine() -> dict[str, object]:
    """What was measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
    }


def in_words(about: dict[str, object]) -> str:
    """The line that stands above what was measured."""
    return f"On {about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}."
