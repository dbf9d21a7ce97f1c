"""The default guest image of a data folder for QEMU: built once per machine, then put into the folder."""

from __future__ import annotations

from collections.abc import Callable

from goldsmith.cli.problems import Unusable
from goldsmith.settings import Settings

IMAGE = "debian-12"
"""The `file` that the images of a new catalogue have."""


def is_missing(settings: Settings) -> bool:
    """Whether machines of this folder would find no default image."""
    return settings.cloud == "qemu" and not (settings.data_dir / "images" / f"{IMAGE}.qcow2").exists()


def provide(settings: Settings, say: Callable[[str], None]) -> None:
    """Put the image into the data folder if it is missing; the first time on a machine, build it."""
    from goldsmith.guests import debian_image

    if not is_missing(settings):
        return
    try:
        built = debian_image.ensure_debian_image(debian_image.default_cache(), lambda line: say(f"guest image: {line}"))
    except debian_image.ImageBuildFailed as error:
        raise Unusable(f"the guest image could not be built: {error}") from error
    debian_image.install_image(built, settings.data_dir, IMAGE)
