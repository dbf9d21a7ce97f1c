"""Creating and deleting image servers, as clients see it."""

from tests.service import EXAMPLE, PROJECT, Service, example


def test_the_published_request_makes_an_image_server_and_recursive_deletion_removes_it(each_service: Service) -> None:
    job = each_service.wait(each_service.create(EXAMPLE))
    assert job["status"] == "SUCCESS", job
    server_id = job["sub_jobs"][0]["job_resource_info"]["resource_id"]
    shown = each_service.call("GET", each_service.servers(f"/{server_id}")).json()
    assert shown["status"] == "ACTIVE"
    assert shown["authorize_accounts"] == EXAMPLE["authorize_accounts"]
    assert shown["server_id"].startswith("wksapp-")
    assert each_service.delete(server_id)["status"] == "SUCCESS"
    assert each_service.call("GET", each_service.servers(f"/{server_id}")).status_code == 404


def test_a_request_that_is_wrong_in_three_ways_is_told_all_three(each_service: Service) -> None:
    body = example("three wrongs", subnet_id="nowhere", root_volume={"type": "SATA", "size": 15}, is_vdi=False)
    answer = each_service.call("POST", each_service.servers(), body)
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["details"]] == ["root_volume.size", "subnet_id", "is_vdi"]
    assert each_service.call("GET", f"/v1/{PROJECT}/image-servers?server_name=three").json()["count"] == 0
