"""What a node says of itself: plain maps, lists, text and numbers, for `status`, `doctor` and the demo."""

from __future__ import annotations

from mesh.engines.delivery import Delivery
from mesh.engines.repair import Repair
from mesh.engines.sessions import Sessions
from mesh.log.holdings import Holdings
from mesh.peers import Peers
from mesh.types import log_text, node_text

LOGS_MAX = 1_024
"""Logs that are listed; the sums count them all."""


def links_status(peers: Peers, repair: Repair) -> dict[str, object]:
    """Describe the peers that are linked, and what each has that is missing here."""
    linked = [
        {
            "node": node_text(peer.node),
            "region": peer.region,
            "life": str(peer.life),
            "address": str(peer.address) if peer.address else "",
            "behind": peer.behind,
            "silent": peer.silent,
            "missing": repair.partners[peer.link].missing.count,
        }
        for peer in peers
    ]
    return {"peers": linked, "missing": max((partner.missing.count for partner in repair.partners.values()), default=0)}


def sessions_status(sessions: Sessions, delivery: Delivery) -> dict[str, object]:
    """Describe the clients: sessions, subscriptions, and how many of these are behind."""
    return {
        "sessions": len(sessions.sessions),
        "subscriptions": len(delivery.readers),
        "behind": sum(reader.cursor is not None for reader in delivery.readers.values()),
    }


def holdings_status(holdings: Holdings) -> dict[str, object]:
    """Describe what is stored, log by log up to `LOGS_MAX`."""
    logs = sorted(holdings.stored.items())
    return {
        "digest": f"{holdings.digest:016x}",
        "logs": len(logs),
        "records": sum(held.positions.count for _, held in logs),
        "holes": sum(len(held.positions.missing(1, max(held.positions.last, 1))) for _, held in logs),
        "stored": {
            log_text(log): ",".join(f"{first}-{last}" for first, last in held.positions)
            for log, held in logs[:LOGS_MAX]
        },
        "forked": len(holdings.forked),
    }
