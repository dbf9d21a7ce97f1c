"""What a non-recursive deletion leaves, and that nothing of it is left in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huaweicloudsdkworkspaceapp.v1 as sdk
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from tests.database import leaks
from tests.service import Service, leftovers, until

from goldsmith.clouds.simulated.world import World


def tidy(folder: Path) -> Iterator[Service]:
    """A service that must hold nothing any more in the end: no machine, port, claim or record."""
    service = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="50").start()
    yield service
    service.stop()
    left = leaks(service.data_dir)
    assert left == {}, left
    with World(service.data_dir) as world:
        assert list(world.servers()) == []
        assert list(world.ports()) == []
    assert leftovers(folder) == []


def made(service: Service, name: str, **changes: Any) -> dict[str, Any]:
    """A new image server as it is shown."""
    server_id = service.made(name, **changes)
    shown: dict[str, Any] = service.call("GET", service.servers(f"/{server_id}")).json()
    return shown


def forgotten(service: Service, name: str, **changes: Any) -> dict[str, Any]:
    """An image server of which only the record has been deleted; it names what is left."""
    shown = made(service, name, **changes)
    assert service.delete(shown["id"], recursive=False)["status"] == "SUCCESS"
    return shown


def refused(call: Callable[[], Any]) -> ClientRequestException:
    """The refusal of a call."""
    try:
        call()
    except ClientRequestException as error:
        return error
    raise AssertionError("it was not refused")


def ended(client: Any, job_id: str) -> Any:
    """The v2 job once it has ended."""

    def look() -> Any:
        job = client.show_job_detail(sdk.ShowJobDetailRequest(job_id=job_id))
        return job if job.status != "RUNNING" else None

    return until(look)


def remove(service: Service, left: dict[str, Any]) -> None:
    """Remove everything that a non-recursive deletion has left, as a user does."""
    client = service.sdk()
    job_id = client.delete_server(sdk.DeleteServerRequest(server_id=left["server_id"])).job_id
    assert ended(client, job_id).status == "SUCCESS"
    client.delete_app_group(sdk.DeleteAppGroupRequest(app_group_id=left["app_group_id"]))
    client.delete_server_groups(sdk.DeleteServerGroupsRequest(server_group_id=left["server_group_id"]))
