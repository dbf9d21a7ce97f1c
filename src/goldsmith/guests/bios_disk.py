"""A bootable disk from a folder of files: GPT, ext4 and GRUB for BIOS, written without loop devices or mounts.

`grub-install` wants a mounted block device. What it does is small and documented in GRUB's own sources, so it is
done here by hand: the boot sector is told where the second stage lies, and the second stage where it goes on.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

SECTOR = 512
_CORE_START = 2048
"""First sector of the BIOS boot partition, which holds GRUB's second stage."""
_ROOT_START = 4096
"""First sector of the root partition."""
_GPT_TAIL = 2048
"""Sectors kept free at the end for the backup partition table."""
_GRUB_MODULES = (
    "biosdisk", "part_gpt", "ext2", "search", "search_label", "configfile", "normal", "linux", "boot",
)  # fmt: skip
_GRUB_LIBRARY = Path("/usr/lib/grub/i386-pc")
_BOOT_CODE_SIZE = 440
_KERNEL_SECTOR_AT = 0x5C
"""Offset in boot.img of the 64-bit sector number of core.img."""
_DRIVE_CHECK_AT = 0x66
"""Offset in boot.img of a jump that GRUB replaces by two NOPs to trust the drive number the BIOS gives."""
_BLOCKLIST_AT = 0x1F4
"""Offset in core.img of its first block list entry: 64-bit sector, 16-bit count, 16-bit load segment."""
_LOAD_SEGMENT = 0x820

# Features are pinned so that the image does not depend on the builder's e2fsprogs: GRUB cannot read all new ones.
MKE2FS_CONFIG = """[defaults]
 base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
 default_mntopts = acl,user_xattr
 blocksize = 4096
 inode_size = 256
 inode_ratio = 16384
[fs_types]
 ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
 }
"""


def partition_table() -> str:
    """Input for `sfdisk`: the BIOS boot partition, and the root partition last so that it can grow."""
    return (
        "label: gpt\n"
        f"start={_CORE_START}, size={_ROOT_START - _CORE_START}, type=21686148-6449-6E6F-744E-656564454649\n"
        f"start={_ROOT_START}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n"
    )


def make_filesystem_command(disk: Path, tree: Path, label: str, disk_mib: int) -> Sequence[str]:
    """The `mke2fs` that fills the root partition of `disk` (`disk_mib` MiB large) with the files of `tree`."""
    kib = (disk_mib * 1024 * 1024 - (_ROOT_START + _GPT_TAIL) * SECTOR) // 4096 * 4
    return (
        "mke2fs",
        "-q",
        "-F",
        "-t", "ext4",
        "-L", label,
        "-m", "1",
        # The file is new and sparse, so it reads as zeros: neither now nor in the guest need inode tables be cleared.
        "-E", f"offset={_ROOT_START * SECTOR},lazy_itable_init=1,assume_storage_prezeroed=1",
        "-d", str(tree),
        str(disk),
        f"{kib}k",
    )  # fmt: skip


def make_core_command(core: Path, early: Path) -> Sequence[str]:
    """The `grub-mkimage` that makes the second stage; `early` is the configuration built into it."""
    return (
        "grub-mkimage",
        "-O", "i386-pc",
        "-d", str(_GRUB_LIBRARY),
        "-p", "/boot/grub",
        "-c", str(early),
        "-o", str(core),
        *_GRUB_MODULES,
    )  # fmt: skip


def early_configuration(label: str) -> str:
    """GRUB's first commands: find the root filesystem by label and go on with its `grub.cfg`."""
    return f"search.fs_label {label} root\nset prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n"


def grub_is_there() -> bool:
    """Whether the BIOS modules of GRUB are installed."""
    return (_GRUB_LIBRARY / "boot.img").is_file()


def write_boot_code(disk: Path, core: Path) -> None:
    """Put boot.img into the first sector of `disk`, and `core` into its BIOS boot partition."""
    second_stage = bytearray(core.read_bytes())
    sectors = -(-len(second_stage) // SECTOR)
    if sectors > _ROOT_START - _CORE_START:
        raise ValueError(f"GRUB's core image is too large: {sectors} sectors")
    struct.pack_into("<QHH", second_stage, _BLOCKLIST_AT, _CORE_START + 1, sectors - 1, _LOAD_SEGMENT)
    boot = bytearray((_GRUB_LIBRARY / "boot.img").read_bytes()[:_BOOT_CODE_SIZE])
    struct.pack_into("<Q", boot, _KERNEL_SECTOR_AT, _CORE_START)
    boot[_DRIVE_CHECK_AT : _DRIVE_CHECK_AT + 2] = b"\x90\x90"
    with disk.open("r+b") as file:
        file.write(boot)
        file.seek(_CORE_START * SECTOR)
        file.write(second_stage)


def missing_programs(as_root: bool) -> Sequence[str]:
    """Debian packages that have to be installed before an image can be built."""
    needed = {
        "mmdebstrap": "mmdebstrap",
        "mke2fs": "e2fsprogs",
        "sfdisk": "fdisk",
        "grub-mkimage": "grub-common",
        "qemu-img": "qemu-utils",
        "tar": "tar",
    }
    if not as_root:
        needed |= {"fakeroot": "fakeroot", "newuidmap": "uidmap"}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    packages = [package for program, package in needed.items() if shutil.which(program, path=path) is None]
    if not grub_is_there():
        packages.append("grub-pc-bin")
    return packages
