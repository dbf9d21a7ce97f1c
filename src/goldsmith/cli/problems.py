"""What goes wrong before goldsmith serves, said in a line each on stderr.

Exit codes: 2 for a setting that is wrong, 1 for a machine or data folder that is not as it should be.
"""

from __future__ import annotations

import errno
import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from goldsmith.settings import Settings

ENVIRONMENT_PREFIX = "GOLDSMITH_"
NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
"""What a data folder fails of that cannot be there, or cannot be written."""


class Unusable(Exception):
    """The machine or the data folder is not fit; the text says why and what to do."""


def _stop(code: int, *lines: str) -> NoReturn:
    for line in lines:
        print(f"goldsmith: {line}", file=sys.stderr)
    raise SystemExit(code)


def _source(path: tuple[int | str, ...], file: Path) -> str:
    variable = ENVIRONMENT_PREFIX + "__".join(str(part) for part in path).upper()
    if variable in os.environ:
        return f" (from {variable})"
    if file.exists() and _is_in_file(path, file):
        return f" (from {file})"
    return ""


def _is_in_file(path: tuple[int | str, ...], file: Path) -> bool:
    node: object = tomllib.loads(file.read_text(encoding="utf-8"))
    for part in path:
        if isinstance(part, int):
            break
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def _line(error: ErrorDetails, file: Path) -> str:
    path = error["loc"]
    name = ".".join(str(part) for part in path)
    source = _source(path, file)
    if error["type"] == "extra_forbidden":
        return f"unknown setting {name}{source}; `goldsmith config` prints all there are"
    message = error["msg"].removeprefix("Value error, ")
    return f"setting {name}{source}: {message}; it is {error['input']!r}"


def setting_lines(error: ValidationError, file: Path) -> list[str]:
    """One line for each faulty setting."""
    return [_line(detail, file) for detail in error.errors(include_url=False)]


def unknown_variables(settings: Settings) -> list[str]:
    """Variables of the environment that look like settings and are none: most often a slip of the pen."""
    known: set[str] = set()
    for name, value in settings.model_dump().items():
        own = (ENVIRONMENT_PREFIX + name).upper()
        known |= {own, *(f"{own}__{inner.upper()}" for inner in value)} if isinstance(value, dict) else {own}
    return sorted(v for v in os.environ if v.upper().startswith(ENVIRONMENT_PREFIX) and v.upper() not in known)


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turn the failures a user can do something about into a line and an exit code."""
    from pydantic import ValidationError

    from goldsmith.settings import FILE_NAME

    file = data_dir / FILE_NAME
    try:
        yield
    except ValidationError as error:
        if error.title != "FromFile":
            raise
        _stop(2, *setting_lines(error, file))
    except tomllib.TOMLDecodeError as error:
        _stop(2, f"{file} is not TOML: {error}")
    except Unusable as error:
        _stop(1, str(error))
    except PermissionError as error:
        _stop(1, f"no right to use {error.filename or data_dir}: {error.strerror}")
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        _stop(1, f"cannot use {error.filename or data_dir}: {error.strerror}; choose another folder with --data-dir")
    except KeyboardInterrupt:
        _stop(130)
    except Exception as error:
        if isinstance(error, _expected()):
            _stop(1, str(error))
        raise


def _expected() -> tuple[type[Exception], ...]:
    from goldsmith.catalog.service import CatalogProblem
    from goldsmith.clouds.port import CloudError
    from goldsmith.errors import ServiceError
    from goldsmith.store.opening import DatabaseProblem
    from goldsmith.store.schema_version import SchemaTooNew

    return CatalogProblem, CloudError, DatabaseProblem, SchemaTooNew, ServiceError
