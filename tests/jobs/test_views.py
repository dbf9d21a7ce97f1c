"""Jobs and sub jobs as clients see them: lists, filters, pages, the v1 and v2 views, deletion of records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from tests.service import PROJECT, Service, example, leftovers, until

from goldsmith.clouds.simulated import Fault, World

JOBS = f"/v1/{PROJECT}/image-server-jobs"
SUB_JOBS = f"/v1/{PROJECT}/image-server-sub-jobs"


@dataclass(frozen=True, slots=True)
class History:
    """A service on which three creates, one failed create and one deletion of two have happened."""

    service: Service
    creates: list[str]
    failed: str
    deletion: str
    servers: list[str]

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.service.call("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("history")
    service = Service(folder / "data", GOLDSMITH_SIMULATED__SPEED="50").start()
    creates = [service.create(example(f"history {number}")) for number in range(3)]
    servers = [service.wait(each)["sub_jobs"][0]["job_resource_info"]["resource_id"] for each in creates]
    with World(service.data_dir) as world:
        world.inject(Fault("start_server", error="refused", message="no power"))
    failed = service.wait(service.create(example("history of failure")))["id"]
    deletion = service.delete(*servers[:2])["id"]
    yield History(service, creates, failed, deletion, servers)
    service.stop()
    assert leftovers(folder) == []


def test_jobs_are_listed_newest_first_with_what_the_contract_shows(history: History) -> None:
    page = history.get(f"{JOBS}?job_type=CREATE_SERVER")
    assert page["count"] == 4
    assert [item["id"] for item in page["items"]] == [history.failed, *reversed(history.creates)]
    for item in page["items"]:
        assert set(item) == {"id", "job_type", "begin_time", "end_time", "status", "sub_jobs_total"}
        assert (item["job_type"], item["sub_jobs_total"]) == ("CREATE_SERVER", 1)
        assert datetime.fromisoformat(item["begin_time"]) <= datetime.fromisoformat(item["end_time"])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("job_type=", 5), ("job_type=DELETE_SERVER", 1), ("job_type=CREATE_SERVER_IMAGE", 0),
        ("job_type=CREATE_SERVER&status=FAILED", 1), ("job_type=CREATE_SERVER&status=SUCCESS", 3),
        ("job_type=&status=WAITING", 0), ("job_type=&status=RUNNING", 0), ("job_type=&status=", 5),
    ],
)  # fmt: skip
def test_jobs_are_filtered_by_type_and_status(history: History, query: str, count: int) -> None:
    page = history.get(f"{JOBS}?{query}")
    assert (page["count"], len(page["items"])) == (count, count)


@pytest.mark.parametrize("path", [JOBS, SUB_JOBS])
def test_pages_do_not_overlap_and_end_empty(history: History, path: str) -> None:
    seen: list[str] = []
    total = history.get(f"{path}?job_type=&limit=1")["count"]
    for offset in range(0, total, 2):
        page = history.get(f"{path}?job_type=&offset={offset}&limit=2")
        assert page["count"] == total
        seen += [item["id"] for item in page["items"]]
    assert len(seen) == len(set(seen)) == total
    assert seen == sorted(seen, key=int, reverse=True)
    assert history.get(f"{path}?job_type=&offset=2147483647") == {"count": total, "items": []}


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (JOBS, "", "job_type"), (SUB_JOBS, "", "job_type"), (JOBS, "job_type=createServer", "job_type"),
        (JOBS, "job_type=DELETE_IMAGE", "job_type"), (JOBS, "job_type=&status=ROLLBACK", "status"),
        (SUB_JOBS, "job_type=&status=DONE", "status"),
        (f"{SUB_JOBS}/actions/count", "job_type=X,CREATE_SERVER", "job_type"),
        (f"{SUB_JOBS}/actions/count", "status=X", "status"),
    ],
)  # fmt: skip
def test_a_filter_that_does_not_exist_is_refused(history: History, path: str, query: str, field: str) -> None:
    assert [each["field"] for each in history.get(f"{path}?{query}", 400)["details"]] == [field]


def test_a_deletion_of_two_has_two_sub_jobs_in_the_order_of_the_request(history: History) -> None:
    job = history.get(f"{JOBS}/{history.deletion}")
    assert (job["job_type"], job["sub_jobs_total"], job["progress"]) == ("DELETE_SERVER", 2, 100)
    assert [each["job_resource_info"]["resource_id"] for each in job["sub_jobs"]] == history.servers[:2]
    assert [each["job_resource_info"]["resource_name"] for each in job["sub_jobs"]] == ["history 0", "history 1"]
    for sub_job in job["sub_jobs"]:
        assert (sub_job["job_id"], sub_job["project_id"]) == (history.deletion, PROJECT)
        assert sub_job["job_execute_info"] == {"error_code": "", "error_message": ""}
        assert int(sub_job["id"]) > int(history.deletion)
        assert [step["state"] for step in sub_job["steps"]] == ["done"] * len(sub_job["steps"])


def test_sub_jobs_are_listed_and_counted_by_type_status_and_job(history: History) -> None:
    assert history.get(f"{SUB_JOBS}?job_type=&job_id={history.deletion}")["count"] == 2
    assert history.get(f"{SUB_JOBS}?job_type=CREATE_SERVER&status=FAILED")["count"] == 1
    counts = {
        "": 6, "job_type=CREATE_SERVER": 4, "job_type=CREATE_SERVER,DELETE_SERVER": 6, "status=SUCCESS": 5,
        f"job_id={history.deletion}": 2, "job_id=nothing": 0, "job_type=DELETE_SERVER&status=FAILED": 0,
    }  # fmt: skip
    for query, count in counts.items():
        assert history.get(f"{SUB_JOBS}/actions/count?{query}") == {"count": count}, query


def test_the_first_view_has_numbers_and_whole_seconds(history: History) -> None:
    job = history.get(f"/v1/{PROJECT}/job/{history.creates[0]}")["job"]
    assert (job["job_status"], job["job_type"]) == (1, 1)
    assert "." not in job["begin_time"] + job["end_time"]
    (sub_job,) = job["sub_jobs"]
    assert (sub_job["job_status"], sub_job["job_type"]) == (1, 2)
    assert sub_job["entities"] == [{"resource_id": history.servers[0], "resource_name": "history 0"}]
    failed = history.get(f"/v1/{PROJECT}/job/{history.failed}")["job"]
    assert (failed["job_status"], failed["execute_message"]) == (0, "no power")


def test_the_second_view_has_code_and_message_in_the_sub_job(history: History) -> None:
    job = history.get(f"/v2/{PROJECT}/job/{history.failed}")
    assert (job["status"], job["job_type"], job["sub_jobs_total"]) == ("FAILED", "CREATE_SERVER", 1)
    (sub_job,) = job["sub_jobs"]
    assert (sub_job["error_code"], sub_job["error_message"]) == ("WKS.00129901", "no power")
    assert "job_execute_info" not in sub_job


def test_jobs_of_another_project_do_not_exist(history: History) -> None:
    service = history.service
    made = service.call("POST", "/v3/projects", {"project": {"name": "local-1_other"}}).json()
    other: str = made["project"]["id"]
    for path in (f"image-server-jobs/{history.failed}", f"job/{history.failed}"):
        answer = service.call("GET", f"/v1/{other}/{path}")
        assert answer.status_code in {400, 404}
        assert "no power" not in answer.text
    assert service.call("GET", f"/v1/{other}/image-server-jobs?job_type=").json() == {"count": 0, "items": []}
    assert service.call("GET", f"/v1/{other}/image-server-sub-jobs?job_type=").json() == {"count": 0, "items": []}
    ids = [each["id"] for each in history.get(f"{SUB_JOBS}?job_type=DELETE_SERVER")["items"]]
    answer = service.call("PATCH", f"/v1/{other}/image-server-sub-jobs/actions/batch-delete", {"items": ids})
    assert answer.status_code == 200
    assert history.get(f"{SUB_JOBS}?job_type=DELETE_SERVER")["count"] == len(ids)


def test_the_records_of_ended_sub_jobs_can_be_deleted_and_unknown_ids_are_ignored(
    new_service: type[Service],
) -> None:
    service = new_service(GOLDSMITH_SIMULATED__SPEED="50").start()
    job = service.wait(service.create(example("forgotten")))
    path = f"{SUB_JOBS}/actions/batch-delete"
    body = {"items": [job["sub_jobs"][0]["id"], "697612196825268224"]}
    assert service.call("PATCH", path, body).status_code == 200
    assert service.call("PATCH", path, body).status_code == 200
    after = service.job(job["id"])
    assert (after["status"], after["sub_jobs"], after["sub_jobs_total"]) == ("SUCCESS", [], 1)


def test_a_sub_job_that_runs_cannot_be_deleted(new_service: type[Service]) -> None:
    service = new_service(GOLDSMITH_SIMULATED__BOOT_SECONDS="3").start()
    job_id = service.create(example("runs"))
    sub_job_id = service.job(job_id)["sub_jobs"][0]["id"]
    answer = service.call("PATCH", f"{SUB_JOBS}/actions/batch-delete", {"items": [sub_job_id, "1"]})
    assert (answer.status_code, answer.json()["error_code"]) == (409, "WKS.00211103")
    assert answer.json()["details"][0]["value"] == sub_job_id
    assert service.wait(job_id)["status"] == "SUCCESS"


def test_a_job_tells_its_step_and_never_waits_or_goes_back(new_service: type[Service]) -> None:
    service = new_service(GOLDSMITH_SIMULATED__BOOT_SECONDS="1").start()
    job_id = service.create(example("telling"))
    seen: list[tuple[int, str]] = []

    def ended() -> Any:
        job = service.job(job_id)
        if job["status"] != "RUNNING":
            return job
        seen.append((job["progress"], job["current_step"]))
        assert job["sub_jobs"][0]["status"] in {"WAITING", "RUNNING"}
        assert "end_time" not in job
        return None

    job = until(ended, every=0.02)
    assert (job["status"], job["progress"], job["current_step"]) == ("SUCCESS", 100, "")
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    assert "wait_for_guest" in {step for _, step in seen}
    assert len(service.job(job_id)["sub_jobs"][0]["steps"]) >= 6
