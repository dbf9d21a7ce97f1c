"""Build the default Debian image, once per machine, from the distribution's own archive.

    python -m goldsmith.guests.debian_image OUTPUT.qcow2

As root the work is done directly. As another user mmdebstrap works in a user namespace and the filesystem is
made under fakeroot. Beside `OUTPUT.qcow2` lies `OUTPUT.vmlinuz`, its kernel: the accelerator probe boots it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import platformdirs

from goldsmith.guests import bios_disk, debian_recipe

Progress = Callable[[str], None]

_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_ARCHIVE = "http://deb.debian.org/debian"
_SECURITY = "http://deb.debian.org/debian-security"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_LINES = 15
_WORK_PREFIX = ".goldsmith-image-"


class ImageBuildFailed(Exception):
    """The image could not be built; the text says what to install or what the failing program wrote."""


def default_cache() -> Path:
    """The folder where built images are kept between data folders."""
    return platformdirs.user_cache_path("goldsmith") / "images"


def kernel_beside(image: Path) -> Path:
    """Where the kernel of a built image lies."""
    return image.with_suffix(".vmlinuz")


def ensure_debian_image(cache: Path, progress: Progress) -> Path:
    """The default image in `cache`, built now if this recipe has not been built yet.

    `progress` gets one line per stage. Two builders at once: the second waits for the first and uses its result.
    Raises `ImageBuildFailed`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    image = cache / f"{debian_recipe.RELEASE}-{debian_recipe.recipe_hash()}.qcow2"
    if image.exists():
        return image
    with _only_one(cache / "build.lock", progress):
        for abandoned in cache.glob(f"{_WORK_PREFIX}*"):  # nobody else builds here now
            shutil.rmtree(abandoned)
        if not image.exists():
            build_debian_image(image, progress)
    return image


@contextlib.contextmanager
def _only_one(lock: Path, progress: Progress) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is building an image; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install_image(cached: Path, data_dir: Path, image_id: str) -> Path:
    """Make a built image known to a data folder as `image_id`; returns its new path. Repeating it is harmless.

    Hard-linked, or copied when the cache lies on another filesystem. The kernel goes along as `<id>.vmlinuz`.
    """
    if not image_id or "/" in image_id or image_id.startswith("."):
        raise ValueError(f"not an image id: {image_id!r}")
    images = data_dir / "images"
    images.mkdir(parents=True, exist_ok=True)
    target = images / f"{image_id}.qcow2"
    if kernel_beside(cached).exists():
        _place(kernel_beside(cached), images / f"{image_id}.vmlinuz")
    _place(cached, target)
    return target


def _place(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        try:
            fresh.hardlink_to(source)
        except OSError as problem:
            if problem.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            shutil.copyfile(source, fresh)
            fresh.chmod(0o444)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)  # also when both were already the same file: rename is a no-op then


def build_debian_image(output: Path, progress: Progress) -> None:
    """Build the image into `output` (a qcow2, mode 0444) and its kernel beside it.

    Nothing appears under the final names before it is complete. Raises `ImageBuildFailed`.
    """
    as_root = os.geteuid() == 0
    missing = bios_disk.missing_programs(as_root)
    if missing:
        raise ImageBuildFailed(f"to build an image, first run: apt-get install {' '.join(missing)}")
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output, not in /tmp: the last step is a rename, and /tmp is often too small.
    with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=output.parent) as name:
        _Build(Path(name), as_root, progress).into(output)


class _Build:
    """One build in its own work folder."""

    def __init__(self, work: Path, as_root: bool, progress: Progress) -> None:
        self._work = work
        self._as_root = as_root
        self._progress = progress

    def into(self, output: Path) -> None:
        started = time.monotonic()
        self._progress(f"installing {len(debian_recipe.PACKAGES)} packages of Debian {debian_recipe.SUITE}")
        self._install_packages()
        self._progress("writing the filesystem")
        self._make_disk()
        self._progress("converting to qcow2")
        raw, qcow2, kernel = self._work / "disk.raw", self._work / "disk.qcow2", self._work / "vmlinuz"
        self._run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(qcow2))
        for made, target in ((kernel, kernel_beside(output)), (qcow2, output)):
            made.chmod(0o444)
            _flush(made)
            made.replace(target)
        seconds, size = time.monotonic() - started, output.stat().st_blocks * 512
        self._progress(f"{output.name}: {size / 2**20:.0f} MiB, built in {seconds:.0f} s")

    def _install_packages(self) -> None:
        """Make `root.tar`, the whole system as an archive."""
        overlay = self._work / "overlay.tar"
        debian_recipe.write_overlay(overlay)
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--format=tar",
            f"--mode={'root' if self._as_root else 'unshare'}",
            f"--include={','.join(debian_recipe.PACKAGES)}",
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in debian_recipe.PATH_EXCLUDES),
            *(f"--dpkgopt=path-include={pattern}" for pattern in debian_recipe.PATH_INCLUDES),
            f'--essential-hook=tar --extract --directory="$1" --file={shlex.quote(str(overlay))}',
            f'--customize-hook=chroot "$1" sh -c {shlex.quote(debian_recipe.FINISH)}',
            debian_recipe.SUITE,
            str(self._work / "root.tar"),
            *_sources(),
        ]
        if not self._as_root:
            self._work.chmod(0o711)  # the ids of the user namespace are other users here
        self._run(*command)

    def _make_disk(self) -> None:
        """Make `disk.raw` from `root.tar`, and take the kernel out of it."""
        disk, tree, core, early = (self._work / name for name in ("disk.raw", "tree", "core.img", "early.cfg"))
        configuration = self._work / "mke2fs.conf"
        configuration.write_text(bios_disk.MKE2FS_CONFIG)
        early.write_text(bios_disk.early_configuration(debian_recipe.ROOT_LABEL))
        with disk.open("wb") as file:
            file.truncate(debian_recipe.VIRTUAL_MIB * 2**20)
        self._run("sfdisk", "--quiet", "--no-reread", str(disk), stdin=bios_disk.partition_table())
        self._run(*bios_disk.make_core_command(core, early))
        tree.mkdir()
        unpack = shlex.join(["tar", "--extract", f"--directory={tree}", f"--file={self._work / 'root.tar'}"])
        fill = shlex.join(
            bios_disk.make_filesystem_command(disk, tree, debian_recipe.ROOT_LABEL, debian_recipe.VIRTUAL_MIB)
        )
        # In one process group, so that fakeroot still knows the owners of the unpacked files when mke2fs asks.
        fake = [] if self._as_root else ["fakeroot"]
        self._run(*fake, "sh", "-c", f"{unpack} && {fill}", MKE2FS_CONFIG=str(configuration))
        bios_disk.write_boot_code(disk, core)
        # `/vmlinuz` is a link that may be absolute: it counts from the new root, not from ours.
        kernel = tree / (tree / "vmlinuz").readlink().as_posix().lstrip("/")
        shutil.copyfile(kernel, self._work / "vmlinuz")

    def _run(self, *command: str, stdin: str = "", **environment: str) -> None:
        """Run one program; its output is shown only when it fails."""
        variables = {"PATH": _PATH, "LC_ALL": "C", "TMPDIR": str(self._work), **environment}
        variables |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        done = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=variables,
            check=False,
        )
        if done.returncode:
            tail = "\n".join(done.stdout.strip().splitlines()[-_LOG_LINES:])
            raise ImageBuildFailed(f"{command[0]} failed (status {done.returncode}):\n{tail}")


def _sources() -> Sequence[str]:
    """Where packages come from: the host's own Debian mirrors if they have this release, else the public ones."""
    with contextlib.suppress(OSError):
        if debian_recipe.SUITE in _SOURCES.read_text():
            return [str(_SOURCES)]
    suite = debian_recipe.SUITE
    return [
        f"deb {_ARCHIVE} {suite} main",
        f"deb {_ARCHIVE} {suite}-updates main",
        f"deb {_SECURITY} {suite}-security main",
    ]


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def main(arguments: Sequence[str]) -> int:
    """Command line: one argument, the file to build."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m goldsmith.guests.debian_image OUTPUT.qcow2", file=sys.stderr)
        return 2
    try:
        build_debian_image(Path(arguments[0]), lambda line: print(line, file=sys.stderr, flush=True))
    except ImageBuildFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
