"""Ports that goldsmith listens on."""

import socket

import pytest

from goldsmith.cli import ports
from goldsmith.cli.problems import Unusable


def test_two_services_never_both_have_one_port() -> None:
    with ports.listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]

        with pytest.raises(Unusable, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            ports.listen("127.0.0.1", port)


def test_a_port_that_another_program_has_bound_first_is_never_announced() -> None:
    """Both binds succeed as long as neither listens."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        with (
            ports.listen("127.0.0.1", other.getsockname()[1]),
            pytest.raises(OSError, match="Address already in use"),
        ):
            other.listen()


def test_a_taken_port_is_an_obstacle(taken_port: int) -> None:
    assert ports.obstacle("127.0.0.1", taken_port) == f"port {taken_port} of 127.0.0.1 is taken by another program"
