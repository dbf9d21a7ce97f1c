"""What a Linux guest is told after it has booted: name, size, identity, account.

One shell script on the standard input of one command: under emulation every program started through the agent costs
as much as the work it does, and secrets must not be in an argument list. Every part may be repeated.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import unicodedata

from goldsmith.clouds.port import Cloud, Refused

_SECONDS = 180.0
"""Time limit of the script: it grows a filesystem, on an emulated processor, perhaps while the guest still boots."""
_LONGEST_LABEL = 63
_LONGEST_LOGIN = 32
_LOGIN = re.compile(r"[a-z_][a-z0-9_.-]*")
_SHORT_ID = 8

# Names of users and groups that systems bring along: an account must not become one of them.
_TAKEN = frozenset(
    {
        "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy",
        "www-data", "backup", "list", "irc", "gnats", "nobody", "nogroup", "adm", "tty", "disk", "kmem",
        "dialout", "fax", "voice", "cdrom", "floppy", "tape", "sudo", "audio", "dip", "operator", "src",
        "shadow", "utmp", "video", "sasl", "plugdev", "staff", "users", "wheel", "input", "sgx", "kvm",
        "render", "crontab", "netdev", "ssh", "sshd", "messagebus", "polkitd", "halt", "shutdown", "ftp",
        "tss", "chrony", "syslog", "landscape", "lxd", "docker", "ubuntu", "postfix", "avahi", "rtkit",
        "geoclue", "pulse", "colord", "gdm", "lightdm", "saned",
    }
)  # fmt: skip

_SCRIPT = r"""
set -u
fail() { echo "$1" >&2; exit 1; }

name_host() {
    old=$(cat /etc/hostname 2>/dev/null)
    if [ "$old" != "$host" ]; then
        echo "$host" > /etc/hostname || fail "the host name cannot be written"
        [ -z "$old" ] || sed -i "/^127\.0\.1\.1[[:space:]]/d" /etc/hosts
        echo "127.0.1.1 $host" >> /etc/hosts
    fi
    [ "$(cat /proc/sys/kernel/hostname)" != "$host" ] || return 0
    echo "$host" > /proc/sys/kernel/hostname || fail "the host name cannot be set"
    # The login prompt on the screen shows the name it was started with.
    ! command -v systemctl >/dev/null || systemctl --quiet --no-block try-restart getty@tty1.service
}

# What growpart does, in two programs instead of forty: 2.5 s instead of 7 s on an emulated processor. Where they are
# missing or fail, growpart itself, which says 1 when there is nothing to change.
grow_partition() {
    if command -v sfdisk >/dev/null && command -v partx >/dev/null; then
        output=$(echo ", +" | sfdisk --quiet --force --no-reread --no-tell-kernel -N "$2" "$1" 2>&1 &&
            partx --update --nr "$2" "$1" 2>&1) && return 0
    fi
    output=$(growpart "$1" "$2" 2>&1)
    [ $? -le 1 ]
}

grow_root() {
    device=$(findmnt -no SOURCE /) || return 0
    type=$(findmnt -no FSTYPE /)
    part=$(basename "$(readlink -f "$device")")
    if [ -r "/sys/class/block/$part/partition" ]; then
        number=$(cat "/sys/class/block/$part/partition")
        disk=$(basename "$(dirname "$(readlink -f "/sys/class/block/$part")")")
        start=$(cat "/sys/class/block/$part/start"); size=$(cat "/sys/class/block/$part/size")
        whole=$(cat "/sys/class/block/$disk/size")
        # 2 MiB short of the end is as good as grown: tables and alignment take that much.
        [ $((whole - start - size)) -gt 4096 ] || return 0
        grow_partition "/dev/$disk" "$number" || fail "the root partition cannot be grown: $output"
    fi
    case $type in
        ext2|ext3|ext4) output=$(resize2fs "$device" 2>&1) ;;
        xfs) output=$(xfs_growfs / 2>&1) ;;
        btrfs) output=$(btrfs filesystem resize max / 2>&1) ;;
        *) return 0 ;;
    esac || fail "the root filesystem cannot be grown: $output"
}

renew_identity() {
    # The way systemd itself derives it from the machine's UUID; what an image brought along was another machine's.
    if [ -e /etc/machine-id ] && [ "$(cat /etc/machine-id)" != "$identity" ]; then
        echo "$identity" > /etc/machine-id || fail "the machine id cannot be written"
        [ ! -f /var/lib/dbus/machine-id ] || [ -L /var/lib/dbus/machine-id ] ||
            echo "$identity" > /var/lib/dbus/machine-id
    fi
    mkdir -p /var/lib/goldsmith
    [ "$(cat /var/lib/goldsmith/instance 2>/dev/null)" != "$identity" ] || return 0
    for key in /etc/ssh/ssh_host_*_key; do
        [ -e "$key" ] || continue
        rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
        output=$(ssh-keygen -A 2>&1) || fail "new SSH host keys cannot be made: $output"
        break
    done
    echo "$identity" > /var/lib/goldsmith/instance
}

make_account() {
    if ! id -u "$login" >/dev/null 2>&1; then
        output=$(useradd --create-home --shell /bin/bash --comment "$comment" -- "$login" 2>&1) ||
            fail "account $login cannot be created: $output"
    elif [ "$(id -u "$login")" -lt 1000 ]; then
        fail "account $login is an account of the system itself"
    fi
    for group in sudo wheel; do
        ! getent group $group >/dev/null || usermod --append --groups $group -- "$login" || exit 1
    done
    if [ -n "$password" ]; then
        # printf is part of the shell: the password is in no argument list
        output=$(printf '%s:%s\n' "$login" "$password" | chpasswd 2>&1) ||
            fail "the password of $login cannot be set: $output"
    else
        usermod --lock -- "$login" || exit 1
    fi
}

one_at_a_time() {
    # Whoever began this before may have died, but not what was begun: two that grow one filesystem both fail.
    ! command -v flock >/dev/null || flock 9
}

all() { one_at_a_time; name_host; grow_root; renew_identity; make_account; sync; }
all </dev/null 9>/run/goldsmith-setup.lock
"""


async def personalise(cloud: Cloud, server_id: str, *, hostname: str, account: str, password: str | None) -> None:
    """Give a booted guest its name, its disk, its identity and its account; repeating it changes nothing.

    `hostname` is a label made by `hostname_for`; `account` any name of a Workspace account, which becomes the login
    `login_for(account)` with a home folder and sudo rights; without `password` it is locked. `Refused` with the
    guest's own words when a part fails; what the port raises otherwise.
    """
    if password is not None and (not password or any(character in password for character in "\n\r\0")):
        raise Refused("a password must not be empty or have line breaks in it")
    values = {
        "host": hostname,
        "identity": server_id.replace("-", ""),
        "login": login_for(account),
        "comment": _comment(account),
        "password": password or "",
    }
    assignments = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    script = f"{assignments}\n{_SCRIPT}"
    result = await cloud.run_in_guest(server_id, ["/bin/sh", "-s"], stdin=script.encode(), timeout=_SECONDS)
    if result.exit_code != 0:
        said = result.stderr.strip() or result.stdout.strip() or f"status {result.exit_code}"
        raise Refused(f"the guest could not be set up: {said}")


def hostname_for(name: str, server_id: str) -> str:
    """A host name (one label of RFC 1123) that resembles `name`; from `server_id` where nothing of `name` is usable.

    Letters with accents lose them, everything else that is no letter, digit or hyphen becomes a hyphen.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_LABEL].rstrip("-")
    return label or f"image-{server_id[:_SHORT_ID]}"


def login_for(account: str) -> str:
    """The Linux login of a Workspace account, always the same one; accounts that differ only in case share it.

    A name that Linux allows stays as it is, in small letters. Any other becomes what is usable of it and a short hash
    of the whole, so that two accounts never share a login.
    """
    folded = account.casefold()
    if _LOGIN.fullmatch(folded) and len(folded) <= _LONGEST_LOGIN and folded not in _TAKEN:
        return folded
    digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    usable = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")
    if not re.match(r"[a-z_]", usable):
        usable = f"u-{usable}".rstrip("-")
    return f"{usable[: _LONGEST_LOGIN - 9].rstrip('-')}-{digest}"


def _comment(account: str) -> str:
    """The account's real name for the comment field, without what would break a line of the password file."""
    return re.sub(r"[:,\x00-\x1f\x7f]", " ", account).encode("utf-8", "replace").decode()
