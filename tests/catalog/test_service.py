"""What the catalogue answers, and how it refuses a file that does not fit together."""

from pathlib import Path

import pytest

from goldsmith.catalog.service import Catalog, CatalogProblem, default_text
from goldsmith.clouds.port import Host


def load(file: Path, *changes: tuple[str, str]) -> Catalog:
    text = default_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, encoding="utf-8")
    return Catalog.load(file)


def test_the_published_example_exists(catalog: Catalog) -> None:
    images = {image.id: image for image in catalog.file.images}
    gold = images["da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c"]
    assert (gold.kind, gold.spce_code, gold.product_id) == (
        "gold", "90a6e84bb3e822fe54999b6be5bbae1e", "OFFI874943784560095232",
    )  # fmt: skip
    assert {image.kind for image in images.values()} == {"gold", "public", "private", "shared", "other"}
    vpc = next(vpc for vpc in catalog.file.vpcs if vpc.id == "59785ba5-e5d5-4836-b9de-19f22ac15175")
    subnets = {subnet.id: subnet.cidr for subnet in vpc.subnets}
    assert subnets["a5842cb4-5718-4b0a-8b27-3a3e9c74f977"] == "192.168.0.0/20"
    product = catalog.product("workspace.x86.performance.xlarge4")
    assert product is not None
    assert catalog.is_on_sale(product, "local-1a")
    assert 10 * product.flavors[0].vcpus > product.sessions


def test_a_product_has_a_default_flavor_and_others_by_id(catalog: Catalog) -> None:
    product = catalog.product("workspace.x86.performance.xlarge4")
    assert product is not None
    small, large = product.flavors
    assert product.flavor(None) == product.flavor("") == small
    assert product.flavor(large.flavor_id) == large
    assert product.flavor("s2.xlarge.2") is None
    assert catalog.product("workspace.unknown") is None


@pytest.mark.parametrize(
    ("product_id", "zone", "status", "on_sale"),
    [
        ("workspace.x86.base.small", "local-1b", "normal", True),
        ("workspace.x86.base.zonal", "local-1a", "normal", True),
        ("workspace.x86.base.zonal", "local-1b", "sellout", False),
        ("workspace.x86.base.zonal", "local-1c", "abandon", False),
        ("workspace.x86.gpu.a30", "local-1a", "sellout", False),
        ("workspace.x86.base.retired", "local-1a", "abandon", False),
        ("workspace.x86.base.small", "nowhere", "abandon", False),
    ],
)
def test_the_status_of_a_zone_wins(catalog: Catalog, product_id: str, zone: str, status: str, on_sale: bool) -> None:
    product = catalog.product(product_id)
    assert product is not None
    assert catalog.status_in(product, zone) == status
    assert catalog.is_on_sale(product, zone) is on_sale


def test_a_zone_may_offer_some_products_only(file: Path) -> None:
    line = 'display_name = { en = "Local zone B", zh = "本地可用区B" }'
    catalog = load(file, (line, line + '\nproduct_ids = ["workspace.x86.base.small"]'))
    small, medium = catalog.product("workspace.x86.base.small"), catalog.product("workspace.x86.base.medium")
    assert small is not None
    assert medium is not None
    assert catalog.is_on_sale(small, "local-1b")
    assert not catalog.is_on_sale(medium, "local-1b")
    assert catalog.is_on_sale(medium, "local-1a")


def test_volume_types_know_their_zones(catalog: Catalog) -> None:
    extreme = catalog.volume_type("ESSD")
    assert extreme is not None
    assert extreme.is_offered_in("local-1a")
    assert not extreme.is_offered_in("local-1c")
    assert not extreme.is_offered_in("nowhere")
    assert catalog.volume_type("NVME") is None
    assert catalog.session_type("GPU") is not None


def test_hosts_come_from_the_cloud(catalog: Catalog) -> None:
    catalog.set_hosts([Host("b", "local-1c", 1, 1, 1), Host("a", "local-1a", 1, 1, 1)])
    assert [host.id for host in catalog.hosts()] == ["b", "a"]
    assert catalog.zones_with_hosts == ("local-1a", "local-1c")
    assert catalog.host("a") == Host("a", "local-1a", 1, 1, 1)
    assert catalog.host("local-host") is None


def test_a_host_in_an_undeclared_zone_is_refused(catalog: Catalog) -> None:
    with pytest.raises(CatalogProblem, match=r"host x stands in mars-1"):
        catalog.set_hosts([Host("x", "mars-1", 1, 1, 1)])


def test_there_is_no_directory_unless_declared(file: Path) -> None:
    assert Catalog.load(file).directory is None
    text = default_text() + '\n[directory]\ndomain_name = "corp.example"\norganizational_units = ["Sales"]\n'
    file.write_text(text, encoding="utf-8")
    directory = Catalog.load(file).directory
    assert directory is not None
    assert directory.domain_name == "corp.example"
    assert directory.has_unit("sales")
    assert not directory.has_unit("Purchasing")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vcpus = 8,", "vcpus = 0,", "products[5].flavors[0].vcpus (local.gpu.a30)"),
        ("sessions = 10", 'sessions = "10"', "products[5].sessions (workspace.x86.gpu.a30)"),
        ("is_gpu = true", "isgpu = true", "products[5].isgpu (workspace.x86.gpu.a30)"),
        ('cidr = "10.0.0.0/16"', 'cidr = "10.0.0.1/16"', "vpcs[1].cidr"),
        ("local-1b(sellout)", "local-1b=sellout", "products[3].cond_operation_az (workspace.x86.base.zonal)"),
        ("local-1b(sellout)", "local-9(sellout)", "product workspace.x86.base.zonal: cond_operation_az names local-9"),
        ('sold_out_zones = ["local-1c"]', 'sold_out_zones = ["x"]', "volume type ESSD: sold_out_zones names x"),
        ("default = true", "default = false", "exactly one must have default = true"),
        ('name = "local-1b"', 'name = "local-1a"', "local-1a is declared 2 times"),
        ('product_id = "OFFI874943784560095232"', "", "a gold image needs spce_code and product_id"),
        ('owner = "a4da8115c9d8464ead3a38309130523f"', "", "a private image needs an owner"),
        ('owner = "5d7f0c1b9a3e4b62884c6f2e1d0a9b8c"', "", "members need an owner"),
        ('cidr = "192.168.240.0/29"', 'cidr = "172.16.0.0/29"', "is not inside 192.168.0.0/16"),
        ('cidr = "192.168.240.0/29"', 'cidr = "192.168.1.0/29"', "overlaps 192.168.0.0/20"),
        ('gateway_ip = "192.168.240.1"', 'gateway_ip = "192.168.240.7"', "is no host address of 192.168.240.0/29"),
        ('type = "SAS"', 'type = "SSD"', "system_disk_type SAS is not a volume type"),
        ("storage_pools = []", "storage_pools = ", "is not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_entry(file: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CatalogProblem) as refused:
        load(file, (old, new))
    assert str(file) in str(refused.value)
    assert said in str(refused.value)


def test_all_mistakes_are_reported_at_once(file: Path) -> None:
    with pytest.raises(CatalogProblem) as refused:
        load(file, ("vcpus = 8,", "vcpus = 0,"), ('name = "subnet-tiny"', 'nam = "subnet-tiny"'))
    text = str(refused.value)
    assert "local.gpu.a30" in text
    assert "0f6a1c2d-3b4e-4f50-8a61-7c8d9e0f1a2b" in text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogProblem, match=r"catalog\.toml cannot be read"):
        Catalog.load(tmp_path / "catalog.toml")
