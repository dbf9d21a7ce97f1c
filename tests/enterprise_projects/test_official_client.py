"""The official SDK drives enterprise projects of a running service."""

from __future__ import annotations

from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkeps import v1 as eps
from tests.service import Service


@pytest.fixture
def client(service: Service) -> Any:
    known = service.credentials
    credentials = GlobalCredentials(known["access_key"], known["secret_key"], known["domain_id"])
    return eps.EpsClient.new_builder().with_credentials(credentials).with_endpoint(service.endpoint).build()


def test_an_enterprise_project_lives_its_life(client: Any) -> None:
    new = eps.EnterpriseProject(name="branch-north", description="d", type="prod")
    made = client.create_enterprise_project(eps.CreateEnterpriseProjectRequest(body=new)).enterprise_project
    assert (made.name, made.status, made.type, made.delete_flag) == ("branch-north", 1, "prod", False)
    show = eps.ShowEnterpriseProjectRequest(enterprise_project_id=made.id)
    assert client.show_enterprise_project(show).enterprise_project.id == made.id
    changed = eps.EnterpriseProject(name="branch-süd".replace("ü", "u"), description="e")
    client.update_enterprise_project(eps.UpdateEnterpriseProjectRequest(made.id, changed))
    client.disable_enterprise_project(eps.DisableEnterpriseProjectRequest(made.id, eps.DisableAction(action="disable")))
    found = client.list_enterprise_project(eps.ListEnterpriseProjectRequest(status=2, name="SUD"))
    assert ([each.id for each in found.enterprise_projects], found.total_count) == ([made.id], 1)
    client.enable_enterprise_project(eps.EnableEnterpriseProjectRequest(made.id, eps.EnableAction(action="enable")))
    assert client.show_enterprise_project(show).enterprise_project.status == 1
    quotas = client.show_enterprise_project_quota(eps.ShowEnterpriseProjectQuotaRequest()).quotas.resources
    assert (quotas[0].type, quotas[0].quota) == ("enterprise_project", 100)


def test_lists_are_paged_and_sorted(client: Any) -> None:
    for name in ("sorted-b", "sorted-a"):
        client.create_enterprise_project(eps.CreateEnterpriseProjectRequest(body=eps.EnterpriseProject(name=name)))

    def page(**more: Any) -> list[str]:
        request = eps.ListEnterpriseProjectRequest(name="sorted-", sort_key="name", **more)
        return [each.name for each in client.list_enterprise_project(request).enterprise_projects]

    assert page(sort_dir="asc") == ["sorted-a", "sorted-b"]
    assert page(sort_dir="desc", limit=1) == page(sort_dir="asc", offset=1) == ["sorted-b"]


@pytest.mark.parametrize("name", ["Default", "", "a b", "x" * 65])
def test_a_name_that_may_not_be_is_refused(client: Any, name: str) -> None:
    with pytest.raises(ClientRequestException) as caught:
        client.create_enterprise_project(eps.CreateEnterpriseProjectRequest(body=eps.EnterpriseProject(name=name)))
    assert caught.value.status_code == 400
    assert caught.value.error_msg.startswith("name: ")


def test_what_is_missing_is_not_found_and_the_default_one_stays(client: Any) -> None:
    with pytest.raises(ClientRequestException) as caught:
        client.show_enterprise_project(eps.ShowEnterpriseProjectRequest(enterprise_project_id="none"))
    assert caught.value.status_code == 404
    assert client.show_enterprise_project(eps.ShowEnterpriseProjectRequest("0")).enterprise_project.name == "default"
    with pytest.raises(ClientRequestException) as caught:
        client.disable_enterprise_project(eps.DisableEnterpriseProjectRequest("0", eps.DisableAction(action="disable")))
    assert caught.value.status_code == 409
