"""What the accelerator probe boots: a ROM that needs long mode, and the first process for a real kernel.

Both end the machine through QEMU's debug exit port, so success is exactly one exit status, which no crash, reset or
power-off produces.
"""

from __future__ import annotations

import base64
import struct

EXIT_PORT = 0xF4
_EXIT_VALUE = 0x10
SUCCESS = (_EXIT_VALUE << 1) | 1
"""QEMU's exit status when the payload got to its end."""

_ROM_SIZE = 65536
_BOOT_SECTOR = base64.b64decode(
    "+jHAjtiOwI7QvABwZr8AEAAAZjHAZrkAEAAAZvOrZscGABADIAAAZscG+B8DIAAAZscGACADMAAAZscG8C8DMAAAZscGADCDAAAA"
    "ZrggAAAADyLgZrgAEAAADyLYZrmAAADADzJmDQEBAAAPMGYPARZAfQ8gwGYNAQAAgA8iwGbqh3wAAAgAuBAAAACO2I7QZrr4A7BM"
    "7kjHxABwAIBIx8CxfAAASMfDAAAAgEgB2P/gZrr4A7BI7kiNBCUYfQAASAHYvzBQAABmiQdmx0cCCABmx0cEAI5IwegQZolHBkjB"
    "6BCJRwjHRwwAAAAADwEcJUZ9AADMuQIBAMAxwDHSDzAPAfgPINgPIthmuvgDsE3usBDm9PTr/VBSZrr4A7BJ7lpYSM8PHwAAAAAA"
    "AAAAAP//AAAAmq8A//8AAACSzwAXACh9AAD/DwBQ"
)
"""Enters long mode, maps itself high, takes an interrupt, writes an MSR, runs `swapgs`, reloads CR3: the ring-0 work
that a kernel does and that half-working KVM cannot."""
_COPY_SECTOR = bytes.fromhex("fab800f08ed831c08ec08ed031f6bf007cb90001fcf3a5ea007c0000")
"""At f000:0400: copy the boot sector to 0:7c00, where it expects to be, and jump there."""
_RESET_VECTOR = bytes.fromhex("ea000400f0")


def long_mode_rom() -> bytes:
    """A 64 KiB firmware image for `-bios`."""
    rom = bytearray(b"\xff" * _ROM_SIZE)
    rom[:512] = _BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa"
    rom[0x400 : 0x400 + len(_COPY_SECTOR)] = _COPY_SECTOR
    rom[0xFFF0 : 0xFFF0 + len(_RESET_VECTOR)] = _RESET_VECTOR
    return bytes(rom)


_LOAD_ADDRESS = 0x400000
_HEADERS = 64 + 56


def _first_process() -> bytes:
    """A static x86-64 program: get access to the exit port (`ioperm`), then write to it."""
    code = (
        b"\xb8" + struct.pack("<I", 173)  # mov eax, SYS_ioperm
        + b"\xbf" + struct.pack("<I", EXIT_PORT)  # mov edi, port
        + b"\xbe\x01\x00\x00\x00"  # mov esi, 1
        + b"\xba\x01\x00\x00\x00"  # mov edx, 1
        + b"\x0f\x05"  # syscall
        + b"\xb0" + bytes([_EXIT_VALUE])  # mov al, value
        + b"\xe6" + bytes([EXIT_PORT])  # out port, al
        + b"\xeb\xfe"  # wait here
    )  # fmt: skip
    size = _HEADERS + len(code)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _LOAD_ADDRESS + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return elf + segment + code


def initramfs() -> bytes:
    """A cpio archive whose `/init` is the program above."""
    return _cpio_entry("init", 0o100755, _first_process()) + _cpio_entry("TRAILER!!!", 0, b"")


def _cpio_entry(name: str, mode: int, content: bytes) -> bytes:
    fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(header) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
