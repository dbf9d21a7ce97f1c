"""What job operations answer, as `/openapi.json` shows it: one finished creation, in all its forms."""

from __future__ import annotations

from typing import Any

_TIMES = {"begin_time": "2024-05-20T10:39:50.723Z", "end_time": "2024-05-20T11:03:24.194Z"}
_RESOURCE = {"resource_id": "702364883894788096", "resource_name": "image-0520"}
_SUB_JOB = {
    "id": "702364884037271552", "job_id": "702364883651395584", "project_id": "a4da8115c9d8464ead3a38309130523f",
    "job_type": "CREATE_SERVER", "status": "SUCCESS", **_TIMES, "job_resource_info": _RESOURCE,
}  # fmt: skip
_BRIEF = {
    "id": "702364883651395584", "job_type": "CREATE_SERVER", "begin_time": "2024-05-20T10:39:49.610Z",
    "end_time": "2024-05-20T11:03:24.206Z", "status": "SUCCESS", "sub_jobs_total": 1,
}  # fmt: skip
_V1 = {
    "job_status": 1, "begin_time": "2024-05-20T10:39:49Z", "end_time": "2024-05-20T11:03:24Z", "execute_code": "",
    "execute_message": "",
}  # fmt: skip

SUB_JOB: dict[str, Any] = {
    **_SUB_JOB, "job_execute_info": {"error_code": "", "error_message": ""}, "progress": 100, "current_step": "",
    "steps": [{"name": "reserve_address", "state": "done", "seconds": 0.009}],
}  # fmt: skip
SUB_JOBS = {"count": 1, "items": [SUB_JOB]}
JOB = {**_BRIEF, "sub_jobs": [SUB_JOB], "progress": 100, "current_step": ""}
JOBS = {"count": 1, "items": [_BRIEF]}
COUNT = {"count": 1}
JOB_V1 = {
    "job": {
        "job_id": "702364883651395584", "job_type": 1, **_V1,
        "sub_jobs": [{"job_id": "702364884037271552", "job_type": 2, **_V1, "entities": [_RESOURCE]}],
    }
}  # fmt: skip
JOB_V2 = {**_BRIEF, "sub_jobs": [{**_SUB_JOB, "error_code": "", "error_message": ""}]}
