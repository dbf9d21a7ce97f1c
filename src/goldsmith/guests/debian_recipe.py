"""What is inside the default image: packages, files and masked units of a small Debian 12.

Every choice that costs boot time under emulation is made here, with its reason. `recipe_hash` names a build: change
anything in this file and a new image is built beside the old one.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

SUITE = "bookworm"
RELEASE = "debian-12"
ROOT_LABEL = "root"
VIRTUAL_MIB = 2048
"""Size of the disk as the guest sees it before it is grown, MiB; also the smallest disk a machine may have."""

PACKAGES = (
    "cloud-guest-utils",  # growpart
    "dbus",  # logind needs it, and logind is what reacts to the power button
    "e2fsprogs",
    "fdisk",  # sfdisk, which growpart uses
    "initramfs-tools",
    "iproute2",
    "iputils-ping",
    "less",
    "linux-image-cloud-amd64",
    "nano",
    "procps",
    "qemu-guest-agent",
    "sudo",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "zstd",  # without it the initramfs is packed with gzip, which takes the guest several times as long to unpack
)

MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",  # discard is passed through; goldsmith trims before it captures
    # Filesystems and modules that a few programs want and nearly none needs; each costs a second of emulated start.
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-hwdb-update.service",
    "systemd-networkd-wait-online.service",  # nothing here waits for the network
    "systemd-pstore.service",
    "systemd-rfkill.service",
    "systemd-rfkill.socket",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)

ENABLED_UNITS = ("qemu-guest-agent.service", "systemd-networkd.service", "systemd-resolved.service")

KERNEL_OPTIONS = " ".join(
    (
        f"root=LABEL={ROOT_LABEL}",
        "ro",
        "quiet",  # every line on an emulated serial port costs milliseconds
        "console=ttyS0",
        "console=tty0",  # last, so that /dev/console is the screen
        "net.ifnames=0",
        "fsck.mode=skip",  # ext4 replays its journal at mount; a full check would only add a wait
        "no_timer_check",  # known to work in every emulator, and slow to find out
    )
)

_FILES = {
    "etc/issue": "goldsmith image - Debian GNU/Linux 12 (\\l)\n\nname \\n   address \\4\n\n",
    "etc/fstab": f"LABEL={ROOT_LABEL} / ext4 rw,discard,errors=remount-ro 0 0\n",
    "etc/hostname": "goldsmith\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 goldsmith\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/systemd/network/80-dhcp.network": (
        "[Match]\nType=ether\n\n"
        "[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n\n"
        "[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n"
    ),
    # The agent is what goldsmith waits for, so it starts as soon as the root filesystem can be written. Debian's own
    # unit waits until udev has looked at every device, which takes seconds under emulation; hence the port is looked
    # up here, and its driver is loaded in the initramfs.
    "etc/systemd/system/qemu-guest-agent.service": (
        "[Unit]\nDescription=QEMU Guest Agent, early\nDefaultDependencies=no\n"
        "After=systemd-remount-fs.service\nConflicts=shutdown.target\nBefore=shutdown.target\n\n"
        "[Service]\nExecStart=/usr/local/sbin/goldsmith-agent\nRestart=on-failure\nRestartSec=1\n\n"
        "[Install]\nWantedBy=sysinit.target\n"
    ),
    "etc/systemd/journald.conf.d/small.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n",
    # Only what is needed to find a root disk; the default packs every driver and doubles the time in the initramfs.
    "etc/initramfs-tools/conf.d/goldsmith": "MODULES=list\nCOMPRESS=zstd\nFSTYPE=ext4\n",
    "boot/grub/grub.cfg": (
        f"linux /vmlinuz {KERNEL_OPTIONS}\n"  # the symlinks follow every kernel update
        "initrd /initrd.img\n"
        "boot\n"
    ),
}

_HOOK = """#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk virtio_scsi sd_mod ahci ata_piix nvme ext4
force_load virtio_console
"""

_AGENT = """#!/bin/sh
for port in /sys/class/virtio-ports/*; do
    if [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ]; then
        exec /usr/sbin/qemu-ga --path "/dev/${port##*/}"
    fi
done
"""

FINISH = f"""set -e
systemctl --quiet enable {" ".join(ENABLED_UNITS)}
passwd --quiet --lock root
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
: > /etc/machine-id
mkdir -p /var/log/journal
touch /etc/.updated /var/.updated
rm -rf /var/cache/ldconfig/aux-cache /var/log/*.log /var/log/apt
"""
"""Shell commands run inside the new system once all packages are there."""

PATH_EXCLUDES = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
PATH_INCLUDES = ("/usr/share/doc/*/copyright",)


def write_overlay(path: Path) -> None:
    """Write the files above as a tar archive owned by root, to be unpacked before the packages are installed."""
    with tarfile.open(path, "w") as archive:
        for name, text in _FILES.items():
            _add_file(archive, name, text, 0o644)
        _add_file(archive, "etc/initramfs-tools/hooks/goldsmith", _HOOK, 0o755)
        _add_file(archive, "usr/local/sbin/goldsmith-agent", _AGENT, 0o755)
        for unit in MASKED_UNITS:
            link = tarfile.TarInfo(f"etc/systemd/system/{unit}")
            link.type = tarfile.SYMTYPE
            link.linkname = "/dev/null"
            archive.addfile(link)


def _add_file(archive: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    content = text.encode()
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = mode
    archive.addfile(info, io.BytesIO(content))


def recipe_hash() -> str:
    """Twelve hex digits that change with anything that changes the image."""
    recipe = [PACKAGES, MASKED_UNITS, _FILES, _HOOK, _AGENT, FINISH, PATH_EXCLUDES, PATH_INCLUDES, VIRTUAL_MIB]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
