"""Listening on an address, and whether that can be done, asked before anything is started.

Asking only binds: a probe that listened, however briefly, would be in the way of a service that starts just then.
"""

from __future__ import annotations

import errno
import socket

from goldsmith.cli.problems import Unusable

BACKLOG = 2048


def obstacle(host: str, port: int) -> str:
    """Why nothing can listen there; "" when something can."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        return f"{host} is not an address of this machine: {error.strerror}"
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return _reason(error, host, port)
    return ""


def _reason(error: OSError, host: str, port: int) -> str:
    reasons = {
        errno.EADDRINUSE: f"port {port} of {host} is taken by another program",
        errno.EACCES: f"port {port} needs more rights than you have",
        errno.EADDRNOTAVAIL: f"{host} is not an address of this machine",
    }
    return reasons.get(error.errno or 0, f"{host}:{port}: {error.strerror}")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host:port`; raises `Unusable`.

    Two sockets may be bound to one port as long as neither listens, and uvloop says nothing when listening fails
    later: only who listens at once knows that the port is its own.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio would not set TCP_NODELAY: 40 ms more for every request on a kept connection.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Unusable(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --listen") from error
    return listener


def require_free(host: str, port: int) -> None:
    """Raise `Unusable` when nothing can listen on `host:port`."""
    found = obstacle(host, port)
    if found:
        raise Unusable(f"{found}; choose another with --listen, for example --listen 127.0.0.1:0 (any free port)")
