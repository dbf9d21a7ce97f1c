"""Any sequence of reservations and releases: no address twice, full exactly when every usable one is taken."""

import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from sqlalchemy import create_engine

from goldsmith.networks.models import ports, subnets, vpcs
from goldsmith.networks.service import Networks, SubnetFull
from goldsmith.store import Tx, metadata
from goldsmith.store.sqlite import SqliteTx, connect


class Reservations(RuleBasedStateMachine):
    """A subnet beside a set of the addresses that should be taken."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "g.db"
        engine = create_engine(f"sqlite:///{path}")
        metadata.create_all(engine, [vpcs, subnets, ports])
        engine.dispose()
        self._connection = connect(path)
        self._connection.execute("BEGIN")
        self._tx: Tx = SqliteTx(self._connection)
        self._networks = Networks()
        self._taken: dict[str, str] = {}
        self._count = 0

    @initialize(prefix=st.integers(27, 29))
    def declare(self, prefix: int) -> None:
        fields: dict[str, Any] = {"id": "s", "name": "s", "cidr": f"10.0.0.0/{prefix}", "gateway_ip": "10.0.0.1"}
        subnet = SimpleNamespace(**fields, dns=(), availability_zone="")
        vpc = SimpleNamespace(id="v", name="v", cidr="10.0.0.0/8", description="", subnets=(subnet,))
        self._networks.declare(self._tx, "p", [vpc])
        self._usable = {str(IPv4Address("10.0.0.0") + i) for i in range(2, 2 ** (32 - prefix) - 3)}

    def _reserve(self, port_id: str) -> str:
        subnet = self._networks.find_subnet(self._tx, "p", "s")
        assert subnet is not None
        return self._networks.reserve(
            self._tx, project_id="p", subnet=subnet, port_id=port_id, name="", device_id="", device_owner=""
        ).ip_address

    @rule(target=held, count=st.integers(1, 6))
    def reserve(self, count: int) -> tuple[str, ...]:
        added = []
        for _ in range(count):
            self._count += 1
            port_id = f"p{self._count}"
            if len(self._taken) == len(self._usable):
                with pytest.raises(SubnetFull):
                    self._reserve(port_id)
                continue
            address = self._reserve(port_id)
            assert address in self._usable
            assert address not in self._taken.values()
            self._taken[port_id] = address
            added.append(port_id)
        return tuple(added)

    @rule(port_ids=held)
    def reserve_again(self, port_ids: tuple[str, ...]) -> None:
        for port_id in port_ids:
            assert self._reserve(port_id) == self._taken[port_id]

    @rule(port_ids=consumes(held))
    def release(self, port_ids: tuple[str, ...]) -> None:
        for port_id in port_ids:
            self._networks.release(self._tx, port_id)
            self._networks.release(self._tx, port_id)
            del self._taken[port_id]

    @invariant()
    def the_subnet_is_full_exactly_when_every_address_is_taken(self) -> None:
        subnet = self._networks.find_subnet(self._tx, "p", "s")
        if subnet is not None:
            assert subnet.has_free_address == (len(self._taken) < len(self._usable))

    def teardown(self) -> None:
        self._connection.close()
        self._folder.cleanup()


TestReservations = Reservations.TestCase
TestReservations.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
