"""`gossamer doctor`: find what is wrong, and say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mesh.codes import EXPLANATIONS, Code
from mesh.errors import HostError
from nodes.cli.common import FAILED, MISUSED, MISUSES, fail, gateway_flags, line, run

if TYPE_CHECKING:
    from nodes.checks import Finding

ANSWER_S = 2.0
MARKS = {"good": ("✓", "green"), "note": ("•", "yellow"), "bad": ("✗", "red")}


@click.command()
@click.option("--config", "-c", "path", type=click.Path(path_type=Path), help="Settings file (TOML) of the node.")
@click.option("--data", help="The node's data directory, if no settings file says.")
@click.option("--join", "ticket", default="", metavar="TICKET", help="Check a ticket, too.")
@gateway_flags
def doctor(path: Path | None, data: str | None, ticket: str, gateways: tuple[str, ...], as_json: bool) -> None:
    """Check machine, settings, data directory and mesh; say what is wrong and what to do. Exit 1 if something is."""
    from nodes.addresses import parse_address
    from nodes.checks import Finding, check_node, machine_findings
    from nodes.settings import gather

    findings: list[Finding] = []
    try:
        settings, _ = gather(path, os.environ, {"node.data": data})
    except HostError as error:
        settings = None
        findings.append(Finding("config", "bad", str(error), error.code))
        if not as_json:
            _show(findings[0])
        else:
            click.echo(line(_about(findings[0])))
    if settings is not None:
        listen = parse_address(settings.gateway.listen)
        drawn = settings.gateway.enabled and listen.port == 0
        where = gateways or ((str(listen),) if settings.gateway.enabled and not drawn else ())
        about, why = run(_ask(where)) if where else (None, "")
        findings += [Finding("config", "good", str(path or "defaults and environment"))]
        findings += machine_findings(settings, ticket, ours=about is not None)
        if about is not None:
            findings += check_node(about, settings)
        elif gateways:
            findings.append(Finding("node", "bad", why, Code.GATEWAY_UNREACHABLE))
        elif where:
            findings.append(Finding("node", "note", f"none runs here: nothing answers at {settings.gateway.listen}"))
        else:
            why = (
                "the system chooses its gateway's port: --gateway says which" if drawn else "its gateway is turned off"
            )
            findings.append(Finding("node", "note", f"{why}, so it cannot be asked"))
        for finding in findings:
            click.echo(line(_about(finding))) if as_json else _show(finding)
    if any(finding.state == "bad" for finding in findings):
        raise SystemExit(FAILED)


async def _ask(gateways: tuple[str, ...]) -> tuple[dict[str, Any] | None, str]:
    from nodes.sdk.client import connect
    from nodes.sdk.messages import GossamerError

    try:
        async with connect(*gateways, timeout=ANSWER_S) as session:
            return await session.status(), ""
    except GossamerError as error:
        if error.code != Code.GATEWAY_UNREACHABLE:
            fail(error.code, error.text, status=MISUSED if error.code in MISUSES else FAILED)
        return None, error.text


def _about(finding: Finding) -> dict[str, str]:
    remedy = EXPLANATIONS[Code(finding.code)].remedy if finding.code else ""
    return {
        "subject": finding.subject,
        "state": finding.state,
        "text": finding.text,
        "code": finding.code,
        "remedy": remedy,
    }


def _show(finding: Finding) -> None:
    mark, colour = MARKS[finding.state]
    code = f" [{finding.code}]" if finding.code else ""
    click.echo(f"{click.style(mark, fg=colour)} {finding.subject:<16} {finding.text}{code}")
    if finding.code and finding.state != "good":
        click.echo(f"  {'':<16} {EXPLANATIONS[Code(finding.code)].remedy}")
