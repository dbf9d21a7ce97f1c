"""Clients that create, cancel, retry and delete, and write down every call and its answer."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from tests.chaos.processes import Processes
from tests.service import PROJECT, example

from goldsmith.clouds.simulated import Fault, World
from goldsmith.iam.signature import sign

Answer = dict[str, Any]
ENDED = {"SUCCESS", "FAILED"}
KINDS = {"create", "cancel", "retry", "delete", "show"}
"""The calls that every run has to make with success; `clash` is a creation with a key that another has used."""
TIMEOUT = 5.0


class History:
    """A line of JSON for each call with its answer, and for each evil with its effect."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a")
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()

    def note(self, **entry: Any) -> None:
        """Add a line."""
        line = json.dumps({"at": time.time(), **entry})
        if entry.get("status") == 200:
            self.acknowledged.add(entry["what"])
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """No more."""
        self._file.close()


class Client(threading.Thread):
    """Lives one life after the other, chosen by its dice, until told to stop.

    Whatever is asked for is repeated, with its key, until somebody answers: after a time-out, a crash, a 503.
    """

    def __init__(self, number: int, processes: Processes, history: History, over: threading.Event, seed: int) -> None:
        super().__init__(name=f"client-{number:02}", daemon=True)
        self._processes = processes
        self._credentials = json.loads((processes.folder / "credentials.json").read_text())
        self._history, self._over = history, over
        self._dice = random.Random(seed * 1000 + number)
        self._wire = httpx.Client(timeout=TIMEOUT, trust_env=False)
        self._second_hand = ThreadPoolExecutor(1)
        self._forgotten: list[str] = []
        lives = [self._plain, self._cancelled, self._twins, self._doomed]
        self._lives = lives[number % len(lives) :] + lives[: number % len(lives)]
        self.crash: BaseException | None = None

    def run(self) -> None:
        """Every kind of life once, then by chance."""
        count = 0
        try:
            while not self._over.is_set():
                life = self._lives[count] if count < len(self._lives) else self._dice.choice(self._lives)
                count += 1
                life(f"{self.name}-{count:05}")
        except BaseException as error:
            self.crash = error
            raise
        finally:
            self._second_hand.shutdown()
            self._wire.close()

    def _plain(self, name: str) -> None:
        """Create, and delete; now and then ask again for what was made long ago, or for something else."""
        job = self._ended(self._create(name))
        if job is None:
            return
        if self._dice.random() < 0.3:
            self._create(name)
        if self._dice.random() < 0.3:
            self._ask("clash", "POST", "image-servers", example(name, description="Another."), key=name)
        self._clean_up(job)

    def _cancelled(self, name: str) -> None:
        """Create, cancel at any moment, and delete what is left."""
        job_id = self._create(name, keep=self._dice.random() < 0.3)
        self._over.wait(self._dice.choice((0.0, self._dice.random() * 2)))
        if job_id is not None:
            self._call("cancel", "POST", f"image-server-jobs/{job_id}/actions/cancel")
        self._clean_up(self._ended(job_id))

    def _twins(self, name: str) -> None:
        """The same creation twice at the same instant, then two deletions."""
        second = self._second_hand.submit(self._at_once, meeting := threading.Barrier(2), name)
        job_id = self._at_once(meeting, name)
        other = second.result()
        job = self._ended(job_id or other)
        if job is not None and self._dice.random() < 0.5:
            also = self._second_hand.submit(self._clean_up, job, f"{name}-also")
            self._clean_up(job)
            also.result()
        else:
            self._clean_up(job)

    def _at_once(self, meeting: threading.Barrier, name: str) -> str | None:
        meeting.wait(60)
        return self._create(name)

    def _doomed(self, name: str) -> None:
        """A creation that fails and is kept; it is retried, perhaps twice at once, or deleted."""
        if not self._is_doomed(name):
            self._over.wait(0.2)
            return
        job_id = self._create(name, keep=True)
        job = self._ended(job_id)
        if job is not None and job["status"] == "FAILED" and self._dice.random() < 0.8:
            path = f"image-server-jobs/{job_id}/actions/retry"
            if self._dice.random() < 0.3:
                also = self._second_hand.submit(self._call, "retry", "POST", path)
                self._call("retry", "POST", path)
                also.result()
            else:
                self._call("retry", "POST", path)
            job = self._ended(job_id)
        self._clean_up(job)

    def _is_doomed(self, name: str) -> bool:
        """Let the cloud refuse to start the machine of this name; whether that could be written down."""
        try:
            with World(self._processes.folder) as world:
                world.inject(Fault("start_server", error="refused", match=name))
        except sqlite3.OperationalError as problem:
            if "disk" in str(problem):  # the disk that is full is the cloud's too
                return False
            raise
        return True

    def _create(self, name: str, *, keep: bool = False) -> str | None:
        path = "image-servers?keep_on_failure=true" if keep else "image-servers"
        made = self._ask("create", "POST", path, example(name), key=name)
        if made is None or "job_id" not in made:
            if self._forgotten:
                self._remove(self._forgotten.pop(0), "")
            self._over.wait(0.2)
            return None
        job_id: str = made["job_id"]
        return job_id

    def _clean_up(self, job: Answer | None, key: str = "") -> None:
        """Delete what the job has made; one in ten is left for another day."""
        if job is None:
            return
        server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
        if not key and self._dice.random() < 0.1:
            self._forgotten.append(server_id)
        else:
            self._remove(server_id, key or f"delete-{server_id}")

    def _remove(self, server_id: str, key: str) -> None:
        body = {"items": [server_id], "recursive": True}
        gone = self._ask("delete", "PATCH", "image-servers/actions/batch-delete", body, key=key)
        if gone is not None and "job_id" in gone:
            self._ended(gone["job_id"])

    def _ended(self, job_id: str | None) -> Answer | None:
        while job_id is not None and not self._over.is_set():
            job = self._call("show", "GET", f"image-server-jobs/{job_id}")
            if job is not None and job.get("status") in ENDED:
                return job
            self._over.wait(0.1)
        return None

    def _ask(self, what: str, method: str, path: str, body: Any, *, key: str) -> Answer | None:
        """Repeat a call, with the same key, until somebody answers it."""
        while not self._over.is_set():
            answer = self._call(what, method, path, body, key=key)
            if answer is not None:
                return answer
            self._over.wait(0.2)
        return None

    def _call(self, what: str, method: str, path: str, body: Any = None, *, key: str = "") -> Answer | None:
        """The answer; None when there was none, or only that there will be one later (503)."""
        api = self._dice.choice(self._processes.apis)
        payload = b"" if body is None else json.dumps(body).encode()
        url = httpx.URL(f"http://127.0.0.1:{self._processes.ports[api]}/v1/{PROJECT}/{path}")
        headers = {"Content-Type": "application/json", "Host": url.netloc.decode()}
        headers |= {"Idempotency-Key": key} if key else {}
        signed = sign(
            self._credentials["access_key"], self._credentials["secret_key"], method=method,
            raw_path=url.raw_path.split(b"?")[0], query_string=url.query,
            headers=[(name.lower().encode(), value.encode()) for name, value in headers.items()], body=payload,
            now=datetime.now(UTC),
        )  # fmt: skip
        note = {"client": self.name, "what": what, "path": path, "body": body, "key": key, "api": api,
                "asked": time.time()}  # fmt: skip
        try:
            answer = self._wire.request(method, url, content=payload, headers=signed)
            found: Answer = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError) as error:
            self._history.note(**note, status=None, answer=repr(error))
            return None
        self._history.note(**note, status=answer.status_code, answer=found)
        return found if answer.status_code < 500 else None
