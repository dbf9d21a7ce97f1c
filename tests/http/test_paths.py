"""What a path leads to."""

from __future__ import annotations

import pytest

from goldsmith.http.paths import Paths


@pytest.fixture
def paths() -> Paths[str]:
    found: Paths[str] = Paths()
    for pattern in ("/v1/{project_id}/jobs/{job_id}", "/v1/{project_id}/jobs/running", "/v1/{project_id}/jobs", "/"):
        found.add(pattern, pattern)
    found.add("/v1/{project_id}/jobs", "another method")
    return found


def test_a_path_leads_to_all_that_fits_in_the_order_it_was_added(paths: Paths[str]) -> None:
    assert paths.find("/v1/p1/jobs/running") == [
        ("/v1/{project_id}/jobs/{job_id}", {"project_id": "p1", "job_id": "running"}),
        ("/v1/{project_id}/jobs/running", {"project_id": "p1"}),
    ]
    assert [value for value, _ in paths.find("/v1/p1/jobs")] == ["/v1/{project_id}/jobs", "another method"]
    assert paths.find("/") == [("/", {})]


@pytest.mark.parametrize(
    "path", ["", "*", "/v1", "/v1/", "/v1//jobs", "/v1/p1/jobs/", "/v1/p1/jobs/1/2", "//v1/p1/jobs", "/V1/p1/jobs"]
)
def test_a_path_with_an_empty_another_or_a_further_segment_leads_nowhere(paths: Paths[str], path: str) -> None:
    assert paths.find(path) == []
