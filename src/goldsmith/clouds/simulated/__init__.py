"""A cloud without machines that behaves like a real one; goldsmith's stand-in for tests and other people's
CI.

* `SimulatedCloud` is the driver; its world lies in a file and survives the death of the process that uses it.
* `World` is the hand of God: it looks into that world, injects faults and moves time, from any process.
* `Clock`, `RunningClock` and `HeldClock` are where the time comes from.
"""

from goldsmith.clouds.simulated.clock import Clock, HeldClock, RunningClock
from goldsmith.clouds.simulated.cloud import SimulatedCloud
from goldsmith.clouds.simulated.faults import Behaviour, Fault
from goldsmith.clouds.simulated.world import CallRecord, CommandRecord, PortRecord, ServerRecord, World

__all__ = [
    "Behaviour",
    "CallRecord",
    "Clock",
    "CommandRecord",
    "Fault",
    "HeldClock",
    "PortRecord",
    "RunningClock",
    "ServerRecord",
    "SimulatedCloud",
    "World",
]
