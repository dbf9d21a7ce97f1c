"""Images and the root disks made from them."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
from pathlib import Path

from goldsmith.clouds.port import DoesNotExist, ImageInfo, Refused
from goldsmith.clouds.qemu.machine import BASE, ROOT, plain_name
from goldsmith.clouds.qemu.process import Identity, failure, not_installed
from goldsmith.clouds.qemu.refusals import os_errors
from goldsmith.clouds.qemu.threads import to_the_end

GIB = 2**30
QEMU_IMG = "qemu-img"
_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQ")
"""Start of a qcow2 file: magic, version, offset and size of the backing file's name, cluster bits, virtual size."""
_QEMU_IMG_SECONDS = 60.0


def image_path(images: Path, image: str) -> Path:
    """Where the image with this id lies; `Refused` when the id is not a plain name."""
    return images / f"{plain_name('image id', image)}.qcow2"


def read_image(path: Path, image: str) -> ImageInfo:
    """What the file tells about itself. `DoesNotExist` without it, `Refused` when it is not a usable qcow2 image."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            stored = os.fstat(file.fileno()).st_blocks * 512
    except FileNotFoundError:
        raise DoesNotExist(f"image {image} is not on this host ({path})") from None
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise Refused(f"image {image} is not a qcow2 file ({path})")
    _, _, backing_name_at, _, _, virtual = _HEADER.unpack(header)
    if backing_name_at:
        # It could name any file of the host; and only the image itself is linked into a machine's folder.
        raise Refused(f"image {image} has a backing file: flatten it first (qemu-img convert)")
    return ImageInfo(id=image, virtual_bytes=virtual, stored_bytes=stored)


def link_base(image: Path, folder: Path) -> None:
    """Put the image into the machine's folder as its base: a hard link, a copy where that is impossible."""
    base = folder / BASE
    try:
        base.hardlink_to(image)
    except OSError as problem:
        if problem.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        shutil.copyfile(image, base)
        base.chmod(0o444)


async def create_overlay(folder: Path, disk_gib: int, identity: Identity) -> None:
    """Make the root disk of `disk_gib` GiB on top of the base in `folder`, which `identity` must own.

    Runs as that identity: reading an image header is not a thing for root.
    """
    await qemu_img(
        folder,
        identity,
        "create",
        "-q",
        "-f", "qcow2",
        "-F", "qcow2",
        "-b", BASE,  # relative: the chain stays whole wherever the folder goes
        ROOT,
        str(disk_gib * GIB),
    )  # fmt: skip


async def qemu_img(folder: Path, identity: Identity, *arguments: str) -> None:
    """Run `qemu-img` in `folder`; `Refused` with its words when it fails."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [QEMU_IMG, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_QEMU_IMG_SECONDS,
            check=False,
            user=identity.uid,
            group=identity.uid,
            extra_groups=None if identity.uid is None else [],
        )

    try:
        done = await to_the_end(run)
    except FileNotFoundError as problem:
        raise not_installed(QEMU_IMG, problem) from problem
    except subprocess.TimeoutExpired as problem:
        raise Refused(f"{QEMU_IMG} {arguments[0]} took longer than {_QEMU_IMG_SECONDS:g} s") from problem
    if done.returncode:
        said = done.stderr.strip() or failure(done.returncode)
        if "No space left" in said or "quota exceeded" in said:
            raise Refused(f"no space left on {folder}: {said}")
        raise Refused(f"{QEMU_IMG} {arguments[0]} failed: {said}")


def check_size(info: ImageInfo, disk_gib: int) -> None:
    """`Refused` when a disk of this size cannot hold the image."""
    if disk_gib * GIB < info.virtual_bytes:
        needed = -(-info.virtual_bytes // GIB)
        raise Refused(f"a disk of {disk_gib} GiB is too small for image {info.id}: at least {needed} GiB")


def prepare_folder(folder: Path, identity: Identity) -> None:
    """A new, empty folder at `folder` for `identity` alone; what lay there is removed."""
    with os_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        identity.own(folder)
