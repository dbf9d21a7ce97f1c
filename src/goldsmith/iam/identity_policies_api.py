"""Identity policies: made, versioned, and attached to users and groups (`/v5/policies`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from goldsmith import errors
from goldsmith.http.operations import Access, operation
from goldsmith.http.parameters import Path, Query
from goldsmith.http.routes import CurrentCall
from goldsmith.http.wire import Empty, PathId, wire_time
from goldsmith.iam import examples
from goldsmith.iam import identity_policy_schemas as schemas
from goldsmith.iam.custom_policies import IDENTITY, SYSTEM, CustomPolicies, NewPolicy, PolicyView
from goldsmith.iam.granting import EVERYWHERE, Granting, Subject
from goldsmith.iam.service import Iam
from goldsmith.iam.surfaces import CODES, EXTENSION
from goldsmith.iam.touching import TouchesNamed

T = TypeVar("T")
TAG = "IAM policies"
ROOM = "/v5/policies/{policy_id}"
GONE = (errors.NOT_FOUND,)
PageLimit = Annotated[int, Query(ge=1, le=200)]
Marker = Annotated[str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next_marker` of the page before.")]
VersionId = Annotated[str, Path(pattern=r"^v[0-9]{1,9}$")]
DOCUMENT = '{"Version":"5.0","Statement":[{"Effect":"Allow","Action":["workspace:imageServer:get"]}]}'


class IdentityPoliciesApi(TouchesNamed):
    """HTTP side of identity policies."""

    def __init__(self, iam: Iam, granting: Granting) -> None:
        self._policies = CustomPolicies(iam)
        self._granting = granting

    @operation(
        "CreatePolicyV5", "POST", "/v5/policies", surface=EXTENSION, codes=CODES, tag=TAG, success=201,
        action="iam:policies:createV5", access=Access.WRITE, resource_type="policy", touches="touched",
        errors=(errors.CONFLICT,), example={"policy_name": "viewers", "policy_document": DOCUMENT},
        answer=examples.POLICY,
    )  # fmt: skip
    async def create(self, call: CurrentCall, body: schemas.NewIdentityPolicy) -> schemas.IdentityPolicyAnswer:
        """Make an identity policy; the place of a fault in its document is named."""
        new = NewPolicy(IDENTITY, body.policy_name, body.policy_document, body.description, path=body.path)
        view = await self._policies.add(call.caller, new, "policy_document")
        return schemas.IdentityPolicyAnswer(policy=schemas.identity_policy(view))

    @operation(
        "ListPoliciesV5", "GET", "/v5/policies", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:policies:listV5", access=Access.LIST,
        answer=examples.POLICIES,
    )  # fmt: skip
    async def list_policies(
        self,
        call: CurrentCall,
        limit: PageLimit = 100,
        marker: Marker = None,
        policy_type: Literal["custom", "system"] | None = None,
        path_prefix: Annotated[str, Query(max_length=512)] = "",
        only_attached: bool = False,
    ) -> schemas.IdentityPolicyList:
        """List system policies and the account's own identity policies."""
        views: list[PolicyView] = []
        if policy_type != "custom":
            views += [await self._policies.find(call.caller, each.id, field="policy_id") for each in SYSTEM]
        if policy_type != "system":
            views += await self._policies.list(call.caller, IDENTITY)
        views = [view for view in views if view.path.startswith(path_prefix) and (view.grants or not only_attached)]
        shown, info = _page(views, limit, marker)
        return schemas.IdentityPolicyList(policies=[schemas.identity_policy(view) for view in shown], page_info=info)

    @operation(
        "GetPolicyV5", "GET", ROOM, surface=EXTENSION, codes=CODES, tag=TAG, action="iam:policies:getV5",
        resource_type="policy", touches="touched", errors=GONE,
        answer=examples.POLICY,
    )  # fmt: skip
    async def show(self, call: CurrentCall, policy_id: PathId) -> schemas.IdentityPolicyAnswer:
        """Show an identity policy."""
        view = await self._policies.find(call.caller, policy_id, grammar=IDENTITY, field="policy_id")
        return schemas.IdentityPolicyAnswer(policy=schemas.identity_policy(view))

    @operation(
        "UpdatePolicyV5", "PUT", ROOM, surface=EXTENSION, codes=CODES, tag=TAG, action="iam:policies:updateV5",
        access=Access.WRITE, resource_type="policy", touches="touched", errors=GONE,
        example={"description": "May look, not touch."},
    )  # fmt: skip
    async def update(self, call: CurrentCall, policy_id: PathId, body: schemas.IdentityPolicyChanges) -> Empty:
        """Change the description of an identity policy."""
        changes = {"description": body.description}
        await self._policies.change(call.caller, policy_id, IDENTITY, changes, "policy_document")
        return Empty()

    @operation(
        "DeletePolicyV5", "DELETE", ROOM, surface=EXTENSION, codes=CODES, tag=TAG, action="iam:policies:deleteV5",
        access=Access.WRITE, resource_type="policy", touches="touched", success=204,
        errors=(errors.NOT_FOUND, errors.CONFLICT),
    )  # fmt: skip
    async def delete(self, call: CurrentCall, policy_id: PathId) -> None:
        """Delete an identity policy that is attached to nobody."""
        await self._policies.remove(call.caller, policy_id, IDENTITY)

    @operation(
        "CreatePolicyVersionV5", "POST", ROOM + "/versions", surface=EXTENSION, codes=CODES, tag=TAG, success=201,
        action="iam:policies:createVersionV5", access=Access.WRITE, resource_type="policy", touches="touched",
        errors=(errors.NOT_FOUND, errors.CONFLICT), example={"policy_document": DOCUMENT, "set_as_default": True},
        answer=examples.POLICY_VERSION,
    )  # fmt: skip
    async def create_version(
        self, call: CurrentCall, policy_id: PathId, body: schemas.NewVersion
    ) -> schemas.PolicyVersionAnswer:
        """Give an identity policy another document; five versions are kept at most."""
        row = await self._policies.add_version(
            call.caller, policy_id, body.policy_document, is_default=body.set_as_default
        )
        default = row["version"] if body.set_as_default else 0
        return schemas.PolicyVersionAnswer(policy_version=schemas.policy_version(row, default))

    @operation(
        "ListPolicyVersionsV5", "GET", ROOM + "/versions", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:policies:listVersionsV5", access=Access.LIST, touches="touched", errors=GONE,
        answer=examples.POLICY_VERSIONS,
    )  # fmt: skip
    async def list_versions(
        self, call: CurrentCall, policy_id: PathId, limit: PageLimit = 100, marker: Marker = None
    ) -> schemas.PolicyVersionList:
        """List the versions of an identity policy, newest first."""
        view, rows = await self._policies.versions(call.caller, policy_id)
        shown, info = _page(rows, limit, marker)
        versions = [schemas.policy_version(row, view.default_version) for row in shown]
        return schemas.PolicyVersionList(versions=versions, page_info=info)

    @operation(
        "GetPolicyVersionV5", "GET", ROOM + "/versions/{version_id}", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:policies:getVersionV5", resource_type="policy", touches="touched", errors=GONE,
        answer=examples.POLICY_VERSION,
    )  # fmt: skip
    async def show_version(
        self, call: CurrentCall, policy_id: PathId, version_id: VersionId
    ) -> schemas.PolicyVersionAnswer:
        """Show one version with its document."""
        view, rows = await self._policies.versions(call.caller, policy_id)
        for row in rows:
            if f"v{row['version']}" == version_id:
                return schemas.PolicyVersionAnswer(policy_version=schemas.policy_version(row, view.default_version))
        raise errors.NOT_FOUND.error(f"version_id: the policy has no version '{version_id}'.")

    @operation(
        "SetDefaultPolicyVersionV5", "POST", ROOM + "/versions/{version_id}/set-default", surface=EXTENSION,
        codes=CODES, tag=TAG, action="iam:policies:setDefaultVersionV5", access=Access.WRITE,
        resource_type="policy", touches="touched", errors=(*GONE, errors.CONFLICT),
    )  # fmt: skip
    async def set_default_version(self, call: CurrentCall, policy_id: PathId, version_id: VersionId) -> Empty:
        """Put a version in force."""
        await self._policies.set_default(call.caller, policy_id, int(version_id[1:]))
        return Empty()

    @operation(
        "DeletePolicyVersionV5", "DELETE", ROOM + "/versions/{version_id}", surface=EXTENSION, codes=CODES, tag=TAG,
        success=204, action="iam:policies:deleteVersionV5", access=Access.WRITE, resource_type="policy",
        touches="touched", errors=(errors.NOT_FOUND, errors.CONFLICT),
    )  # fmt: skip
    async def delete_version(self, call: CurrentCall, policy_id: PathId, version_id: VersionId) -> None:
        """Delete a version that is not in force."""
        await self._policies.remove_version(call.caller, policy_id, int(version_id[1:]))

    @operation(
        "AttachUserPolicyV5", "POST", ROOM + "/attach-user", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:users:attachPolicyV5", access=Access.WRITE, resource_type="user", touches="touched",
        errors=(*GONE, errors.CONFLICT),
        example={"user_id": "07667db96a00f265ee1c0020c7b44bbb"},
    )  # fmt: skip
    async def attach_user(self, call: CurrentCall, policy_id: PathId, body: schemas.UserTarget) -> Empty:
        """Attach an identity policy to a user."""
        return await self._attach(call, policy_id, Subject("user", body.user_id))

    @operation(
        "AttachGroupPolicyV5", "POST", ROOM + "/attach-group", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:groups:attachPolicyV5", access=Access.WRITE, resource_type="group", touches="touched",
        errors=(*GONE, errors.CONFLICT),
        example={"group_id": "07667db96a00f265ee1c0020c7b44bbb"},
    )  # fmt: skip
    async def attach_group(self, call: CurrentCall, policy_id: PathId, body: schemas.GroupTarget) -> Empty:
        """Attach an identity policy to a group."""
        return await self._attach(call, policy_id, Subject("group", body.group_id))

    @operation(
        "DetachUserPolicyV5", "POST", ROOM + "/detach-user", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:users:detachPolicyV5", access=Access.WRITE, resource_type="user", touches="touched", errors=GONE,
        example={"user_id": "07667db96a00f265ee1c0020c7b44bbb"},
    )  # fmt: skip
    async def detach_user(self, call: CurrentCall, policy_id: PathId, body: schemas.UserTarget) -> Empty:
        """Detach an identity policy from a user."""
        await self._granting.take(call.caller, Subject("user", body.user_id), policy_id, EVERYWHERE, "policy_id")
        return Empty()

    @operation(
        "DetachGroupPolicyV5", "POST", ROOM + "/detach-group", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:groups:detachPolicyV5", access=Access.WRITE, resource_type="group", touches="touched", errors=GONE,
        example={"group_id": "07667db96a00f265ee1c0020c7b44bbb"},
    )  # fmt: skip
    async def detach_group(self, call: CurrentCall, policy_id: PathId, body: schemas.GroupTarget) -> Empty:
        """Detach an identity policy from a group."""
        await self._granting.take(call.caller, Subject("group", body.group_id), policy_id, EVERYWHERE, "policy_id")
        return Empty()

    @operation(
        "ListAttachedUserPoliciesV5", "GET", "/v5/users/{user_id}/attached-policies", surface=EXTENSION, codes=CODES,
        tag=TAG, action="iam:users:listAttachedPoliciesV5", access=Access.LIST, touches="touched", errors=GONE,
        answer=examples.ATTACHED_POLICIES,
    )  # fmt: skip
    async def list_of_user(
        self, call: CurrentCall, user_id: PathId, limit: PageLimit = 100, marker: Marker = None
    ) -> schemas.AttachedPolicyList:
        """List the identity policies attached to a user itself."""
        return await self._attached(call, Subject("user", user_id), limit, marker)

    @operation(
        "ListAttachedGroupPoliciesV5", "GET", "/v5/groups/{group_id}/attached-policies", surface=EXTENSION,
        codes=CODES, tag=TAG, action="iam:groups:listAttachedPoliciesV5", access=Access.LIST,
        touches="touched", errors=GONE,
        answer=examples.ATTACHED_POLICIES,
    )  # fmt: skip
    async def list_of_group(
        self, call: CurrentCall, group_id: PathId, limit: PageLimit = 100, marker: Marker = None
    ) -> schemas.AttachedPolicyList:
        """List the identity policies attached to a group."""
        return await self._attached(call, Subject("group", group_id), limit, marker)

    @operation(
        "ListEntitiesForPolicyV5", "GET", ROOM + "/attached-entities", surface=EXTENSION, codes=CODES, tag=TAG,
        action="iam:policies:listEntitiesV5", access=Access.LIST, touches="touched", errors=GONE,
        answer=examples.ENTITIES,
    )  # fmt: skip
    async def list_entities(
        self,
        call: CurrentCall,
        policy_id: PathId,
        entity_type: Literal["user", "group", "agency"] | None = None,
        limit: PageLimit = 100,
        marker: Marker = None,
    ) -> schemas.EntityList:
        """List the users and groups an identity policy is attached to."""
        found = await self._granting.holders(call.caller, policy_id, EVERYWHERE)
        wanted = [each for each in found if entity_type in {None, each[0].kind}]
        shown, info = _page(wanted, limit, marker)
        when = [(subject, wire_time(since) or schemas.EPOCH) for subject, since in shown]
        return schemas.EntityList(
            policy_agencies=[],
            policy_groups=[schemas.PolicyGroup(group_id=s.id, attached_at=at) for s, at in when if s.kind == "group"],
            policy_users=[schemas.PolicyUser(user_id=s.id, attached_at=at) for s, at in when if s.kind == "user"],
            page_info=info,
        )

    async def _attach(self, call: CurrentCall, policy_id: str, subject: Subject) -> Empty:
        await self._policies.find(call.caller, policy_id, grammar=IDENTITY, field="policy_id")
        await self._granting.give(call.caller, subject, policy_id, EVERYWHERE, "policy_id")
        return Empty()

    async def _attached(
        self, call: CurrentCall, subject: Subject, limit: int, marker: str | None
    ) -> schemas.AttachedPolicyList:
        shown, info = _page(await self._granting.held(call.caller, subject, EVERYWHERE), limit, marker)
        attached = [
            schemas.AttachedPolicy(
                policy_name=each.policy.name,
                policy_id=each.policy.id,
                urn=schemas.urn_of(each.policy),
                attached_at=wire_time(each.since) or schemas.EPOCH,
            )
            for each in shown
        ]
        return schemas.AttachedPolicyList(attached_policies=attached, page_info=info)


def _page(items: Sequence[T], limit: int, marker: str | None) -> tuple[Sequence[T], schemas.PageInfo]:
    """The part of `items` from the marker on, which is a position with leading zeros (markers have four digits)."""
    start = int(marker or 0)
    shown = items[start : start + limit]
    more = start + limit < len(items)
    return shown, schemas.PageInfo(next_marker=f"{start + limit:04d}" if more else None, current_count=len(shown))
