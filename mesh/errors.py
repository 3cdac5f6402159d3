"""The errors of Gossamer.

MeshError
├── ConfigError      a parameter, or a pair, makes no sense           raised at construction
├── UsageError       the caller asked for what this state forbids     nothing changed
├── RemoteError      a peer or client broke the protocol              never leaves the node; counted, reported
│   └── DecodeError  bytes that are no frame; carries the offset
└── HostError        disk, socket or certificate failed               mesh.io and nodes only; carries a code
"""

from __future__ import annotations


class MeshError(Exception):
    """The root: whatever Gossamer raises on purpose."""


class ConfigError(MeshError):
    """A parameter, or a pair of them, makes no sense. Raised at construction, before anything runs."""


class UsageError(MeshError):
    """The caller asked for what this state forbids; nothing changed."""


class RemoteError(MeshError):
    """A peer or a client broke the protocol. Never leaves the node: it becomes a coded refusal or a dropped link."""


class DecodeError(RemoteError):
    """Bytes that are no frame, operation, batch or record."""

    def __init__(self, message: str, offset: int = 0) -> None:
        """Keep the offset (bytes) at which decoding gave up."""
        super().__init__(f"{message} (at byte {offset})" if offset else message)
        self.offset = offset


class HostError(MeshError):
    """The world failed: disk, socket, certificate, configuration. `code` is in `mesh.codes`."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the registry code beside the message."""
        super().__init__(message)
        self.code = code


def require(fine: bool, complaint: str) -> None:
    """Raise `ConfigError` with a complaint unless all is fine. For `__post_init__` of configs."""
    if not fine:
        raise ConfigError(complaint)
