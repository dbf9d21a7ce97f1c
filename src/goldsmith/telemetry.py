"""Logs and metrics.

Logs go to standard error, as text or JSON lines, and never hold a secret: what is logged of a request is its
operation, method, path, status, duration and request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from functools import lru_cache
from typing import Literal, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_REQUESTS = Histogram(
    "goldsmith_request_seconds",
    "Time from request to answer.",
    ["operation", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)
STEPS = Counter(
    "goldsmith_workflow_steps_total", "Steps of workflows.", ["workflow", "step", "phase", "outcome"], registry=REGISTRY
)
WORKFLOWS = Counter("goldsmith_workflows_total", "Workflows that ended.", ["workflow", "outcome"], registry=REGISTRY)
RUNNING = Gauge("goldsmith_workflows_running", "Workflows this process is working on.", registry=REGISTRY)


def observe_request(operation: str, status: int, seconds: float) -> None:
    """Count one request."""
    _of(operation, status).observe(seconds)


@lru_cache(maxsize=4096)
def _of(operation: str, status: int) -> Histogram:
    return _REQUESTS.labels(operation, str(status))


def exposition() -> bytes:
    """The metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class Together(logging.StreamHandler[TextIO]):
    """Writes the lines of one turn of the event loop at once, from warnings on immediately.

    A line a request, each written by itself, would take longer than all of its authentication: every write lets go of
    the interpreter and has to wait for it.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self._waiting.append(self.format(record) + self.terminator)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._waiting) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is waiting."""
        with self.lock or contextlib.nullcontext():
            lines, self._waiting = "".join(self._waiting), []
            if lines:
                self.stream.write(lines)
            super().flush()


def start_logging(level: str, style: Literal["text", "json"]) -> None:
    """Send goldsmith's own log to standard error at `level`; libraries only from warnings on."""
    handler = Together(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if style == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("goldsmith").setLevel(level.upper())
