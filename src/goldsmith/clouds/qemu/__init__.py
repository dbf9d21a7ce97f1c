"""One host, its machines as QEMU processes that outlive goldsmith. See `driver.QemuCloud`."""

from goldsmith.clouds.qemu.accelerator import Accelerator
from goldsmith.clouds.qemu.driver import QemuCloud
from goldsmith.clouds.qemu.probing import Probe, probe

__all__ = ["Accelerator", "Probe", "QemuCloud", "probe"]
