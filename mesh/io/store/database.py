"""The database file: its tables, its settings, and how it is opened.

Write-ahead log, `synchronous=FULL`: a commit returns when its pages are fsynced. Every row carries BLAKE2b-128 over
its columns, which is checked at each read; a body is covered by the hash in its header, so that it can be dropped
alone when it has expired.
"""

from __future__ import annotations

import contextlib
import sqlite3
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import msgpack

from mesh.codes import Code
from mesh.crypto import name_of
from mesh.errors import HostError
from mesh.log.batch import Batch
from mesh.types import LogId, NodeId

FORMAT = 1
CHECK_BYTES = 16
WAL_PAGES = 4_000
"""The write-ahead log is folded into the database when it has so many pages (of 4 KiB)."""
CACHE_KIB = 16_384

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE logs(
    log INTEGER PRIMARY KEY, node BLOB NOT NULL, epoch INTEGER NOT NULL, space TEXT NOT NULL,
    runs BLOB NOT NULL, stamp INTEGER NOT NULL, expires_ms INTEGER NOT NULL, row_check BLOB NOT NULL,
    verified INTEGER NOT NULL DEFAULT 0, UNIQUE(node, epoch, space));
CREATE TABLE batches(
    log INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, stamp INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, header BLOB NOT NULL, signature BLOB NOT NULL, public BLOB NOT NULL,
    proof BLOB NOT NULL, row_check BLOB NOT NULL, body BLOB, UNIQUE(log, first));
CREATE INDEX batches_expiry ON batches(expires_ms) WHERE body IS NOT NULL;
CREATE TABLE names(
    publisher TEXT NOT NULL, incarnation INTEGER NOT NULL, log INTEGER NOT NULL, first INTEGER NOT NULL,
    from_position INTEGER NOT NULL, last INTEGER NOT NULL, to_position INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, row_check BLOB NOT NULL,
    PRIMARY KEY(publisher, incarnation, log, first, from_position)) WITHOUT ROWID;
CREATE TABLE channels(
    channel TEXT NOT NULL, log INTEGER NOT NULL, first INTEGER NOT NULL, row_check BLOB NOT NULL,
    PRIMARY KEY(channel, log, first)) WITHOUT ROWID;
CREATE TABLE members(certificate BLOB PRIMARY KEY) WITHOUT ROWID;
"""
BATCH_COLUMNS = "log, first, last, stamp, expires_ms, header, signature, public, proof, row_check, body"

_pack = msgpack.Packer(autoreset=True, use_bin_type=True).pack


def row_check(*columns: object) -> bytes:
    """The checksum of a row: BLAKE2b-128 over its columns."""
    packed: bytes = msgpack.packb(columns)
    return blake2b(packed, digest_size=CHECK_BYTES, person=b"gsm-row").digest()


def batch_row(log: int, batch: Batch) -> tuple[object, ...]:
    """A batch as it is kept."""
    head = batch.head
    columns = (
        log,
        batch.first,
        batch.last,
        head.stamp,
        head.expires_ms,
        batch.header,
        batch.signature,
        batch.epoch_public,
        batch.epoch_proof,
    )
    return (*columns, row_check(*columns), batch.body)


def batch_of(row: tuple[object, ...]) -> Batch | None:
    """A batch from its row; None if the row, the header or the body is damaged."""
    *columns, check, body = row
    if row_check(*columns) != check:
        return None
    header, signature, public, proof = columns[5:]
    assert isinstance(header, bytes) and isinstance(signature, bytes)  # the check held: these are what we wrote
    assert isinstance(public, bytes) and isinstance(proof, bytes)
    if body is not None and not isinstance(body, bytes):
        return None
    batch = Batch(header, body, signature, public, proof)
    return batch if body is None or name_of(body) == batch.head.body_hash else None


def connect(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """Open a connection with our settings. It is used by one thread at a time, whichever that is."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64, timeout=5)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def open_database(path: Path, mesh: bytes, *, synchronous: str) -> sqlite3.Connection:
    """Open the store of a mesh, or make it. Raises `HostError` if it cannot be read, is newer, or another mesh's."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
        connection = connect(path, synchronous=synchronous)
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} INSERT INTO meta VALUES ('format', {FORMAT}), ('mesh', x'{mesh.hex()}');"
                " COMMIT;"
            )
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    except (sqlite3.DatabaseError, OSError) as error:
        raise HostError(Code.STORE_UNREADABLE, f"{path}: {error}") from error
    fault = _fault(meta, mesh)
    if fault is not None:
        connection.close()
        raise HostError(fault[0], f"{path}: {fault[1]}")
    return connection


def check_database(path: Path, mesh: bytes) -> None:
    """Look at a store, and change nothing, while a node may use it. Raises `HostError` as `open_database` does."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)) as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta"))
    except sqlite3.DatabaseError as error:
        raise HostError(Code.STORE_UNREADABLE, f"{path}: {error}") from error
    fault = _fault(meta, mesh)
    if fault is not None:
        raise HostError(fault[0], f"{path}: {fault[1]}")


def _fault(meta: dict[str, object], mesh: bytes) -> tuple[Code, str] | None:
    kept = meta.get("format")
    if not isinstance(kept, int):
        return Code.STORE_UNREADABLE, "it is a database, but none of Gossamer's"
    if kept > FORMAT:
        return Code.STORE_NEWER, f"its format is {kept}, this version knows {FORMAT}"
    if meta.get("mesh") != mesh:
        return Code.STORE_FOREIGN, "it holds messages of another mesh"
    return None


class LogNumbers:
    """Logs by the small numbers that rows name them with. The writer's; readers have their own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Look numbers up on this connection."""
        self._connection = connection
        self._numbers: dict[LogId, int] = {}
        self._logs: dict[int, LogId] = {}

    def find(self, log: LogId) -> int | None:
        """The number of a log, if it is kept."""
        number = self._numbers.get(log)
        if number is None:
            row = self._connection.execute(
                "SELECT log FROM logs WHERE node=? AND epoch=? AND space=?", (log.node, log.epoch, log.space)
            ).fetchone()
            if row is None:
                return None
            number = self._keep(row[0], log)
        return number

    def log(self, number: int) -> LogId | None:
        """The log of a number, if it is kept."""
        log = self._logs.get(number)
        if log is None:
            row = self._connection.execute("SELECT node, epoch, space FROM logs WHERE log=?", (number,)).fetchone()
            if row is None:
                return None
            log = LogId(NodeId(row[0]), row[1], row[2])
            self._keep(number, log)
        return log

    def all(self) -> list[LogId]:
        """Every log that is kept."""
        rows = self._connection.execute("SELECT node, epoch, space FROM logs").fetchall()
        return sorted(LogId(NodeId(node), epoch, space) for node, epoch, space in rows)

    def _keep(self, number: int, log: LogId) -> int:
        self._numbers[log] = number
        self._logs[number] = log
        return number

    def clear(self) -> None:
        """Forget: a transaction was rolled back, or a log vanished."""
        self._numbers.clear()
        self._logs.clear()
