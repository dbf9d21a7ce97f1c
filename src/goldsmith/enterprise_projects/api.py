"""The published operations of the enterprise project service (EPS)."""

from __future__ import annotations

from typing import Annotated, Literal

from goldsmith import errors
from goldsmith.enterprise_projects import schemas
from goldsmith.enterprise_projects.service import MOST, EnterpriseProjects, Status, Wanted
from goldsmith.http.operations import Access, Call, Resource, Surface, Touched, operation
from goldsmith.http.parameters import Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Offset, PathId

TAG = "enterprise projects"
ROOM = "/v1.0/enterprise-projects"
CODES = {400: "EPS.0002", 403: "EPS.0003", 404: "EPS.0004", 409: "EPS.0005", 500: "EPS.0006"}
KIND = "enterpriseProject"
KEYS = ("g:EnterpriseProjectId",)
EXAMPLE = {
    "id": "edf12ce4-ecbc-4fe4-9575-e38753cd949c", "name": "team-b", "description": "", "status": 1, "type": "prod",
    "delete_flag": False, "created_at": "2024-05-07T07:54:21Z", "updated_at": "2024-05-07T07:54:21Z",
}  # fmt: skip
Text = Annotated[str | None, Query(max_length=255)]


class EnterpriseProjectsApi:
    """HTTP side of enterprise projects."""

    def __init__(self, enterprise_projects: EnterpriseProjects) -> None:
        self._projects = enterprise_projects

    async def touched(self, call: Call, _body: bytes) -> Touched:
        """The enterprise project of the path, or one that is yet to be made."""
        named = call.path.get("enterprise_project_id")
        return Touched((_resource(named) if named is not None else Resource(KIND),))

    @operation(
        "ListEnterpriseProject", "GET", ROOM, surface=Surface.EPS, codes=CODES, tag=TAG,
        action="eps:enterpriseProjects:list", access=Access.LIST, resource_type=KIND, condition_keys=KEYS,
        answer={"enterprise_projects": [EXAMPLE], "total_count": 1},
    )  # fmt: skip
    async def list_projects(
        self,
        call: CurrentCall,
        id: Annotated[Text, Query(description='"0" is the default one.')] = None,
        name: Annotated[Text, Query(description="Part of the name.")] = None,
        status: Annotated[int | None, Query(ge=1, le=2, description="1 enabled, 2 disabled.")] = None,
        type: Literal["prod", "poc"] | None = None,
        offset: Offset = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
        sort_key: Literal["created_at", "updated_at", "name", "id", "status", "type"] = "created_at",
        sort_dir: Literal["asc", "desc"] = "desc",
    ) -> schemas.ProjectList:
        """List the enterprise projects of the account that the caller may see."""
        wanted = Wanted(id, name, status, type, sort_key, sort_dir == "desc")
        found = await self._projects.list(call.caller.domain_id, wanted)
        if call.sees is not None:
            visible = call.sees([_resource(each.id) for each in found])
            found = [each for each, is_visible in zip(found, visible, strict=True) if is_visible]
        page = [schemas.shown(each) for each in found[offset : offset + limit]]
        return schemas.ProjectList(enterprise_projects=page, total_count=len(found))

    @operation(
        "ShowEnterpriseProjectQuota", "GET", ROOM + "/quotas", surface=Surface.EPS, codes=CODES, tag=TAG,
        action="eps:enterpriseProjects:list", access=Access.LIST,
        answer={"quotas": {"resources": [{"type": "enterprise_project", "used": 1, "quota": 100}]}},
    )  # fmt: skip
    async def quotas(self, call: CurrentCall) -> schemas.QuotaAnswer:
        """Show how many enterprise projects there may be, and are."""
        used = await self._projects.count(call.caller.domain_id)
        return schemas.QuotaAnswer(quotas=schemas.Quotas(resources=[schemas.Quota(used=used, quota=MOST)]))

    @operation(
        "ShowEnterpriseProject", "GET", ROOM + "/{enterprise_project_id}", surface=Surface.EPS, codes=CODES, tag=TAG,
        action="eps:enterpriseProjects:get", resource_type=KIND, condition_keys=KEYS, touches="touched",
        errors=(errors.NOT_FOUND,),
        answer={"enterprise_project": EXAMPLE},
    )  # fmt: skip
    async def show(self, call: CurrentCall, enterprise_project_id: PathId) -> schemas.ProjectAnswer:
        """Show an enterprise project."""
        found = await self._projects.find(call.caller.domain_id, enterprise_project_id)
        return schemas.ProjectAnswer(enterprise_project=schemas.shown(found))

    @operation(
        "CreateEnterpriseProject", "POST", ROOM, surface=Surface.EPS, codes=CODES, tag=TAG, success=201,
        action="eps:enterpriseProjects:create", access=Access.WRITE, resource_type=KIND,
        touches="touched", errors=(errors.CONFLICT,),
        example={"name": "branch-north", "description": "The northern branch"},
        answer={"enterprise_project": EXAMPLE},
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: schemas.NewEnterpriseProject) -> schemas.ProjectAnswer:
        """Make an enterprise project."""
        made = await self._projects.add(call.caller.domain_id, body.name, body.description, body.type)
        return schemas.ProjectAnswer(enterprise_project=schemas.shown(made))

    @operation(
        "UpdateEnterpriseProject", "PUT", ROOM + "/{enterprise_project_id}", surface=Surface.EPS, codes=CODES, tag=TAG,
        action="eps:enterpriseProjects:update", access=Access.WRITE, resource_type=KIND, condition_keys=KEYS,
        touches="touched", errors=(errors.NOT_FOUND, errors.CONFLICT),
        example={"name": "branch-north", "description": "Two offices"},
        answer={"enterprise_project": EXAMPLE},
    )  # fmt: skip
    async def update(
        self, call: CurrentCall, enterprise_project_id: PathId, body: schemas.EnterpriseProjectChanges
    ) -> schemas.ProjectAnswer:
        """Change name, description or type of an enterprise project."""
        changes = body.model_dump(exclude_none=True)
        changed = await self._projects.change(call.caller.domain_id, enterprise_project_id, changes)
        return schemas.ProjectAnswer(enterprise_project=schemas.shown(changed))

    @operation(
        "EnableEnterpriseProject", "POST", ROOM + "/{enterprise_project_id}/action", surface=Surface.EPS, codes=CODES,
        tag=TAG, success=204, action="eps:enterpriseProjects:update", access=Access.WRITE,
        resource_type=KIND, condition_keys=KEYS, touches="touched", errors=(errors.NOT_FOUND, errors.CONFLICT),
        example={"action": "disable"},
    )  # fmt: skip
    async def act(self, call: CurrentCall, enterprise_project_id: PathId, body: schemas.Act) -> None:
        """Enable or disable an enterprise project; nothing new may be put into a disabled one."""
        status = Status.ENABLED if body.action == "enable" else Status.DISABLED
        await self._projects.change(call.caller.domain_id, enterprise_project_id, {"status": int(status)})


def _resource(ep_id: str) -> Resource:
    return Resource(KIND, ep_id, enterprise_project_id=ep_id)
