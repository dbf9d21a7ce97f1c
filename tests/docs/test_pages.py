"""The documents tell what the code does: generated pages are fresh, hand-written ones complete."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from tests.service import Service

from goldsmith import docs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]
ROW = re.compile(r"^\| (\w+) \| `(\w+) ([^`]+)` \| (published|extension|difference)\b", re.MULTILINE)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated pages as the code would have them now, written as `make docs` does."""
    folder = tmp_path_factory.mktemp("docs")
    subprocess.run([sys.executable, "-m", "goldsmith.docs", str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", docs.PAGES)
def test_a_generated_page_is_fresh(fresh: Path, name: str) -> None:
    page = DOCS / name
    is_fresh = page.exists() and page.read_text() == (fresh / name).read_text()
    assert is_fresh, f"docs/{name} is not what the code says any more: run `make docs` and commit what it writes"


def test_the_operation_table_is_what_the_service_serves(service: Service) -> None:
    paths = httpx.get(f"{service.endpoint}/openapi.json", timeout=60).json()["paths"]
    served = {each["operationId"] for operations in paths.values() for each in operations.values()}

    assert {each.name for each in docs.operations()} == served


def test_the_comparison_has_a_row_for_every_operation_and_no_other() -> None:
    rows = {name: (method, path) for name, method, path, _ in ROW.findall((DOCS / "compatibility.md").read_text())}

    wanted = {each.name: (each.method, each.path) for each in docs.operations()}
    missing = [f"| {name} | `{' '.join(wanted[name])}` | published | … |" for name in wanted if name not in rows]

    assert missing == [], "compare these with the published API and add their rows:\n" + "\n".join(missing)
    assert rows == wanted


def test_the_comparison_calls_extensions_what_the_table_calls_so() -> None:
    called = {name for name, _, _, kind in ROW.findall((DOCS / "compatibility.md").read_text()) if kind == "extension"}

    assert called == {each.name for each in docs.operations() if each.is_extension}


def test_every_rule_of_an_image_server_is_on_the_page_of_errors() -> None:
    found = {each.name for each in docs.rules() if each.place == "image_servers.preflight"}

    assert {"exists", "in_vpc", "free_address", "quota", "unique"} <= found
    assert [name for name in found if f"`{name}`" not in (DOCS / "errors.md").read_text()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_map_names_every_page() -> None:
    index = (DOCS / "index.md").read_text()
    pages = [page.relative_to(DOCS) for page in sorted(DOCS.rglob("*.md")) if page.name != "index.md"]

    assert [str(page) for page in pages if f"({page})" not in index] == []


def test_every_decision_tells_context_decision_and_consequences() -> None:
    records = sorted((DOCS / "decisions").glob("*.md"))

    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        heads = re.findall(r"^## (\w+)", record.read_text(), re.MULTILINE)
        assert heads == ["Context", "Decision", "Consequences"], record.name


def test_every_direct_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [each for group in project["dependency-groups"].values() for each in group if isinstance(each, str)]
    wanted = project["project"]["dependencies"] + project["build-system"]["requires"] + groups
    names = {re.split(r"[^A-Za-z0-9._-]", each)[0] for each in wanted}
    explained = set(re.findall(r"^\| `([^`]+)` \|", (DOCS / "dependencies.md").read_text(), re.MULTILINE))

    assert names - explained == set()


def test_every_system_package_is_explained() -> None:
    scripts = (ROOT / "scripts" / "setup-qemu").read_text()
    packages = set(re.findall(r"^\s*needs_(?:program|file) \S+ (\S+)", scripts, re.MULTILINE))
    text = (DOCS / "dependencies.md").read_text()

    assert [package for package in packages if f"`{package}`" not in text] == []
