"""`gossamer explain`: what a code means."""

from __future__ import annotations

import click

from mesh.codes import EXPLANATIONS, Code
from nodes.cli.common import MISUSED, line


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def explain(code: str | None, as_json: bool) -> None:
    """Explain an error code: what happened, why, what to do. Without CODE: list them all."""
    if code is None:
        for each in Code:
            click.echo(line(_about(each)) if as_json else f"{each}  {EXPLANATIONS[each].title}")
        return
    wanted = code.strip().upper()
    wanted = wanted if wanted.startswith("GSM-") else f"GSM-{wanted.removeprefix('GSM')}"
    if wanted not in set(Code):
        click.echo(f"gossamer: there is no code {code}; `gossamer explain` lists them all", err=True)
        raise SystemExit(MISUSED)
    found = Code(wanted)
    if as_json:
        click.echo(line(_about(found)))
        return
    about = EXPLANATIONS[found]
    click.echo(f"{found}: {about.title}\n\n{about.cause}\n\nWhat to do: {about.remedy}")
    click.echo(f"\nPage: docs/reference/errors.md#{found.lower()}")


def _about(code: Code) -> dict[str, str]:
    explanation = EXPLANATIONS[code]
    return {
        "code": str(code),
        "title": explanation.title,
        "cause": explanation.cause,
        "remedy": explanation.remedy,
        "page": f"docs/reference/errors.md#{code.lower()}",
    }
