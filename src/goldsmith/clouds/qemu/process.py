"""The QEMU process of a machine: start it, find it again, know when it is gone.

A number in a file proves nothing, since process ids are reused. A process is taken for a machine's only if its command
line carries the machine's UUID and it runs in the machine's folder, checked *after* a pidfd has been opened for it;
signals go through that pidfd and so can never hit a stranger.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldsmith.clouds.port import Refused
from goldsmith.clouds.qemu.machine import LOG, PID_FILE, machine_id

KVM = Path("/dev/kvm")

_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_reaping = threading.Lock()
_children: dict[int, str] = {}
"""Machines started by this very process, by process id; they become zombies when they end, until they are reaped."""
_endings: dict[str, int] = {}
"""How machines started by this process ended: server id to wait status."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom machines run as; None means as ourselves."""

    uid: int | None

    @classmethod
    def for_machines(cls, uid: int) -> Identity:
        """`uid` when we are root, ourselves otherwise."""
        return cls(uid if os.geteuid() == 0 else None)

    def groups(self) -> list[int]:
        """Supplementary groups: the one that may open /dev/kvm, if it is one made for that purpose."""
        with contextlib.suppress(OSError):
            kvm = KVM.stat()
            if kvm.st_gid != 0 and kvm.st_mode & stat.S_IWGRP:
                return [kvm.st_gid]
        return []

    def own(self, path: Path) -> None:
        """Give `path` to this identity."""
        if self.uid is not None:
            os.chown(path, self.uid, self.uid, follow_symlinks=False)

    def may_use_kvm(self) -> bool:
        """Whether /dev/kvm opens for this identity, by its permission bits."""
        if self.uid is None:
            return os.access(KVM, os.R_OK | os.W_OK)
        kvm = KVM.stat()
        both = (
            stat.S_IROTH | stat.S_IWOTH if kvm.st_gid not in (self.uid, *self.groups()) else stat.S_IRGRP | stat.S_IWGRP
        )
        return kvm.st_uid == self.uid or kvm.st_mode & both == both


def spawn(command: Sequence[str], folder: Path, log: Path, identity: Identity) -> subprocess.Popen[bytes]:
    """Run `command` in `folder`, detached from our session, its output in `log` (begun anew).

    `Refused` when the program is missing or cannot be run. Blocks for the time of a fork.
    """
    try:
        # The folder belongs to the machine's user: follow no link it may have put there.
        with os.fdopen(os.open(log, _LOG_FLAGS, 0o600), "wb") as output:
            return subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                umask=0o077,
                user=identity.uid,
                group=identity.uid,
                extra_groups=None if identity.uid is None else identity.groups(),
            )
    except (FileNotFoundError, PermissionError) as problem:
        if problem.filename not in (command[0], None):
            raise
        raise not_installed(command[0], problem) from problem


def not_installed(program: str, problem: OSError) -> Refused:
    """The refusal for a program that cannot be run."""
    return Refused(f"{Path(program).name} is not installed: {problem.strerror} ({program}); run goldsmith doctor")


class Running:
    """A running machine, held by a pidfd. Close it, or use it as a context manager."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the handle; the process runs on."""
        os.close(self._pidfd)

    def kill(self) -> None:
        """Send SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def ended(self, patience: float) -> bool:
        """Wait until the process has ended, at most `patience` seconds; whether it has."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        loop.add_reader(self._pidfd, done.set)  # a pidfd becomes readable when its process ends
        try:
            async with asyncio.timeout(max(patience, 0.001)):
                await done.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._pidfd)
        reap()
        return True


def adopt_child(server_id: str, child: subprocess.Popen[bytes]) -> Running:
    """Let `child` outlive its `Popen` object: from here on `reap` looks after it."""
    running = Running(child.pid, os.pidfd_open(child.pid))
    _endings.pop(server_id, None)
    _children[child.pid] = server_id
    # Popen's finaliser would warn about, and later wait for, a process that is meant to run on after us.
    child.returncode = 0
    return running


def launch(server_id: str, command: Sequence[str], folder: Path, identity: Identity) -> Running:
    """Run a machine's QEMU and note its process id. One call, so that being cancelled cannot come in between."""
    running = adopt_child(server_id, spawn(command, folder, folder / LOG, identity))
    write_pid_file(folder, running.pid)
    return running


def write_pid_file(folder: Path, pid: int) -> None:
    """Note the process of the machine in `folder`: finding it again is then instant."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(folder / PID_FILE, flags, 0o600), "w") as file:
        file.write(f"{pid}\n")


def reap() -> None:
    """Collect machines of ours that have ended, and remember how."""
    with _reaping:
        for pid, server_id in list(_children.items()):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                del _children[pid]
                continue
            if ended:
                del _children[pid]
                _endings[server_id] = status


def forget_ending(server_id: str) -> None:
    """Forget how this machine ended last time."""
    _endings.pop(server_id, None)


def ending(server_id: str) -> str:
    """How the machine's process ended, in words; "" when it is not known."""
    status = _endings.get(server_id)
    if status is None:
        return ""
    code = os.waitstatus_to_exitcode(status)
    return "the guest powered itself off" if code == 0 else failure(code)


def failure(code: int) -> str:
    """What an exit code other than 0 says, in words; a negative one is that of a signal."""
    if code == -signal.SIGKILL:
        return "its process was killed (by hand, or because the host ran out of memory)"
    if code < 0:
        return f"its process died of signal {-code} ({signal.strsignal(-code)})"
    return f"its process ended with status {code}"


def find(folder: Path, *, thorough: bool) -> Running | None:
    """The running process of the machine in `folder`, None when there is none.

    The pid file is tried first. `thorough` also looks through all processes, which finds one whose pid file is not
    written yet, or lost.
    """
    reap()
    with contextlib.suppress(OSError, ValueError):
        running = _take(int((folder / PID_FILE).read_text()), folder)
        if running:
            return running
    if not thorough:
        return None
    for pid in _processes():
        running = _take(pid, folder)
        if running:
            return running
    return None


def running_in(machines: Path) -> set[str]:
    """The ids of all machines of this folder that run, found in one pass over all processes."""
    reap()
    return {server_id for pid in _processes() if (server_id := _machine_of(pid, machines))}


def _processes() -> Iterator[int]:
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def _take(pid: int, folder: Path) -> Running | None:
    if _machine_of(pid, folder.parent) != folder.name:
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    if _machine_of(pid, folder.parent) == folder.name:  # once more: now the number cannot change hands
        return Running(pid, pidfd)
    os.close(pidfd)
    return None


def _machine_of(pid: int, machines: Path) -> str:
    """The id of the machine of folder `machines` that process `pid` runs; "" when it is something else."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"-uuid" not in arguments:
            return ""
        server_id = machine_id(arguments[arguments.index(b"-uuid") + 1].decode())
        home = Path(str(Path(f"/proc/{pid}/cwd").readlink()).removesuffix(" (deleted)"))
    except (OSError, ValueError, IndexError, Refused):
        return ""
    is_ours = home.parent == machines and home.name in (server_id, f".{server_id}.partial")
    return server_id if is_ours else ""
