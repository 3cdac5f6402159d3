"""Settings of a node: TOML file < environment < flags.

Every key is a field of a frozen dataclass with its documentation beside it. A key that is not known is refused, with the
nearest that is; nothing is ignored. `GOSSAMER_NODE_REGION` sets `node.region`, and so on for every key.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.codes import Code
from mesh.errors import HostError
from mesh.log.record import TTL_MS_MAX
from nodes.addresses import gateway_url, is_loopback, parse_address

ENVIRONMENT_PREFIX = "GOSSAMER_"
GATEWAY_PORT = 7420
MESH_PORT = 7421


def _key(default: Any, about: str) -> Any:  # a field with its documentation
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The node and its place in the mesh."""

    region: str = _key("local", "The region that this node is in; its ticket has to allow it.")
    data: str = _key("gossamer-node", "Where keys and messages are kept. One process at a time.")
    listen: str = _key(f"0.0.0.0:{MESH_PORT}", "Where other nodes reach this one (UDP). Port 0 lets the system choose.")
    advertise: str = _key("", "The address that others are told, if it is not the one that this node listens on.")
    seeds: tuple[str, ...] = _key((), "Addresses of other nodes to begin with, as host:port.")
    mdns: bool = _key(default=True, about="Whether to find, and be found by, nodes on the same LAN.")
    disk_reserve_bytes: int = _key(64 << 20, "Publishes are refused while less of the disk is free.")
    retention_ms: int = _key(7 * 86_400_000, "How long messages live that say nothing of it themselves.")
    datagram_bytes: int = _key(1_452, "The largest UDP payload to try. Raise it on loopback or with jumbo frames.")


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where clients attach."""

    enabled: bool = _key(default=True, about="Whether clients may attach to this node.")
    listen: str = _key(
        f"127.0.0.1:{GATEWAY_PORT}", "Where clients attach (TCP): WebSocket, /metrics, /healthz, /readyz."
    )
    open: bool = _key(
        default=False, about="Whether anyone who can reach it may attach; else it binds to loopback only."
    )
    advertise: str = _key("", "The URL that clients are told, if it is not the one that this gateway listens on.")
    sessions_max: int = _key(10_000, "How many clients may be attached at a time.")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the node says while it runs."""

    level: str = _key("info", "debug, info, warning or error.")
    format: str = _key("auto", "console, json, or auto: console in a terminal, json elsewhere.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings."""

    node: NodeSettings = field(default_factory=NodeSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    log: LogSettings = field(default_factory=LogSettings)


CHOICES = {"log.level": ("debug", "info", "warning", "error"), "log.format": ("auto", "console", "json")}
LEAST = {
    "node.disk_reserve_bytes": 0,
    "node.retention_ms": 1,
    "node.datagram_bytes": 1_200,
    "gateway.sessions_max": 1,
}

MOST = {"node.retention_ms": TTL_MS_MAX, "node.datagram_bytes": 65_507}
"""400 days; what a UDP datagram can hold."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `section.name`, its type, default and documentation."""

    path: str
    kind: Any
    default: Any
    about: str

    @property
    def environment(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.path.replace(".", "_").upper()

    @property
    def kind_text(self) -> str:
        """What it takes, in words."""
        return {bool: "true or false", int: "whole number", str: "text"}.get(self.kind, "list of texts")


def keys() -> dict[str, Key]:
    """All keys, in the order of the documentation."""
    found: dict[str, Key] = {}
    for section in dataclasses.fields(Settings):
        owner = typing.get_type_hints(Settings)[section.name]
        kinds = typing.get_type_hints(owner)
        for item in dataclasses.fields(owner):
            path = f"{section.name}.{item.name}"
            found[path] = Key(path, kinds[item.name], item.default, item.metadata["about"])
    return found


def _refuse(where: str, complaint: str) -> HostError:
    return HostError(Code.CONFIG_INVALID, f"{where}: {complaint}")


def _unknown(where: str, name: str, known: list[str]) -> HostError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known[:8])}…"
    return HostError(Code.CONFIG_UNKNOWN_KEY, f"{where}: there is no {name}{hint}")


def _typed(key: Key, value: Any, where: str) -> Any:
    """Check a value from TOML or a flag."""
    if typing.get_origin(key.kind) is tuple or isinstance(key.kind, types.GenericAlias):
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise _refuse(where, f"{key.path} takes a list of texts, found {value!r}")
    if key.kind is bool and isinstance(value, bool):
        return value
    if key.kind is int and isinstance(value, int) and not isinstance(value, bool):
        if value < LEAST.get(key.path, 0):
            raise _refuse(where, f"{key.path} is at least {LEAST.get(key.path, 0)}, found {value}")
        if value > MOST.get(key.path, value):
            raise _refuse(where, f"{key.path} is at most {MOST[key.path]}, found {value}")
        return value
    if key.kind is str and isinstance(value, str):
        if key.path in CHOICES and value not in CHOICES[key.path]:
            raise _refuse(where, f"{key.path} is one of {', '.join(CHOICES[key.path])}, found {value!r}")
        return value
    raise _refuse(where, f"{key.path} takes {key.kind_text}, found {value!r}")


def _from_text(key: Key, text: str, where: str) -> Any:
    """Read a value from the environment."""
    if key.kind is bool:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise _refuse(where, f"{key.path} takes true or false, found {text!r}")
    if key.kind is int:
        try:
            return _typed(key, int(text), where)
        except ValueError:
            raise _refuse(where, f"{key.path} takes a whole number, found {text!r}") from None
    if key.kind is str:
        return _typed(key, text, where)
    return tuple(item.strip() for item in text.split(",") if item.strip())


def read_file(path: Path) -> dict[str, Any]:
    """Read a TOML file: values by `section.name`. Raises `HostError` that names file and line."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(Code.CONFIG_UNREADABLE, f"{path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise HostError(Code.CONFIG_UNREADABLE, f"{path}: {error}") from error
    known = keys()
    sections = [item.name for item in dataclasses.fields(Settings)]
    values: dict[str, Any] = {}
    for section, table in document.items():
        if section not in sections:
            raise _unknown(str(path), section, sections)
        if not isinstance(table, dict):
            raise _refuse(str(path), f"[{section}] is a table with keys, found {section} = {table!r}")
        for name, value in table.items():
            key = f"{section}.{name}"
            if key not in known:
                raise _unknown(str(path), key, [k for k in known if k.startswith(section)])
            values[key] = _typed(known[key], value, str(path))
    return values


def read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read `GOSSAMER_SECTION_NAME` variables. Those of a section that does not exist belong to verbs' flags."""
    by_name = {key.environment: key for key in keys().values()}
    sections = tuple(f"{ENVIRONMENT_PREFIX}{item.name.upper()}_" for item in dataclasses.fields(Settings))
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if name in by_name:
            values[by_name[name].path] = _from_text(by_name[name], text, name)
        elif name.startswith(sections) and name not in FLAG_TWINS:
            raise _unknown("the environment", name, sorted(by_name))
    return values


FLAG_TWINS = {
    "GOSSAMER_NODE_CONFIG", "GOSSAMER_NODE_GATEWAY", "GOSSAMER_NODE_JOIN", "GOSSAMER_NODE_JSON", "GOSSAMER_NODE_NO_MDNS",
    "GOSSAMER_NODE_OPEN", "GOSSAMER_NODE_SEED",
}  # fmt: skip
"""Variables of the verb `node`'s own flags, where they are called otherwise than their settings."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A value and where it came from: default, file, environment or flag."""

    value: Any
    source: str


def gather(
    path: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> tuple[Settings, dict[str, Origin]]:
    """Put settings together: file < environment < flags. Returns them, and where each value came from."""
    known = keys()
    origins = {name: Origin(key.default, "default") for name, key in known.items()}
    sources = [("file", read_file(path) if path is not None else {}), ("environment", read_environment(environment))]
    for source, values in (*sources, ("flag", {name: value for name, value in flags.items() if value is not None})):
        for name, value in values.items():
            typed = _typed(known[name], value, source) if source == "flag" else value
            origins[name] = Origin(typed, source)
    sections: dict[str, dict[str, Any]] = {}
    for name, origin in origins.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = origin.value
    settings = Settings(
        NodeSettings(**sections["node"]), GatewaySettings(**sections["gateway"]), LogSettings(**sections["log"])
    )
    _check_addresses(settings)
    return settings, origins


def _check_addresses(settings: Settings) -> None:
    """Refuse what no node can start with: addresses that are none, a gateway that others reach and that is not open."""
    node, gateway = settings.node, settings.gateway
    parse_address(node.listen, what="node.listen")
    if node.advertise:
        parse_address(node.advertise, what="node.advertise")
    for seed in node.seeds:
        parse_address(seed, what="each of node.seeds")
    listen = parse_address(gateway.listen, what="gateway.listen")
    if gateway.advertise:
        gateway_url(gateway.advertise, what="gateway.advertise")
    if gateway.enabled and not gateway.open and not is_loopback(listen.host):
        text = f"gateway.listen is {listen}, which others can reach; without tokens that needs gateway.open = true"
        raise HostError(Code.CONFIG_INVALID, text)


JSON_TYPES: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    str: {"type": "string"},
}


def json_schema() -> dict[str, Any]:
    """The settings file as a JSON Schema (draft 2020-12)."""
    sections: dict[str, Any] = {}
    for key in keys().values():
        section, _, name = key.path.partition(".")
        about = dict(JSON_TYPES.get(key.kind, {"type": "array", "items": {"type": "string"}}))
        if key.path in CHOICES:
            about["enum"] = list(CHOICES[key.path])
        if key.kind is int:
            about["minimum"] = LEAST.get(key.path, 0)
        if key.path in MOST:
            about["maximum"] = MOST[key.path]
        default = list(key.default) if isinstance(key.default, tuple) else key.default
        table = sections.setdefault(section, {"type": "object", "additionalProperties": False, "properties": {}})
        table["properties"][name] = {"description": key.about, "default": default, **about}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of a Gossamer node",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }
