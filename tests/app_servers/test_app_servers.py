"""App servers as the official client sees them: what a non-recursive deletion leaves can be seen and removed."""

from __future__ import annotations

from typing import Any

import huaweicloudsdkworkspaceapp.v1 as sdk
import pytest
from tests.app_servers.remains import ended, forgotten, made, refused, remove
from tests.database import rows
from tests.service import PROJECT, Service, until

from goldsmith.clouds.simulated.faults import Behaviour, Fault
from goldsmith.clouds.simulated.world import World

TAGS = [{"key": "team", "value": "blue"}, {"key": "empty"}]


def show(client: Any, server_id: str) -> Any:
    return client.show_server(sdk.ShowServerRequest(server_id=server_id))


def listed(client: Any, **filters: Any) -> list[str]:
    page = client.list_servers(sdk.ListServersRequest(limit=100, **filters))
    assert page.count == len(page.items)
    return [item.id for item in page.items]


def with_status(client: Any, server_id: str, vm_status: str) -> Any:
    def look() -> Any:
        shown = show(client, server_id)
        return shown if (shown.vm_status, shown.task_status) == (vm_status, "null") else None

    return until(look)


def test_all_that_a_non_recursive_deletion_leaves_can_be_seen_and_removed(tidy_service: Service) -> None:
    left, client = forgotten(tidy_service, "left over", tags=TAGS), tidy_service.sdk()
    server = show(client, left["server_id"])
    assert server.instance_id == left["instance_id"]
    assert (server.status, server.vm_status, server.task_status) == ("REGISTERED", "ACTIVE", "null")
    assert server.server_group_id == left["server_group_id"]
    assert server.server_group_name == "left over"
    assert server.product_info.product_id == "workspace.x86.performance.xlarge4"
    assert [(tag.key, tag.value) for tag in server.tags] == [("team", "blue"), ("empty", None)]
    assert server.root_volume.size == 60
    (address,) = server.host_address
    assert address.os_ext_ip_sport_id
    assert address.addr == server.addresses[address.vpc_id][0].addr
    remove(tidy_service, left)
    assert listed(client) == []
    assert refused(lambda: show(client, left["server_id"])).status_code == 404


def test_every_filter_narrows_the_list(tidy_service: Service) -> None:
    first, second = forgotten(tidy_service, "First"), forgotten(tidy_service, "second")
    client, one, two = tidy_service.sdk(), first["server_id"], second["server_id"]
    shown = show(client, one)
    assert listed(client) == [two, one]
    assert listed(client, server_name="fIRs") == [one]
    assert listed(client, machine_name=shown.machine_name) == [one]
    assert listed(client, ip_addr=shown.host_address[0].addr) == [one]
    assert listed(client, server_id=two) == [two]
    assert listed(client, server_group_id=first["server_group_id"]) == [one]
    assert listed(client, scaling_auto_create="true") == []
    client.update_server(sdk.UpdateServerRequest(one, sdk.UpdateServerReq(maintain_status=True)))
    assert listed(client, maintain_status="true") == [one]
    assert listed(client, maintain_status="false") == [two]
    page = client.list_servers(sdk.ListServersRequest(limit=1, offset=1))
    assert (page.count, [item.id for item in page.items]) == (2, [one])
    for left in (first, second):
        remove(tidy_service, left)


def test_name_description_and_maintenance_can_be_changed_and_tags_stay(tidy_service: Service) -> None:
    left, client = forgotten(tidy_service, "before", tags=TAGS), tidy_service.sdk()
    change = sdk.UpdateServerReq(name="after", description="seen", maintain_status=True)
    client.update_server(sdk.UpdateServerRequest(left["server_id"], change))
    shown = show(client, left["server_id"])
    assert (shown.name, shown.description, shown.maintain_status) == ("after", "seen", True)
    assert shown.status == "MAINTAINING"
    assert [tag.key for tag in shown.tags] == ["team", "empty"]
    client.update_server(sdk.UpdateServerRequest(left["server_id"], sdk.UpdateServerReq(maintain_status=False)))
    shown = show(client, left["server_id"])
    assert (shown.name, shown.maintain_status, shown.status) == ("after", False, "REGISTERED")
    remove(tidy_service, left)


def test_a_server_of_a_live_image_server_is_deleted_only_with_it(tidy_service: Service) -> None:
    owned, left, client = made(tidy_service, "owned"), forgotten(tidy_service, "free"), tidy_service.sdk()
    for call in (
        lambda: client.delete_server(sdk.DeleteServerRequest(server_id=owned["server_id"])),
        lambda: client.batch_delete_server(
            sdk.BatchDeleteServerRequest(sdk.BatchDeleteServerReq([left["server_id"], owned["server_id"]]))
        ),
    ):
        error = refused(call)
        assert error.status_code == 409
        assert "delete that image server instead" in error.error_msg
    assert set(listed(client)) == {owned["server_id"], left["server_id"]}
    assert with_status(client, left["server_id"], "ACTIVE")
    assert tidy_service.delete(owned["id"])["status"] == "SUCCESS"
    remove(tidy_service, left)


def test_deletion_is_idempotent_and_its_job_is_no_job_of_an_image_server(tidy_service: Service) -> None:
    left, client = forgotten(tidy_service, "twice"), tidy_service.sdk()
    first, second = (
        client.delete_server(sdk.DeleteServerRequest(server_id=left["server_id"])).job_id for _ in range(2)
    )
    jobs = [ended(client, job_id) for job_id in (first, second)]
    assert [job.status for job in jobs] == ["SUCCESS", "SUCCESS"]
    assert {job.job_type for job in jobs} == {"DELETE_SERVER"}
    assert {job.sub_jobs[0].job_resource_info.resource_id for job in jobs} == {left["server_id"]}
    assert {job.sub_jobs[0].job_type for job in jobs} == {"DELETE_SERVER"}
    assert client.show_job(sdk.ShowJobRequest(job_id=first)).job.job_status == 1
    gone = client.delete_server(sdk.DeleteServerRequest(server_id=left["server_id"])).job_id
    assert ended(client, gone).status == "SUCCESS"
    deletions = tidy_service.call("GET", f"/v1/{PROJECT}/image-server-jobs?job_type=DELETE_SERVER&limit=100").json()
    everything = tidy_service.call("GET", f"/v1/{PROJECT}/image-server-jobs?job_type=&limit=100").json()
    assert not {first, second, gone} & {job["id"] for job in deletions["items"] + everything["items"]}
    assert tidy_service.call("GET", f"/v1/{PROJECT}/image-server-jobs/{first}").status_code == 404
    sub_jobs = tidy_service.call("GET", f"/v1/{PROJECT}/image-server-sub-jobs?job_type=&job_id={first}").json()
    assert sub_jobs["count"] == 0
    client.delete_app_group(sdk.DeleteAppGroupRequest(app_group_id=left["app_group_id"]))
    client.delete_server_groups(sdk.DeleteServerGroupsRequest(server_group_id=left["server_group_id"]))


def test_a_failed_deletion_names_the_cause_and_may_be_repeated(tidy_service: Service) -> None:
    left, client = forgotten(tidy_service, "stubborn"), tidy_service.sdk()
    with World(tidy_service.data_dir) as world:
        world.inject(Fault("delete_server", at="before", error="refused", message="The host is on strike."))
    batch = sdk.BatchDeleteServerRequest(sdk.BatchDeleteServerReq([left["server_id"], "wksapp-unknown"]))
    job = ended(client, client.batch_delete_server(batch).job_id)
    assert (job.status, job.sub_jobs_total) == ("FAILED", 1)
    assert "on strike" in job.sub_jobs[0].error_message
    assert with_status(client, left["server_id"], "SHUTOFF")
    remove(tidy_service, left)


@pytest.mark.parametrize("mode", ["SOFT", "HARD"])
def test_power_operations_reach_the_machine(tidy_service: Service, mode: str) -> None:
    owned, client = made(tidy_service, f"power {mode}"), tidy_service.sdk()
    server_id = owned["server_id"]
    halt = sdk.ServerHaltReq(items=[server_id], type=mode)
    client.batch_stop_server(sdk.BatchStopServerRequest(halt))
    assert with_status(client, server_id, "SHUTOFF").status == "STOPPED"
    with World(tidy_service.data_dir) as world:
        assert [server.info.power for server in world.servers()] == ["stopped"]
    client.batch_start_server(sdk.BatchStartServerRequest(sdk.BatchStartServerReq([server_id])))
    assert with_status(client, server_id, "ACTIVE").status == "REGISTERED"
    with World(tidy_service.data_dir) as world:
        starts = world.effects("start_server")
    client.batch_reboot_server(sdk.BatchRebootServerRequest(halt))
    until(lambda: show(client, server_id).task_status == "null")
    assert with_status(client, server_id, "ACTIVE")
    with World(tidy_service.data_dir) as world:
        assert world.effects("start_server") == starts + 1
    assert tidy_service.delete(owned["id"])["status"] == "SUCCESS"


@pytest.mark.parametrize("recursive", [True, False])
def test_a_deletion_in_the_middle_of_a_reboot_leaves_nothing(tidy_service: Service, recursive: bool) -> None:
    """Both stop the machine, and the reboot starts it again, in whatever order."""
    left, client = made(tidy_service, f"rebooted {recursive}"), tidy_service.sdk()
    server_id = left["server_id"]
    with World(tidy_service.data_dir) as world:
        world.inject(Fault("stop_server", error="again", times=2))
        halt = sdk.ServerHaltReq(items=[server_id], type="SOFT")
        client.batch_reboot_server(sdk.BatchRebootServerRequest(halt))
        assert tidy_service.delete(left["id"], recursive=recursive)["status"] == "SUCCESS"
        if not recursive:
            remove(tidy_service, left)
        under_way = "SELECT kind FROM workflows WHERE state IN ('queued', 'running')"
        until(lambda: not rows(tidy_service.data_dir, under_way))
        assert list(world.servers()) == []


def test_a_power_operation_names_every_server_it_cannot_switch(tidy_service: Service) -> None:
    body = {"items": ["wksapp-1", "wksapp-2", "wksapp-1"], "type": "SOFT"}
    answer = tidy_service.call("PATCH", f"/v1/{PROJECT}/app-servers/actions/batch-stop", body)
    assert answer.status_code == 400
    found = [(problem["field"], problem["rule"]) for problem in answer.json()["details"]]
    assert found == [("items[2]", "unique"), ("items[0]", "exists"), ("items[1]", "exists"), ("items[2]", "exists")]


def test_a_machine_that_died_is_shown_as_an_error(tidy_service: Service) -> None:
    left, client = forgotten(tidy_service, "mortal"), tidy_service.sdk()
    server_id = left["server_id"]
    client.batch_stop_server(sdk.BatchStopServerRequest(sdk.ServerHaltReq(items=[server_id], type="HARD")))
    assert with_status(client, server_id, "SHUTOFF")
    with World(tidy_service.data_dir) as world:
        world.behave(Behaviour("machine_dies_during_boot", match="mortal"))
    client.batch_start_server(sdk.BatchStartServerRequest(sdk.BatchStartServerReq([server_id])))
    assert with_status(client, server_id, "ERROR").status == "STOPPED"
    remove(tidy_service, left)
