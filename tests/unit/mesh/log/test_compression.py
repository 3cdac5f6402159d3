"""Bodies are compressed where that pays, and come out as they went in."""

import random
import zlib

import pytest

from mesh.clocks.hybrid import stamp_of
from mesh.crypto import name_of
from mesh.log import batch as b
from mesh.log.batch import (
    CODEC_PLAIN,
    CODEC_ZLIB,
    COMPRESS_BYTES_MIN,
    SAMPLE_BYTES,
    SAMPLED_BYTES_MIN,
    SAMPLES,
)
from tests.samples import WALL_MS, Writer, received, record


def test_a_body_is_compressed_where_that_pays() -> None:
    small, large = Writer().write(1, payload=b"a" * 20), Writer().write(1, payload=b"a" * 600)
    noise = Writer().write(1, payload=b"".join(name_of(b"%d" % n) for n in range(20)))

    assert (small.head.codec, large.head.codec, noise.head.codec) == (CODEC_PLAIN, CODEC_ZLIB, CODEC_PLAIN)
    assert large.body is not None and len(large.body) < 200
    assert received(large).records() == large.records()


def test_compression_begins_at_its_least_size() -> None:
    overhead = len(record(1, b"a" * 100).raw) - 100
    below, least = (record(1, b"a" * (COMPRESS_BYTES_MIN - overhead - missing)) for missing in (1, 0))
    assert (len(below.raw), len(least.raw)) == (COMPRESS_BYTES_MIN - 1, COMPRESS_BYTES_MIN)

    assert Writer().seal([below]).head.codec == CODEC_PLAIN
    assert Writer().seal([least]).head.codec == CODEC_ZLIB


def test_a_tenth_must_be_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = record(1, b"a" * 971, stamp=stamp_of(WALL_MS))
    size = len(plain.raw)
    codecs = []
    for packed in (size * 9 // 10, size * 9 // 10 - 1):
        monkeypatch.setattr(b.zlib, "compress", lambda *_, packed=packed: bytes(packed))
        codecs.append(Writer().seal([plain]).head.codec)

    assert codecs == [CODEC_PLAIN, CODEC_ZLIB]


def test_a_large_body_is_compressed_where_that_pays_for_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    text, noise = b"a" * SAMPLED_BYTES_MIN, random.Random(1).randbytes(SAMPLED_BYTES_MIN)
    compressed: list[int] = []
    compress = zlib.compress
    monkeypatch.setattr(
        b.zlib, "compress", lambda plain, level: compressed.append(len(plain)) or compress(plain, level)
    )

    for payload, codec, tries in (
        (text, CODEC_ZLIB, 2),
        (noise, CODEC_PLAIN, 1),  # and nothing but its samples was compressed
        (noise[: SAMPLED_BYTES_MIN * 4 // 5] + text[: SAMPLED_BYTES_MIN // 4], CODEC_ZLIB, 2),
        (noise[: SAMPLED_BYTES_MIN // 2], CODEC_PLAIN, 1),  # too small to be sampled
    ):
        batch = Writer().write(1, payload=payload)
        assert (batch.head.codec, len(compressed)) == (codec, tries), len(payload)
        assert received(batch).records() == batch.records()
        assert tries == 1 or compressed[0] == SAMPLES * SAMPLE_BYTES
        compressed.clear()


def test_samples_are_of_all_of_a_body() -> None:
    size = SAMPLED_BYTES_MIN
    half = random.Random(1).randbytes(size // 2)

    assert all(b._compressed(each) is not None for each in (half + b"a" * (size // 2), b"a" * (size // 2) + half))
