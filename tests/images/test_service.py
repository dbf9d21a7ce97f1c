"""Which images a project sees, and what is said of an ImageRef that does not fit."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from goldsmith.errors import Problem
from goldsmith.images.service import Image, ImageProtected, Images, NotOwner
from goldsmith.store import Duplicate
from goldsmith.store.sqlite import SqliteStore

PROJECT = "a4da8115c9d8464ead3a38309130523f"
OTHER = "5d7f0c1b9a3e4b62884c6f2e1d0a9b8c"


def check(store: SqliteStore, service: Images, **ref: Any) -> Image | list[Problem]:
    sent = {"image_id": "gold", "image_type": "gold", "spce_code": "90a6", "product_id": "OFFI"} | ref
    return store.read_now(lambda tx: service.check_ref(tx, PROJECT, **sent))


def broken(found: Image | list[Problem]) -> list[tuple[str, str]]:
    assert isinstance(found, list)
    return [(problem.field, problem.rule) for problem in found]


@pytest.mark.parametrize(
    ("image_id", "project", "kind"),
    [
        ("gold", "anybody", "gold"),
        ("public", "anybody", "public"),
        ("other", "anybody", "other"),
        ("private", PROJECT, "private"),
        ("private", OTHER, None),
        ("shared", PROJECT, "shared"),
        ("shared", OTHER, "shared"),
        ("shared", "anybody", None),
        ("lent", OTHER, "private"),
        ("lent", PROJECT, "shared"),
        ("secret", PROJECT, None),
        ("missing", PROJECT, None),
    ],
)
def test_who_sees_what(store: SqliteStore, service: Images, image_id: str, project: str, kind: str | None) -> None:
    found = store.read_now(lambda tx: service.find(tx, project, image_id))
    assert (found and found.kind) == kind


def test_a_listing_with_its_codes_fits(store: SqliteStore, service: Images) -> None:
    found = check(store, service)
    assert isinstance(found, Image)
    assert (found.id, found.file, found.min_disk) == ("gold", "debian-12", 10)


@pytest.mark.parametrize("kind", ["public", "private", "shared", "other"])
def test_other_kinds_need_no_codes(store: SqliteStore, service: Images, kind: str) -> None:
    found = check(store, service, image_id=kind, image_type=kind, spce_code="", product_id="")
    assert isinstance(found, Image)


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({"image_id": "none"}, [("image_ref.id", "exists")]),
        ({"image_type": "private"}, [("image_ref.image_type", "image_type")]),
        ({"spce_code": ""}, [("image_ref.spce_code", "required")]),
        ({"spce_code": "x", "product_id": "y"},
         [("image_ref.spce_code", "listing"), ("image_ref.product_id", "listing")]),
        ({"image_id": "none", "spce_code": "", "product_id": "y"},
         [("image_ref.id", "exists"), ("image_ref.spce_code", "required")]),
        ({"image_type": "public", "spce_code": "", "product_id": ""},
         [("image_ref.image_type", "image_type"), ("image_ref.spce_code", "required"),
          ("image_ref.product_id", "required")]),
        ({"image_id": None, "product_id": ""}, [("image_ref.product_id", "required")]),
        ({"image_id": None, "image_type": None, "product_id": ""}, []),
        ({"image_id": "public", "spce_code": None}, [("image_ref.image_type", "image_type")]),
    ],
)  # fmt: skip
def test_everything_that_does_not_fit_is_said(
    store: SqliteStore, service: Images, ref: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert broken(check(store, service, **ref)) == expected


def test_what_was_reported_already_is_not_checked(store: SqliteStore, service: Images) -> None:
    assert isinstance(check(store, service, image_type=None, spce_code=None, product_id=None), Image)


def test_the_messages_say_what_to_do(store: SqliteStore, service: Images) -> None:
    unknown = check(store, service, image_id="none")
    assert isinstance(unknown, list)
    assert "GET /v2/cloudimages" in unknown[0].message
    wrong = check(store, service, image_type="shared")
    assert isinstance(wrong, list)
    assert "of type gold, not shared" in wrong[0].message


def test_an_image_that_is_not_ready_cannot_be_used(store: SqliteStore, service: Images, built: Image) -> None:
    store.write_now(lambda tx: service.add(tx, replace(built, status="saving")))
    found = check(store, service, image_id="built", image_type="private")
    assert broken(found) == [("image_ref.id", "status")]


def test_what_was_added_is_found_as_it_was(store: SqliteStore, service: Images, built: Image) -> None:
    store.write_now(lambda tx: service.add(tx, built))
    assert store.read_now(lambda tx: service.find(tx, PROJECT, "built")) == built
    with pytest.raises(Duplicate):
        store.write_now(lambda tx: service.add(tx, built))


def test_only_own_images_that_are_not_declared_are_deleted(store: SqliteStore, service: Images, built: Image) -> None:
    store.write_now(lambda tx: service.add(tx, built))
    assert not store.write_now(lambda tx: service.delete(tx, OTHER, "built"))
    assert store.write_now(lambda tx: service.delete(tx, PROJECT, "built"))
    assert not store.write_now(lambda tx: service.delete(tx, PROJECT, "built"))
    with pytest.raises(ImageProtected):
        store.write_now(lambda tx: service.delete(tx, PROJECT, "private"))
    with pytest.raises(NotOwner):
        store.write_now(lambda tx: service.delete(tx, PROJECT, "lent"))


def test_declaring_again_follows_the_file(
    store: SqliteStore, service: Images, built: Image, catalogue: list[SimpleNamespace]
) -> None:
    gold, *_, lent = catalogue
    renamed = SimpleNamespace(**vars(gold) | {"name": "renamed"})
    withdrawn = SimpleNamespace(**vars(lent) | {"members": ()})
    store.write_now(lambda tx: service.add(tx, built))
    before = store.read_now(lambda tx: service.find(tx, PROJECT, "gold"))
    store.write_now(lambda tx: service.declare(tx, "service", [renamed, withdrawn]))
    after = store.read_now(lambda tx: service.find(tx, PROJECT, "gold"))
    assert before is not None
    assert after is not None
    assert (after.name, after.created_at) == ("renamed", before.created_at)
    assert broken(check(store, service, image_id="public", image_type="public")) == [("image_ref.id", "exists")]
    assert store.read_now(lambda tx: service.find(tx, PROJECT, "lent")) is None
    assert store.read_now(lambda tx: service.find(tx, PROJECT, "built")) == built
    store.write_now(lambda tx: service.declare(tx, "service", catalogue))
    assert isinstance(check(store, service, image_id="public", image_type="public"), Image)
