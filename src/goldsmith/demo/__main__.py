"""The course of the demo, from an empty folder to a machine that serves, or with ONCE=1 to nothing again."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console

from goldsmith.demo import place as places
from goldsmith.demo import progress, service, texts, traces
from goldsmith.demo.client import Client, cause_of, resource_of
from goldsmith.demo.place import Place, Wishes
from goldsmith.demo.problems import DemoFailed

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Demo:
    """One run of the demo in its place."""

    def __init__(self, console: Console, wishes: Wishes, place: Place) -> None:
        self._console = console
        self._wishes = wishes
        self._place = place
        self._request = resources.files("goldsmith.demo").joinpath("published-request.json").read_text("utf-8")
        self._name = str(json.loads(self._request)["name"])

    def run(self) -> None:
        """All of it."""
        places.choose_port(self._wishes.port)  # before the long work: a wished port that is taken ends the demo
        places.mark(self._place, self._wishes)
        service.initialise(self._place, self._wishes.cloud)
        with service.serving(self._place, self._wishes) as running:
            client = Client(running.endpoint, self._place.credentials)
            self._say(f"goldsmith serves at {running.endpoint} on the {self._wishes.cloud} cloud")
            server_id = self._image_server(client, running)
            self._show(client, server_id)
            if self._wishes.once:
                self._delete(client, running, server_id)
            else:
                self._keep_serving(client, running, server_id)
        if self._wishes.once:
            self._remove_folder()

    def _say(self, text: str) -> None:
        texts.plain(self._console, text)

    def _image_server(self, client: Client, running: service.Service) -> str:
        earlier = next((server for server in client.image_servers() if server["name"] == self._name), None)
        if earlier is None:
            self._say("sending the published example request with the official SDK, unchanged:")
            self._say(f"POST /v1/{client.project_id}/image-servers\n{self._request}")
            return self._made_by(client, running, client.create_image_server(self._request))
        return self._take_up(client, running, earlier)

    def _take_up(self, client: Client, running: service.Service, server: dict[str, Any]) -> str:
        job_id = client.running_job_of(server["id"])
        if job_id is not None:
            self._say("an earlier demo was interrupted while it made its image server; goldsmith goes on with it")
            return self._made_by(client, running, job_id)
        if server["status"] == "ERROR":
            self._say("an earlier demo has left a failed image server; deleting it first")
            self._follow(client, running, client.delete_image_server(server["id"]), "deleting")
            return self._image_server(client, running)
        self._say(f"the image server of an earlier demo is still here, {server['status']}; showing it")
        if not self._wishes.once and server["status"] == "ACTIVE" and not client.is_running(server["server_id"]):
            self._say("its machine does not run any more, as after a restart of this computer; starting it")
            client.start_machine(server["server_id"])
        return str(server["id"])

    def _made_by(self, client: Client, running: service.Service, job_id: str) -> str:
        job = self._follow(client, running, job_id, f"job {job_id}")
        return resource_of(job)

    def _follow(self, client: Client, running: service.Service, job_id: str, title: str) -> dict[str, Any]:
        def states() -> Any:
            for state in client.follow(job_id):
                yield state
                running.require_running()

        job = progress.show(self._console, title, states())
        if job["status"] != "SUCCESS":
            raise DemoFailed(f"job {job_id} failed: {cause_of(job)}\nlog of goldsmith: {self._place.log}{self._logs()}")
        return job

    def _logs(self) -> str:
        machines = self._place.folder / "machines"
        return f"\nlogs of the machines: {machines}" if machines.exists() else ""

    def _show(self, client: Client, server_id: str) -> None:
        server = client.image_server(server_id)
        if server["status"] != "ACTIVE":
            raise DemoFailed(f"the image server is {server['status']}, not ACTIVE")
        self._console.print(texts.server_table(server, client.address_of(server["instance_id"])))
        if self._wishes.once and not client.is_running(server["server_id"]):
            self._say("its machine does not run any more, so it has no screen to show")
            return
        picture = client.screenshot(server_id)
        if not picture.startswith(PNG_SIGNATURE):
            raise DemoFailed("what the screenshot operation answered is no PNG picture")
        self._place.screen.write_bytes(picture)
        width, height = struct.unpack(">II", picture[16:24])
        self._say(f"its screen ({width} x {height}): {self._place.screen}")

    def _keep_serving(self, client: Client, running: service.Service, server_id: str) -> None:
        _write_secret(self._place.login, json.dumps(client.login_request()))
        self._say(texts.how_to_go_on(client, self._place, server_id))
        self._say("Serving until Ctrl-C.")
        running.wait()

    def _delete(self, client: Client, running: service.Service, server_id: str) -> None:
        self._follow(client, running, client.delete_image_server(server_id), "deleting it through the API")
        traces.require_none_in_api(client)
        self._say("the API lists no image server and no address in use")

    def _remove_folder(self) -> None:
        traces.require_none_on_machine(self._place.folder)
        self._say("no process and no file of a machine is left")
        traces.remove(self._place.folder)
        self._say(f"removed {self._place.folder}")


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo as the environment wishes; its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    service.keep_off_proxies()
    console = Console()
    try:
        wishes = Wishes.from_environment(os.environ)
        place = places.take(wishes, Path.cwd())
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    try:
        Demo(console, wishes, place).run()
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        texts.plain(console, texts.after_interrupt(place, wishes))
        return 130 if wishes.once else 0
    finally:
        place.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
