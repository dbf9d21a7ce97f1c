"""Whether an address can be listened on, asked before anything is started."""

from __future__ import annotations

import errno
import socket

from goldsmith.cli.problems import Unusable


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
            probe.listen(1)
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


def require_free(host: str, port: int) -> None:
    """Raise `Unusable` when nothing can listen on `host:port`."""
    found = obstacle(host, port)
    if found:
        raise Unusable(f"{found}; choose another with --listen, for example --listen 127.0.0.1:0 (any free port)")
