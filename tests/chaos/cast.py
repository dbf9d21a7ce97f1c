"""Who is on stage: the processes of one goldsmith, and the clients that write down every call and its answer."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from tests.service import PROGRAM, PROJECT, example, until

from goldsmith.iam.signature import sign


class Processes:
    """One API process and several workers on one data folder; whoever dies is started again."""

    def __init__(self, folder: Path, log: Path, settings: dict[str, str], workers: int) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GOLDSMITH_")}
        self._environment = clean | settings
        self._log = log.open("a")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.workers = [f"worker {number}" for number in range(workers)]

    def start(self, name: str) -> None:
        """Start one of them; nothing happens while it runs."""
        running = self._running.get(name)
        if running is not None and running.poll() is None:
            return
        command = ["worker"] if name in self.workers else ["serve", "--listen", f"127.0.0.1:{self.port}"]
        self._running[name] = subprocess.Popen(
            [PROGRAM, *command, "--data-dir", self.folder], env=self._environment, stdout=subprocess.DEVNULL,
            stderr=self._log,
        )  # fmt: skip

    def start_all(self) -> None:
        """All of them, and wait until the API answers."""
        for name in ("api", *self.workers):
            self.start(name)
        until(self._answers, seconds=180, every=0.2)

    def _answers(self) -> bool:
        for name in ("api", *self.workers):
            self.start(name)
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code < 500
        return False

    def signal(self, name: str, number: int) -> None:
        """Send a signal to one of them."""
        with suppress(ProcessLookupError):
            self._running[name].send_signal(number)

    def kill(self, name: str) -> None:
        """`kill -9`, and wait for its end."""
        self.signal(name, signal.SIGKILL)
        self._running[name].wait()

    def stop_all(self) -> None:
        """SIGTERM, and wait for the end of all; the API first, so that nobody asks for more."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            process.wait(60)
        self._log.close()


class History:
    """Every call and answer, a line of JSON each, written before it is acted upon."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a")
        self._lock = threading.Lock()

    def note(self, **entry: Any) -> None:
        """Add a line."""
        line = json.dumps({"at": time.time(), **entry})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """No more."""
        self._file.close()


class Client(threading.Thread):
    """Creates, waits, cancels, retries and deletes, by chance, until told to stop."""

    def __init__(self, number: int, processes: Processes, history: History, over: threading.Event, seed: int) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self._endpoint = f"http://127.0.0.1:{processes.port}"
        self._credentials = json.loads((processes.folder / "credentials.json").read_text())
        self._history, self._over = history, over
        self._dice = random.Random(seed * 1000 + number)
        self._wire = httpx.Client(timeout=5, trust_env=False)
        self.crash: BaseException | None = None

    def run(self) -> None:
        """One life after the other."""
        count = 0
        try:
            while not self._over.is_set():
                count += 1
                self._live(f"{self.name} {count}")
        except BaseException as error:
            self.crash = error
            raise
        finally:
            self._wire.close()

    def _live(self, name: str) -> None:
        keep = self._dice.random() < 0.3
        key = {"Idempotency-Key": name.replace(" ", "-")}
        path = "image-servers?keep_on_failure=true" if keep else "image-servers"
        made = self._insist("create", "POST", path, example(name), key)
        if made is None or "job_id" not in made:
            self._over.wait(0.2)
            return
        job_id = made["job_id"]
        if self._dice.random() < 0.3:
            self._over.wait(self._dice.random())
            self._call("cancel", "POST", f"image-server-jobs/{job_id}/actions/cancel")
        job = self._ended(job_id)
        if job is not None and job["status"] == "FAILED" and keep and self._dice.random() < 0.7:
            self._call("retry", "POST", f"image-server-jobs/{job_id}/actions/retry")
            job = self._ended(job_id)
        if job is None or self._dice.random() < 0.1:
            return
        server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
        body = {"items": [server_id], "recursive": True}
        gone = self._insist("delete", "PATCH", "image-servers/actions/batch-delete", body)
        if gone is not None and "job_id" in gone:
            self._ended(gone["job_id"])

    def _ended(self, job_id: str) -> dict[str, Any] | None:
        while not self._over.is_set():
            job = self._call("show", "GET", f"image-server-jobs/{job_id}")
            if job is not None and job.get("status") in {"SUCCESS", "FAILED"}:
                return job
            self._over.wait(0.1)
        return None

    def _insist(
        self, what: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        """Repeat a call, with the same key, until somebody answers it."""
        while not self._over.is_set():
            answer = self._call(what, method, path, body, headers)
            if answer is not None:
                return answer
            self._over.wait(0.2)
        return None

    def _call(
        self, what: str, method: str, path: str, body: Any = None, more: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        """The answer; None when there was none, or only that there will be one later (503)."""
        payload = b"" if body is None else json.dumps(body).encode()
        url = httpx.URL(f"{self._endpoint}/v1/{PROJECT}/{path}")
        headers = {"Content-Type": "application/json", "Host": url.netloc.decode()} | (more or {})
        signed = sign(
            self._credentials["access_key"], self._credentials["secret_key"], method=method,
            raw_path=url.raw_path.split(b"?")[0], query_string=url.query,
            headers=[(name.lower().encode(), value.encode()) for name, value in headers.items()], body=payload,
            now=datetime.now(UTC),
        )  # fmt: skip
        note = {"client": self.name, "what": what, "path": path, "body": body, "asked": time.time()}
        try:
            answer = self._wire.request(method, url, content=payload, headers=signed)
            found: dict[str, Any] = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError) as error:
            self._history.note(**note, status=None, answer=repr(error))
            return None
        self._history.note(**note, status=answer.status_code, answer=found)
        return found if answer.status_code < 500 else None
