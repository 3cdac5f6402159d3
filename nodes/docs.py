"""The pages of `docs/reference` on errors and settings, as text; `gossamer.docs` writes all of them."""

from __future__ import annotations

from mesh.codes import EXPLANATIONS, Code
from nodes.cli.config import toml_value
from nodes.settings import keys

NOTE = "<!-- Written by `make docs` from the code. Do not edit. -->\n"
FAMILIES = {
    "GSM-1": "This machine and its configuration",
    "GSM-2": "What a client asked for",
    "GSM-3": "What a peer did on a link",
    "GSM-4": "What was found in logs and clocks",
    "GSM-5": "What a client's own side ran into",
    "GSM-6": "What the simulator was given",
}


def errors_page() -> str:
    """Every coded error: title, cause, remedy."""
    parts = [NOTE, "# Errors\n", "`gossamer explain CODE` prints the same. A code keeps its meaning for ever.\n"]
    family = ""
    for code in Code:
        if code[:5] != family:
            family = code[:5]
            parts.append(f"## {FAMILIES[family]}\n")
        about = EXPLANATIONS[code]
        parts.append(f'### <a id="{code.lower()}"></a>{code}: {about.title}\n')
        parts.append(f"{about.cause}\n\n**What to do.** {about.remedy}\n")
    return "\n".join(parts)


def config_page() -> str:
    """Every setting of a node."""
    parts = [
        NOTE,
        "# Settings of a node\n",
        "File (TOML) < `GOSSAMER_…` environment < flags. A key that is not known is refused, with a suggestion.",
        "`gossamer config check` checks a file, `show` says what holds and why, `schema --json` is for editors.\n",
    ]
    section = ""
    for key in keys().values():
        head, _, name = key.path.partition(".")
        if head != section:
            section = head
            parts.append(f"\n## [{head}]\n\n| key | takes | default | |\n|---|---|---|---|")
        default = toml_value(key.default).replace("|", "\\|")
        parts.append(f"| `{name}` | {key.kind_text} | `{default}` | {key.about} `{key.environment}` |")
    return "\n".join(parts) + "\n"


PAGES = {"errors.md": errors_page, "config.md": config_page}
