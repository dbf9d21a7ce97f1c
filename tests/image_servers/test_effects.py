"""What each field of a create changes in the world: none is swallowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.database import rows
from tests.image_servers.requests import ABSENT, request
from tests.service import PROJECT, Service

from goldsmith.clouds.simulated import ServerRecord, World

Make = Callable[..., str]


@pytest.fixture
def make(stocked_service: Service) -> Iterator[Make]:
    """Make image servers with some fields changed; they are deleted in the end."""
    made: list[str] = []

    def make_(name: str, changes: dict[str, Any] | None = None) -> str:
        job = stocked_service.wait(stocked_service.create(request(name, changes)))
        assert job["status"] == "SUCCESS", job
        made.append(job["sub_jobs"][0]["job_resource_info"]["resource_id"])
        return made[-1]

    yield make_
    if made:
        assert stocked_service.delete(*made)["status"] == "SUCCESS"


def shown(service: Service, server_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.call("GET", service.servers(f"/{server_id}")).json()
    return found


def machine(service: Service, server_id: str) -> ServerRecord:
    with World(service.data_dir) as world:
        (found,) = [each for each in world.servers() if each.metadata["image_server"] == server_id]
    return found


def app_server(service: Service, server_id: str) -> dict[str, Any]:
    (row,) = rows(service.data_dir, "SELECT * FROM app_servers WHERE id = ?", shown(service, server_id)["server_id"])
    return row


def test_size_disk_and_zone_reach_the_machine(stocked_service: Service, make: Make) -> None:
    server_id = make(
        "large", {"flavor_id": "local.xlarge.large", "root_volume": {"type": "ESSD", "size": 120},
                  "availability_zone": "local-1b"},
    )  # fmt: skip
    found = machine(stocked_service, server_id)
    assert (found.vcpus, found.memory_mib, found.disk_gib) == (4, 2048, 120)
    assert (found.volume_type, found.zone, found.name) == ("ESSD", "local-1b", "large")
    assert found.info.host.startswith("local-1b-")


def test_the_first_flavor_of_a_product_is_the_default(stocked_service: Service, make: Make) -> None:
    for number, flavor in enumerate((ABSENT, None, "")):
        changes = {} if flavor is ABSENT else {"flavor_id": flavor}
        found = machine(stocked_service, make(f"default flavor {number}", changes))
        assert (found.vcpus, found.memory_mib) == (2, 1024)


@pytest.mark.parametrize(
    ("image_id", "kind"),
    [
        ("da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c", "gold"),
        ("3f1c2a4e-8a55-4c1b-9d53-0b6b1f3f2a01", "public"),
        ("7d9a5d1e-21b0-4a44-8f0c-6a1b7c2e4b02", "private"),
        ("b84e6c70-5f0d-4f7e-a3a9-2d9c8e5f6c03", "shared"),
        ("e2b7f9d4-0c68-4d9a-b1f5-93c4a7d8e504", "other"),
    ],
)
def test_all_five_kinds_of_images_make_servers(stocked_service: Service, make: Make, image_id: str, kind: str) -> None:
    ref = {"id": image_id, "image_type": kind}
    if kind == "gold":
        ref |= {"spce_code": "90a6e84bb3e822fe54999b6be5bbae1e", "product_id": "OFFI874943784560095232"}
    server_id = make(f"kind {kind}", {"image_ref": ref})
    assert shown(stocked_service, server_id)["image_ref"] == {"spce_code": "", "product_id": "", **ref}


def test_an_address_of_the_subnet_is_reserved_and_shown(stocked_service: Service, make: Make) -> None:
    place = {"vpc_id": "c1d2e3f4-a5b6-4c7d-8e9f-0a1b2c3d4e5f", "subnet_id": "d4c3b2a1-f6e5-4d7c-9f8e-5f4e3d2c1b0a"}
    server_id = make("second network", place)
    instance_id = shown(stocked_service, server_id)["instance_id"]
    answer = stocked_service.call("GET", f"/v3/{PROJECT}/ports?device_id={instance_id}")
    (port,) = answer.json()["ports"]
    assert port["virsubnet_id"] == place["subnet_id"]
    address = port["private_ips"][0]["ip_address"]
    assert address.startswith("10.0.0.")
    with World(stocked_service.data_dir) as world:
        assert address in [each.ip_address for each in world.ports()]


def test_the_account_gets_a_login_and_the_authorisation(stocked_service: Service, make: Make) -> None:
    body = {"user_name": "Frieda", "active_type": "ADMIN_ACTIVATE", "password": "Sesame-2024"}
    created = stocked_service.call("POST", f"/v2/{PROJECT}/users", body)
    assert created.status_code == 201, created.text
    changes = {"authorize_accounts": [{"account": "frieda", "account_type": "USER", "domain": "EXAMPLE.com"}]}
    server_id = make("for frieda", changes)
    found = shown(stocked_service, server_id)
    assert found["authorize_accounts"] == changes["authorize_accounts"]
    granted = rows(
        stocked_service.data_dir, "SELECT * FROM app_group_authorizations WHERE app_group_id = ?", found["app_group_id"]
    )
    assert [(each["account"], each["account_type"]) for each in granted] == [("Frieda", "USER")]
    with World(stocked_service.data_dir) as world:
        commands = world.commands(found["instance_id"])
    assert [each.exit_code for each in commands] == [0]
    assert "Sesame-2024" not in str(commands)
    assert stocked_service.call("DELETE", f"/v2/{PROJECT}/users/{created.json()['id']}").status_code == 204


def test_a_guest_that_is_not_linux_is_left_as_it_is(stocked_service: Service, make: Make) -> None:
    server_id = make("windows", {"image_ref": {"id": "windows", "image_type": "public"}})
    with World(stocked_service.data_dir) as world:
        assert not world.commands(shown(stocked_service, server_id)["instance_id"])


def test_what_belongs_to_several_sessions_is_kept_with_the_server(stocked_service: Service, make: Make) -> None:
    server_id = make(
        "sessions",
        {
            "is_vdi": False, "ou_name": "Development", "extra_session_type": "CPU", "extra_session_size": 17,
            "route_policy": {"max_session": 20, "cpu_threshold": 80, "mem_threshold": 0},
            "authorize_accounts.0.domain": "example.com",
        },
    )  # fmt: skip
    found = app_server(stocked_service, server_id)
    assert (found["max_sessions"], found["ou_name"], found["domain"]) == (20, "Development", "example.com")
    group_id = shown(stocked_service, server_id)["server_group_id"]
    (group,) = rows(stocked_service.data_dir, "SELECT * FROM server_groups WHERE id = ?", group_id)
    assert (group["is_vdi"], group["extra_session_type"], group["extra_session_size"]) == (0, "CPU", 17)
    assert json.loads(group["route_policy"]) == {"max_session": 20, "cpu_threshold": 80}


def test_a_single_session_server_has_one_session(stocked_service: Service, make: Make) -> None:
    assert app_server(stocked_service, make("single"))["max_sessions"] == 1


def test_gpu_sessions_come_with_a_gpu(stocked_service: Service, make: Make) -> None:
    changes = {"product_id": "test.gpu", "is_vdi": False, "extra_session_type": "GPU", "extra_session_size": 70}
    assert app_server(stocked_service, make("gpu", changes))["max_sessions"] == 80


def test_tags_are_kept(stocked_service: Service, make: Make) -> None:
    tags = [{"key": "Straße 1:2+3=@a", "value": "x/y"}, {"key": "empty", "value": ""}, {"key": "no value"}]
    kept = json.loads(app_server(stocked_service, make("tags", {"tags": tags}))["tags"])
    assert [(each["key"], each.get("value") or "") for each in kept] == [
        ("Straße 1:2+3=@a", "x/y"), ("empty", ""), ("no value", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("nothing", [{"tags": None}, {"tags": []}, {"description": None, "availability_zone": None}])
def test_null_and_nothing_mean_not_given(stocked_service: Service, make: Make, nothing: dict[str, Any]) -> None:
    server_id = make("nothing", nothing)
    assert shown(stocked_service, server_id)["description"] == (
        nothing.get("description", "Test image creation.") or ""
    )
    assert json.loads(app_server(stocked_service, server_id)["tags"]) == []


def test_twenty_tags_a_long_name_and_a_long_description_fit(stocked_service: Service, make: Make) -> None:
    long = {"description": "d" * 255, "tags": [{"key": f"k{n}", "value": "v" * 255} for n in range(20)]}
    assert shown(stocked_service, make("n" * 64, long))["description"] == "d" * 255


@pytest.mark.parametrize("name", ["图像实例-05_08", "Image task 0508", "a", "-", "_ _"])
def test_names_of_the_contract_are_kept_as_they_are(stocked_service: Service, make: Make, name: str) -> None:
    assert shown(stocked_service, make(name))["name"] == name


def test_enterprise_projects_are_kept_and_filter_the_list(stocked_service: Service, make: Make) -> None:
    service = stocked_service
    founded = service.call("POST", "/v1.0/enterprise-projects", {"name": "team-a", "description": ""})
    project: str = founded.json()["enterprise_project"]["id"]
    default = [make(f"eps {sent}0", {"enterprise_project_id": sent}) for sent in ("", None, "0")]
    default.append(make("eps absent"))
    own = make("eps own", {"enterprise_project_id": project})
    for server_id in default:
        assert shown(service, server_id)["enterprise_project_id"] == "0"
    assert shown(service, own)["enterprise_project_id"] == project

    def listed(query: str) -> set[str]:
        answer = service.call("GET", service.servers(f"?server_name=eps&limit=100{query}")).json()
        assert answer["count"] == len(answer["items"])
        return {item["id"] for item in answer["items"]}

    assert listed("") == {*default, own}
    assert listed(f"&enterprise_project_id={project}") == {own}
    assert listed("&enterprise_project_id=0") == listed("&enterprise_project_id=") == set(default)
    assert listed("&enterprise_project_id=other") == set()


@pytest.mark.parametrize(
    ("changes", "zones"),
    [
        ({"product_id": "workspace.x86.base.zonal"}, {"local-1a"}),
        ({"root_volume.type": "ESSD"}, {"local-1a", "local-1b"}),
        ({"scheduler_hints": {"dedicated_host_id": "local-1c-host-2", "tenancy": "dedicated"}}, {"local-1c"}),
    ],
)  # fmt: skip
def test_the_zone_is_chosen_among_those_that_can_take_the_server(
    stocked_service: Service, make: Make, changes: dict[str, Any], zones: set[str]
) -> None:
    found = [machine(stocked_service, make(f"zone {number}", changes)) for number in range(5)]
    assert {each.zone for each in found} <= zones
    if "scheduler_hints" in changes:
        assert {each.info.host for each in found} == {"local-1c-host-2"}


def test_a_storage_pool_is_kept_with_the_server(stocked_service: Service, make: Make) -> None:
    server_id = make("pool", {"root_volume.cluster_id": "pool-1"})
    (row,) = rows(stocked_service.data_dir, "SELECT spec FROM image_servers WHERE id = ?", server_id)
    assert json.loads(row["spec"])["cluster_id"] == "pool-1"


def test_business_ids_are_kept_with_the_job(stocked_service: Service) -> None:
    ids = {"Service-Transaction-Id": "t" * 64, "X-Linked-Id": "l" * 64}
    answer = stocked_service.call("POST", stocked_service.servers(), request("business"), headers=ids)
    job = stocked_service.wait(answer.json()["job_id"])
    assert (job["service_transaction_id"], job["linked_id"]) == ("t" * 64, "l" * 64)
    assert stocked_service.delete(job["sub_jobs"][0]["job_resource_info"]["resource_id"])["status"] == "SUCCESS"


def test_deleting_the_record_alone_keeps_everything_else(new_service: type[Service]) -> None:
    service = new_service(GOLDSMITH_SIMULATED__SPEED="50").start()
    server_id = service.made("kept")
    found = shown(service, server_id)
    assert service.delete(server_id, recursive=False)["status"] == "SUCCESS"
    assert service.call("GET", service.servers(f"/{server_id}")).status_code == 404
    assert [row["id"] for row in rows(service.data_dir, "SELECT id FROM app_servers")] == [found["server_id"]]
    assert [row["id"] for row in rows(service.data_dir, "SELECT id FROM server_groups")] == [found["server_group_id"]]
    assert [row["id"] for row in rows(service.data_dir, "SELECT id FROM app_groups")] == [found["app_group_id"]]
    with World(service.data_dir) as world:
        assert [each.id for each in world.servers()] == [found["instance_id"]]


def test_the_screen_can_be_seen(stocked_service: Service, make: Make) -> None:
    answer = stocked_service.call("GET", stocked_service.servers(f"/{make('screen')}/actions/screenshot"))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
