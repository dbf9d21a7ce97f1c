"""Logs and metrics.

Logs go to standard error, as text or JSON lines, and never hold a secret: what is logged of a request is its
operation, method, path, status, duration and request id.
"""

from __future__ import annotations

import json
import logging
import sys
from functools import lru_cache
from typing import Literal

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


def start_logging(level: str, style: Literal["text", "json"]) -> None:
    """Send goldsmith's own log to standard error at `level`; libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if style == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("goldsmith").setLevel(level.upper())
