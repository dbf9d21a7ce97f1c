"""Every rule of every field of a create: what breaks it is refused, by name, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest
from tests.database import change, contents
from tests.image_servers.requests import ABSENT, broken_rules, refused, request
from tests.service import PROJECT, Service

GOLD = {"id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c", "image_type": "gold"}
OPEN = {"is_vdi": False}
"""A server with several sessions, which the connected directory allows."""
TAG = {"key": "a", "value": "b"}

Changes = dict[str, Any]
Rules = list[tuple[str, str]]
CASES: dict[str, tuple[Changes, Rules]] = {
    # name
    "name missing": ({"name": ABSENT}, [("name", "required")]),
    "name null": ({"name": None}, [("name", "type")]),
    "name a number": ({"name": 1}, [("name", "type")]),
    "name empty": ({"name": ""}, [("name", "min_length")]),
    "name too long": ({"name": "x" * 65}, [("name", "max_length")]),
    "name only spaces": ({"name": "   "}, [("name", "pattern")]),
    "name begins with a space": ({"name": " a"}, [("name", "pattern")]),
    "name ends with a space": ({"name": "a "}, [("name", "pattern")]),
    "name ends with a newline": ({"name": "a\n"}, [("name", "pattern")]),
    "name with a tab": ({"name": "a\tb"}, [("name", "pattern")]),
    "name with a slash": ({"name": "a/b"}, [("name", "pattern")]),
    "name with NUL": ({"name": "a\x00"}, [("name", "pattern")]),
    # description
    "description a number": ({"description": 5}, [("description", "type")]),
    "description too long": ({"description": "x" * 256}, [("description", "max_length")]),
    "description with NUL": ({"description": "a\x00b"}, [("description", "characters")]),
    # root_volume
    "volume missing": ({"root_volume": ABSENT}, [("root_volume", "required")]),
    "volume a list": ({"root_volume": []}, [("root_volume", "type")]),
    "volume type missing": ({"root_volume.type": ABSENT}, [("root_volume.type", "required")]),
    "volume type unknown": ({"root_volume.type": "FLOPPY"}, [("root_volume.type", "enum")]),
    "volume type in lower case": ({"root_volume.type": "sata"}, [("root_volume.type", "enum")]),
    "volume size missing": ({"root_volume.size": ABSENT}, [("root_volume.size", "required")]),
    "volume size as text": ({"root_volume.size": "60"}, [("root_volume.size", "type")]),
    "volume size a fraction": ({"root_volume.size": 60.5}, [("root_volume.size", "type")]),
    "volume size true": ({"root_volume.size": True}, [("root_volume.size", "type")]),
    "volume size 15": ({"root_volume.size": 15}, [("root_volume.size", "multiple_of")]),
    "volume size 0": ({"root_volume.size": 0}, [("root_volume.size", "minimum")]),
    "volume size negative": ({"root_volume.size": -10}, [("root_volume.size", "minimum")]),
    "volume size 1030": ({"root_volume.size": 1030}, [("root_volume.size", "maximum")]),
    "volume size huge": ({"root_volume.size": 10**30}, [("root_volume.size", "maximum")]),
    "volume with an unknown field": ({"root_volume.speed": 1}, [("root_volume.speed", "unknown_field")]),
    "storage pool unknown": ({"root_volume.cluster_id": "pool-9"}, [("root_volume.cluster_id", "exists")]),
    "storage pool too long": ({"root_volume.cluster_id": "x" * 256}, [("root_volume.cluster_id", "max_length")]),
    "volume smaller than the image": (
        {"image_ref": {"id": "big", "image_type": "public"}}, [("root_volume.size", "image_min_disk")],
    ),
    "volume type not in the zone": (
        {"root_volume.type": "ESSD", "availability_zone": "local-1c"}, [("root_volume.type", "offered_in_zone")],
    ),
    # image_ref
    "image missing": ({"image_ref": ABSENT}, [("image_ref", "required")]),
    "image a text": ({"image_ref": "gold"}, [("image_ref", "type")]),
    "image id missing": ({"image_ref": {"image_type": "public"}}, [("image_ref.id", "required")]),
    "image id empty": ({"image_ref.id": ""}, [("image_ref.id", "min_length")]),
    "image id too long": ({"image_ref.id": "x" * 129}, [("image_ref.id", "max_length")]),
    "image unknown": ({"image_ref": {"id": "none", "image_type": "public"}}, [("image_ref.id", "exists")]),
    "image of another project": (
        {"image_ref": {"id": "foreign", "image_type": "private"}}, [("image_ref.id", "exists")],
    ),
    "image type missing": ({"image_ref.image_type": ABSENT}, [("image_ref.image_type", "required")]),
    "image type unknown": ({"image_ref.image_type": "silver"}, [("image_ref.image_type", "enum")]),
    "image of another type": ({"image_ref.image_type": "public"}, [("image_ref.image_type", "image_type")]),
    "image needs more memory": (
        {"image_ref": {"id": "hungry", "image_type": "public"}}, [("product_id", "image_min_ram")],
    ),
    "gold without codes": (
        {"image_ref": GOLD}, [("image_ref.spce_code", "required"), ("image_ref.product_id", "required")],
    ),
    "gold with codes null": (
        {"image_ref": {**GOLD, "spce_code": None, "product_id": None}},
        [("image_ref.spce_code", "required"), ("image_ref.product_id", "required")],
    ),
    "gold with empty codes": (
        {"image_ref": {**GOLD, "spce_code": "", "product_id": ""}},
        [("image_ref.spce_code", "required"), ("image_ref.product_id", "required")],
    ),
    "gold with another's codes": (
        {"image_ref": {**GOLD, "spce_code": "x", "product_id": "y"}},
        [("image_ref.spce_code", "listing"), ("image_ref.product_id", "listing")],
    ),
    "gold code with a space": ({"image_ref.spce_code": "a b"}, [("image_ref.spce_code", "pattern")]),
    "gold code too long": ({"image_ref.product_id": "x" * 101}, [("image_ref.product_id", "max_length")]),
    # network
    "vpc missing": ({"vpc_id": ABSENT}, [("vpc_id", "required")]),
    "vpc empty": ({"vpc_id": ""}, [("vpc_id", "min_length")]),
    "vpc too long": ({"vpc_id": "x" * 129}, [("vpc_id", "max_length")]),
    "vpc unknown": ({"vpc_id": "none"}, [("vpc_id", "exists")]),
    "subnet missing": ({"subnet_id": ABSENT}, [("subnet_id", "required")]),
    "subnet unknown": ({"subnet_id": "none"}, [("subnet_id", "exists")]),
    "subnet of another vpc": ({"vpc_id": "vpc-full"}, [("subnet_id", "in_vpc")]),
    # product and flavor
    "product missing": ({"product_id": ABSENT}, [("product_id", "required")]),
    "product unknown": ({"product_id": "none"}, [("product_id", "exists")]),
    "product sold out": ({"product_id": "workspace.x86.gpu.a30"}, [("product_id", "on_sale")]),
    "product off the shelf": ({"product_id": "workspace.x86.base.retired"}, [("product_id", "on_sale")]),
    "product not sold in the zone": (
        {"product_id": "workspace.x86.base.zonal", "availability_zone": "local-1b"}, [("product_id", "on_sale")],
    ),
    "flavor of another product": ({"flavor_id": "local.small.1"}, [("flavor_id", "in_product")]),
    "flavor too long": ({"flavor_id": "x" * 256}, [("flavor_id", "max_length")]),
    # zone, host and room
    "zone unknown": ({"availability_zone": "mars-1a"}, [("availability_zone", "exists")]),
    "zone too long": ({"availability_zone": "x" * 256}, [("availability_zone", "max_length")]),
    "host unknown": ({"scheduler_hints.dedicated_host_id": "none"}, [("scheduler_hints.dedicated_host_id", "exists")]),
    "host in another zone": (
        {"scheduler_hints.dedicated_host_id": "local-1a-host-1", "availability_zone": "local-1b"},
        [("scheduler_hints.dedicated_host_id", "in_zone")],
    ),
    "tenancy unknown": ({"scheduler_hints.tenancy": "shared"}, [("scheduler_hints.tenancy", "enum")]),
    "tenancy too long": ({"scheduler_hints.tenancy": "x" * 256}, [("scheduler_hints.tenancy", "max_length")]),
    # apps
    "apps not a list": ({"attach_apps": "app"}, [("attach_apps", "type")]),
    "an app": ({"attach_apps": ["1"]}, [("attach_apps", "available")]),
    "an app twice": ({"attach_apps": ["1", "1"]}, [("attach_apps", "unique"), ("attach_apps", "available")]),
    "an app without id": ({"attach_apps": [""]}, [("attach_apps[0]", "min_length")]),
    "101 apps": ({"attach_apps": [str(n) for n in range(101)]}, [("attach_apps", "max_items")]),
    # accounts
    "accounts missing": ({"authorize_accounts": ABSENT}, [("authorize_accounts", "required")]),
    "no account": ({"authorize_accounts": []}, [("authorize_accounts", "min_items")]),
    "two accounts": (
        {"authorize_accounts": [{"account": "administrator", "account_type": "USER"}] * 2},
        [("authorize_accounts", "max_items")],
    ),
    "account unknown": ({"authorize_accounts.0.account": "nobody"}, [("authorize_accounts[0].account", "exists")]),
    "account empty": ({"authorize_accounts.0.account": ""}, [("authorize_accounts[0].account", "min_length")]),
    "account too long": (
        {"authorize_accounts.0.account": "x" * 129}, [("authorize_accounts[0].account", "max_length")],
    ),
    "account with NUL": ({"authorize_accounts.0.account": "a\x00"}, [("authorize_accounts[0].account", "characters")]),
    "a group": (
        {"authorize_accounts.0.account_type": "USER_GROUP"}, [("authorize_accounts[0].account_type", "user_only")],
    ),
    "account type unknown": (
        {"authorize_accounts.0.account_type": "ROBOT"}, [("authorize_accounts[0].account_type", "enum")],
    ),
    "domain too long": ({"authorize_accounts.0.domain": "x" * 65}, [("authorize_accounts[0].domain", "max_length")]),
    "another domain": ({"authorize_accounts.0.domain": "other.org"}, [("authorize_accounts[0].domain", "directory")]),
    # directory and mode
    "unit unknown": ({"ou_name": "Finance"}, [("ou_name", "exists")]),
    "unit too long": ({"ou_name": "x" * 256}, [("ou_name", "max_length")]),
    "mode as text": ({"is_vdi": "true"}, [("is_vdi", "type")]),
    "mode as number": ({"is_vdi": 1}, [("is_vdi", "type")]),
    # sessions
    "paid sessions for one session": (
        {"extra_session_type": "CPU", "extra_session_size": 2}, [("extra_session_type", "multi_session")],
    ),
    "route policy for one session": ({"route_policy": {"max_session": 3}}, [("route_policy", "multi_session")]),
    "session type without size": ({**OPEN, "extra_session_type": "CPU"}, [("extra_session_size", "together")]),
    "session size without type": ({**OPEN, "extra_session_size": 2}, [("extra_session_type", "together")]),
    "session type unknown": (
        {**OPEN, "extra_session_type": "TPU", "extra_session_size": 2}, [("extra_session_type", "enum")],
    ),
    "session size 0": (
        {**OPEN, "extra_session_type": "CPU", "extra_session_size": 0}, [("extra_session_size", "minimum")],
    ),
    "session size 10001": (
        {**OPEN, "extra_session_type": "CPU", "extra_session_size": 10001}, [("extra_session_size", "maximum")],
    ),
    "more sessions than the vCPUs carry": (
        {**OPEN, "extra_session_type": "CPU", "extra_session_size": 18}, [("extra_session_size", "maximum")],
    ),
    "the product has more sessions than the vCPUs carry": (
        {**OPEN, "product_id": "test.crowded", "extra_session_type": "CPU", "extra_session_size": 1},
        [("extra_session_size", "maximum")],
    ),
    "GPU sessions without a GPU": (
        {**OPEN, "extra_session_type": "GPU", "extra_session_size": 2}, [("extra_session_type", "gpu")],
    ),
    "policy of more sessions than there are": (
        {**OPEN, "route_policy": {"max_session": 4}}, [("route_policy.max_session", "maximum")],
    ),
    "policy over 1024": ({**OPEN, "route_policy": {"max_session": 1025}}, [("route_policy.max_session", "maximum")]),
    "policy negative": ({**OPEN, "route_policy": {"max_session": -1}}, [("route_policy.max_session", "minimum")]),
    "cpu threshold over 100": (
        {**OPEN, "route_policy": {"cpu_threshold": 101}}, [("route_policy.cpu_threshold", "maximum")],
    ),
    "mem threshold over 100": (
        {**OPEN, "route_policy": {"mem_threshold": 101}}, [("route_policy.mem_threshold", "maximum")],
    ),
    # tags
    "tags not a list": ({"tags": {"a": "b"}}, [("tags", "type")]),
    "21 tags": ({"tags": [{"key": f"k{n}"} for n in range(21)]}, [("tags", "max_items")]),
    "a key twice": ({"tags": [TAG, TAG]}, [("tags", "unique")]),
    "key missing": ({"tags": [{"value": "b"}]}, [("tags[0].key", "required")]),
    "key empty": ({"tags": [{"key": ""}]}, [("tags[0].key", "min_length")]),
    "key too long": ({"tags": [{"key": "x" * 129}]}, [("tags[0].key", "max_length")]),
    "key reserved": ({"tags": [{"key": "_sys_a"}]}, [("tags[0].key", "pattern")]),
    "key ends with a space": ({"tags": [{"key": "a "}]}, [("tags[0].key", "pattern")]),
    "key ends with a newline": ({"tags": [{"key": "a\n"}]}, [("tags[0].key", "pattern")]),
    "key with a forbidden sign": ({"tags": [{"key": "a*b"}]}, [("tags[0].key", "pattern")]),
    "key with a slash": ({"tags": [{"key": "a/b"}]}, [("tags[0].key", "pattern")]),
    "value too long": ({"tags": [{"key": "a", "value": "x" * 256}]}, [("tags[0].value", "max_length")]),
    "value with a forbidden sign": ({"tags": [{"key": "a", "value": "a*b"}]}, [("tags[0].value", "pattern")]),
    "value ends with a newline": ({"tags": [{"key": "a", "value": "b\n"}]}, [("tags[0].value", "pattern")]),
    "tag with an unknown field": ({"tags": [{**TAG, "color": "red"}]}, [("tags[0].color", "unknown_field")]),
    # the rest
    "enterprise project too long": (
        {"enterprise_project_id": "x" * 65}, [("enterprise_project_id", "max_length")],
    ),
    "enterprise project with a space": ({"enterprise_project_id": "a b"}, [("enterprise_project_id", "pattern")]),
    "enterprise project ends with a newline": (
        {"enterprise_project_id": "0\n"}, [("enterprise_project_id", "pattern")],
    ),
    "enterprise project unknown": ({"enterprise_project_id": "none"}, [("enterprise_project_id", "exists")]),
    "unknown field": ({"colour": "red"}, [("colour", "unknown_field")]),
    "misspelt field": ({"image_ref.spec_code": "x"}, [("image_ref.spec_code", "unknown_field")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_breaks_a_rule_is_refused_by_name_and_nothing_is_written(stocked_service: Service, case: str) -> None:
    changes, rules = CASES[case]
    before = contents(stocked_service.data_dir)
    status, answer = refused(stocked_service, request("refused", changes))
    assert (status, answer["error_code"], broken_rules(answer)) == (400, "WKS.00211102", rules)
    assert set(answer) == {"error_code", "error_msg", "details"}
    first, more = answer["details"][0], len(rules) - 1
    tail = "" if not more else f" (and {more} more problem, see details)"
    assert answer["error_msg"].startswith(f"{first['field']}: {first['message'][:100]}")
    assert answer["error_msg"].endswith(tail)
    assert len(answer["error_msg"]) <= 255
    assert refused(stocked_service, request("refused", changes), dry_run=True) == (status, answer)
    assert contents(stocked_service.data_dir) == before


def test_everything_wrong_is_said_at_once_in_the_order_shape_then_world(stocked_service: Service) -> None:
    changes = {
        "root_volume.size": 15, "name": "a/b", "vpc_id": "none", "subnet_id": "none", "product_id": "none",
        "authorize_accounts.0.account": "nobody", "tags": [TAG, TAG], "colour": "red",
    }  # fmt: skip
    status, answer = refused(stocked_service, request("x", changes))
    assert status == 400
    assert broken_rules(answer) == [
        ("name", "pattern"), ("root_volume.size", "multiple_of"), ("colour", "unknown_field"), ("vpc_id", "exists"),
        ("subnet_id", "exists"), ("product_id", "exists"), ("authorize_accounts[0].account", "exists"),
        ("tags", "unique"),
    ]  # fmt: skip
    assert answer["error_msg"].endswith(" (and 7 more problems, see details)")


def test_everything_that_is_wrong_with_the_place_is_said_at_once(stocked_service: Service) -> None:
    here = {
        "availability_zone": "local-1c", "product_id": "workspace.x86.base.zonal", "root_volume.type": "ESSD",
        "scheduler_hints": {"dedicated_host_id": "none", "tenancy": "shared"},
    }  # fmt: skip
    _, answer = refused(stocked_service, request("x", here))
    assert broken_rules(answer) == [
        ("scheduler_hints.tenancy", "enum"), ("scheduler_hints.dedicated_host_id", "exists"),
        ("product_id", "on_sale"), ("root_volume.type", "offered_in_zone"),
    ]  # fmt: skip
    nowhere = {**here, "availability_zone": "none", "product_id": "workspace.x86.base.retired"}
    _, answer = refused(stocked_service, request("x", nowhere))
    assert broken_rules(answer) == [
        ("scheduler_hints.tenancy", "enum"), ("availability_zone", "exists"),
        ("scheduler_hints.dedicated_host_id", "exists"), ("product_id", "on_sale"),
    ]  # fmt: skip


def test_an_empty_object_names_every_required_field(stocked_service: Service) -> None:
    _, answer = refused(stocked_service, {})
    required = {field for field, rule in broken_rules(answer) if rule == "required"}
    assert required == {"name", "root_volume", "image_ref", "vpc_id", "subnet_id", "product_id", "authorize_accounts"}


def test_gold_codes_are_missed_also_beside_other_mistakes(stocked_service: Service) -> None:
    changes = {"image_ref": {**GOLD, "spce_code": None}, "root_volume.size": "60"}
    _, answer = refused(stocked_service, request("x", changes))
    assert broken_rules(answer) == [
        ("root_volume.size", "type"), ("image_ref.spce_code", "required"), ("image_ref.product_id", "required"),
    ]  # fmt: skip


def test_a_name_in_use_is_a_conflict_unless_something_else_is_wrong_too(stocked_service: Service) -> None:
    service = stocked_service
    server_id = service.wait(service.create(request("taken")))["sub_jobs"][0]["job_resource_info"]["resource_id"]
    before = contents(service.data_dir)
    for dry_run in (False, True):
        status, answer = refused(service, request("taken"), dry_run=dry_run)
        assert (status, answer["error_code"], broken_rules(answer)) == (409, "WKS.00211103", [("name", "unique")])
        assert server_id in answer["error_msg"]
    status, answer = refused(service, request("taken", {"vpc_id": "none"}))
    assert (status, broken_rules(answer)) == (400, [("vpc_id", "exists"), ("name", "unique")])
    assert contents(service.data_dir) == before
    assert service.delete(server_id)["status"] == "SUCCESS"
    assert service.call("POST", service.servers("?dry_run=true"), request("taken")).json() == {"dry_run": True}


def test_a_full_subnet_has_no_address_left(stocked_service: Service) -> None:
    service, place = stocked_service, {"vpc_id": "vpc-full", "subnet_id": "subnet-full"}
    made: list[str] = []
    answer: Any = {}
    for number in range(9):
        response = service.call("POST", service.servers(), request(f"full {number}", place))
        answer = response.json()
        if response.status_code != 200:
            break
        made.append(service.wait(answer["job_id"])["sub_jobs"][0]["job_resource_info"]["resource_id"])
    assert 1 <= len(made) <= 5, "a /29 has eight addresses, of which the network takes at least three"
    assert broken_rules(answer) == [("subnet_id", "free_address")]
    assert service.delete(made.pop())["status"] == "SUCCESS"
    assert service.call("POST", service.servers("?dry_run=true"), request("fits", place)).status_code == 200
    assert service.delete(*made)["status"] == "SUCCESS"


@pytest.mark.parametrize("kind", ["INSTANCES", "VOLUMES", "VOLUME_GIGABYTES", "CORES", "MEMORY", "GPU_INSTANCES"])
def test_a_quota_that_is_used_up_refuses(stocked_service: Service, kind: str) -> None:
    folder = stocked_service.data_dir
    change(folder, "UPDATE quotas SET limit_ = 0 WHERE project_id = ? AND type = ?", PROJECT, kind)
    try:
        body = request("no quota", {"product_id": "test.gpu"})
        before = contents(folder)
        status, answer = refused(stocked_service, body)
        assert (status, broken_rules(answer)) == (400, [("product_id", "quota")])
        assert kind in answer["error_msg"]
        assert contents(folder) == before
    finally:
        change(folder, "UPDATE quotas SET limit_ = NULL WHERE project_id = ? AND type = ?", PROJECT, kind)


def test_an_inactive_tenant_gets_no_servers(stocked_service: Service) -> None:
    def make(status: str) -> None:
        answer = stocked_service.call(
            "POST", f"/v1/{PROJECT}/tenant/action/active", {"service_status": status}
        )  # fmt: skip
        assert answer.status_code == 200, answer.text

    make("inactive")
    try:
        status, answer = refused(stocked_service, request("inactive"))
        assert (status, broken_rules(answer)) == (400, [("project_id", "service_active")])
    finally:
        make("active")


def test_without_a_directory_only_single_session_servers_are_possible(service: Service) -> None:
    changes = {"is_vdi": False, "ou_name": "Sales"}
    _, answer = refused(service, request("no directory", changes))
    assert broken_rules(answer) == [("is_vdi", "directory"), ("ou_name", "directory")]
    _, answer = refused(service, request("no directory", {"is_vdi": ABSENT}))
    assert broken_rules(answer) == [("is_vdi", "directory")]


@pytest.mark.parametrize("header", ["Service-Transaction-Id", "X-Linked-Id"])
def test_a_business_id_of_more_than_64_characters_is_refused(stocked_service: Service, header: str) -> None:
    before = contents(stocked_service.data_dir)
    answer = stocked_service.call("POST", stocked_service.servers(), request("x"), headers={header: "x" * 65})
    assert answer.status_code == 400
    assert broken_rules(answer.json()) == [(header.lower(), "max_length")]
    assert contents(stocked_service.data_dir) == before


def test_hosts_without_room_are_named(new_service: type[Service]) -> None:
    service = new_service(GOLDSMITH_SIMULATED__HOST_VCPUS="1", GOLDSMITH_SIMULATED__HOSTS_PER_ZONE="1").start()
    places: list[tuple[Changes, str]] = [
        ({"scheduler_hints.dedicated_host_id": "local-1a-host-1"}, "scheduler_hints.dedicated_host_id"),
        ({"availability_zone": "local-1a"}, "availability_zone"),
        ({}, "availability_zone"),
    ]
    before = contents(service.data_dir)
    for changes, field in places:
        status, answer = refused(service, request("no room", changes))
        assert (status, broken_rules(answer)) == (400, [(field, "capacity")])
        assert "2 vCPUs" in answer["error_msg"]
    _, answer = refused(service, request("no room", {"product_id": "workspace.x86.gpu.a30"}))
    assert broken_rules(answer) == [("product_id", "on_sale"), ("availability_zone", "capacity")]
    assert contents(service.data_dir) == before
