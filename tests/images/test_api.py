"""The IMS surface on the wire: shapes the official SDK understands, filters, orders, deletion."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from huaweicloudsdkims.v2 import ImsClient

from goldsmith.images.service import Image, Images
from goldsmith.store import Tx
from goldsmith.store.sqlite import SqliteStore

OTHER = "5d7f0c1b9a3e4b62884c6f2e1d0a9b8c"
VISIBLE = {"gold", "public", "private", "shared", "other", "lent", "built"}


@pytest.fixture(autouse=True)
def with_a_built_image(store: SqliteStore, service: Images, built: Image) -> None:
    store.write_now(lambda tx: service.add(tx, built))


def as_sdk(answer: Any, kind: str) -> Any:
    """The answer as the official SDK reads it."""
    assert answer.status == 200, answer.text
    return ImsClient().deserialize(SimpleNamespace(text=answer.text, headers={}), kind, None)


async def listed(client: Any, query: str) -> list[str]:
    answer = await client.send("GET", f"/v2/cloudimages?{query}")
    assert answer.status == 200, answer.text
    return [image["id"] for image in answer.json()["images"]]


async def test_the_sdk_reads_the_list(client: Any) -> None:
    found = {
        image.id: image for image in as_sdk(await client.send("GET", "/v2/cloudimages"), "ListImagesResponse").images
    }
    assert set(found) == VISIBLE
    gold, built = found["gold"], found["built"]
    assert (gold.imagetype, gold.productcode, gold.visibility, gold.protected) == ("market", "OFFI", "public", True)
    assert (gold.platform, gold.os_type, gold.os_bit, gold.isregistered) == ("Debian", "Linux", "64", "true")
    assert (built.imagetype, built.tags, built.size) == ("private", ["env=test", "plain"], 7)
    assert built.created_at == "2023-11-14T22:13:20Z"
    assert (found["lent"].imagetype, found["lent"].visibility, found["lent"].owner) == ("shared", "shared", OTHER)


async def test_the_sdk_reads_one_image(client: Any) -> None:
    shown = as_sdk(await client.send("GET", "/v2/images/built"), "GlanceShowImageResponse")
    assert (shown.id, shown.name, shown.min_disk, shown.imagetype) == ("built", "my image", 60, "private")
    assert (shown._self, shown.file) == ("/v2/images/built", "/v2/images/built/file")


async def test_an_unknown_or_foreign_image_is_not_found(client: Any) -> None:
    for image_id in ("none", "secret"):
        answer = await client.send("GET", f"/v2/images/{image_id}")
        assert answer.status == 404
        assert answer.json()["error"]["code"].startswith("IMG.")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("id=gold", {"gold"}),
        ("id=secret", set()),
        ("name=my%20image", {"built"}),
        (f"owner={OTHER}", {"shared", "lent"}),
        ("__imagetype=gold", {"public", "other"}),
        ("__imagetype=market", {"gold"}),
        ("__imagetype=private", {"private", "built"}),
        ("__imagetype=shared", {"shared", "lent"}),
        ("visibility=public", {"gold", "public", "other"}),
        ("visibility=private", {"private", "built"}),
        ("visibility=shared", {"shared", "lent"}),
        ("__os_type=Windows", {"public"}),
        ("__platform=Windows", {"public"}),
        ("architecture=arm", {"public"}),
        ("__os_bit=32", set()),
        ("__os_bit=64", VISIBLE),
        ("__isregistered=false", set()),
        ("status=saving", set()),
        ("status=deleted", set()),
        ("min_disk=60", {"built"}),
        ("min_ram=0", VISIBLE),
        ("protected=false", {"built"}),
        ("virtual_env_type=Ironic", set()),
        ("disk_format=qcow2", VISIBLE),
        ("container_format=ovf", set()),
        ("tag=plain", {"built"}),
        ("tag=env%3Dtest", {"built"}),
        ("tag=env", set()),
        ("tag=%25", set()),
        ("member_status=pending", VISIBLE - {"shared", "lent"}),
        ("enterprise_project_id=0", VISIBLE),
        ("enterprise_project_id=another", VISIBLE - {"built", "private"}),
        ("enterprise_project_id=all_granted_eps", VISIBLE),
        ("created_at=lt:2023-11-14T22:13:21Z", {"built"}),
        ("created_at=eq:2023-11-14T22:13:20Z", {"built"}),
        ("updated_at=gt:2023-11-14T22:13:20Z", VISIBLE - {"built"}),
        ("__support_kvm=true&unknown=1", VISIBLE),
    ],
)
async def test_images_are_filtered(client: Any, query: str, found: set[str]) -> None:
    assert set(await listed(client, query)) == found


@pytest.mark.parametrize("key", ["created_at", "name", "container_format", "disk_format", "status", "id", "size"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_pages_put_together_are_the_list(client: Any, key: str, direction: str) -> None:
    order = f"sort_key={key}&sort_dir={direction}"
    whole = await listed(client, order)
    assert set(whole) == VISIBLE
    pages = await listed(client, f"{order}&limit=3")
    while len(page := await listed(client, f"{order}&limit=3&marker={pages[-1]}")):
        pages += page
    assert pages == whole


async def test_the_newest_image_comes_first(client: Any) -> None:
    assert (await listed(client, ""))[-1] == "built"
    assert (await listed(client, "sort_key=size"))[0] == "built"
    assert (await listed(client, "sort_key=name&sort_dir=asc"))[-1] == "built"
    assert await listed(client, "marker=none") == []


@pytest.mark.parametrize(
    "query", ["__imagetype=public", "created_at=yesterday", "created_at=gt:yesterday", "limit=-1", "sort_key=owner"]
)
async def test_a_filter_of_the_wrong_shape_is_refused(client: Any, query: str) -> None:
    answer = await client.send("GET", f"/v2/cloudimages?{query}")
    assert (answer.status, answer.json()["error"]["code"]) == (400, "IMG.0001")
    assert answer.json()["error"]["details"][0]["field"] == query.partition("=")[0]


async def test_a_credential_without_project_is_told_the_header(client: Any) -> None:
    answer = await client.send("GET", "/v2/cloudimages", project="")
    assert answer.status == 400
    assert "X-Project-Id" in answer.text


async def test_terraform_sees_a_deleted_image_go(client: Any) -> None:
    assert await listed(client, "id=built") == ["built"]
    answer = await client.send("DELETE", "/v2/images/built")
    assert (answer.status, answer.text) == (204, "")
    assert await listed(client, "id=built") == []
    assert (await client.send("DELETE", "/v2/images/built")).status == 204


async def test_images_of_others_and_of_the_catalogue_are_not_deleted(client: Any) -> None:
    assert (await client.send("DELETE", "/v2/images/lent")).status == 403
    assert (await client.send("DELETE", "/v2/images/private")).status == 403
    assert (await client.send("DELETE", "/v2/images/secret")).status == 204
    assert (await client.send("GET", "/v2/images/secret", project=OTHER)).status == 200


async def test_an_image_of_another_enterprise_project_is_listed_when_asked_for(
    client: Any, store: SqliteStore, service: Images, built: Image
) -> None:
    def add(tx: Tx) -> None:
        service.add(tx, replace(built, id="elsewhere", enterprise_project_id="eps-1"))

    store.write_now(add)
    assert await listed(client, "id=elsewhere") == []
    assert await listed(client, "id=elsewhere&enterprise_project_id=eps-1") == ["elsewhere"]
