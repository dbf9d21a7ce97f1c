"""The screen of a simulated machine: colour bars made from its id, above a bar that shows how far it has
booted.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from functools import lru_cache

WIDTH, HEIGHT = 640, 480
BARS = 16
BACKGROUND, PROGRESS = BARS, BARS + 1
STEPS = 64
"""Different pictures a boot goes through."""

_BOOT_ROWS = range(400, 440)
_BOOT_COLUMNS = range(40, 600)


def picture(server_id: str, boot: float) -> bytes:
    """A PNG of 640 x 480 pixels; `boot` is the part of the boot that is done, 0.0 to 1.0."""
    return _draw(server_id, round(min(max(boot, 0.0), 1.0) * STEPS))


@lru_cache(maxsize=64)
def _draw(server_id: str, step: int) -> bytes:
    colours = hashlib.shake_128(server_id.encode()).digest(3 * BARS)
    palette = colours + bytes((16, 16, 24)) + bytes((240, 240, 240))
    bars = bytes(column * BARS // WIDTH for column in range(WIDTH))
    dark = bytes([BACKGROUND]) * WIDTH
    done = len(_BOOT_COLUMNS) * step // STEPS
    boot = bytearray(dark)
    boot[_BOOT_COLUMNS.start : _BOOT_COLUMNS.start + done] = bytes([PROGRESS]) * done
    rows = bytearray()
    for row in range(HEIGHT):
        rows += b"\0"  # every row opens with its filter; none is used
        rows += boot if row in _BOOT_ROWS else bars if row < 360 else dark
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)  # 8 bits a pixel, colours from the palette
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", palette),
            _chunk(b"IDAT", zlib.compress(bytes(rows), 6)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
