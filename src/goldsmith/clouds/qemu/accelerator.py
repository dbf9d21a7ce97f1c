"""The two ways in which QEMU runs a guest's code."""

from __future__ import annotations

from enum import StrEnum

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
"""QEMU's system call filter: no new privileges, no new programs."""


class Accelerator(StrEnum):
    """`KVM` runs the guest on the processor itself, `TCG` translates its code."""

    KVM = "kvm"
    TCG = "tcg"

    @property
    def option(self) -> str:
        """The value of QEMU's `-accel`."""
        # Half of QEMU's default buffer for translated code: as fast for a boot, and machines stay smaller.
        return "tcg,tb-size=512" if self is Accelerator.TCG else "kvm"

    @property
    def cpu(self) -> str:
        """The processor that the guest sees: everything this accelerator can offer."""
        return "max" if self is Accelerator.TCG else "host"
