"""`goldsmith`: the commands and their options.

Everything heavy is imported inside the command that needs it, so that `goldsmith --help` answers at once.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from goldsmith.cli import audit, iam, iam_decisions
from goldsmith.cli.problems import explained, unknown_variables

if TYPE_CHECKING:
    from goldsmith.settings import Settings

app = typer.Typer(
    name="goldsmith",
    help="Golden images as a service: the Workspace image-server API on your own hardware.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(audit.app)
iam_decisions.add_to(iam.app)
app.add_typer(iam.app)


class CloudName(StrEnum):
    """The clouds that `--cloud` takes."""

    simulated = "simulated"
    qemu = "qemu"


DataDir = Annotated[
    Path,
    typer.Option("--data-dir", "-d", envvar="GOLDSMITH_DATA_DIR", help="Folder that holds everything goldsmith keeps."),
]
Listen = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Address to serve on; port 0 picks a free one.")]
CloudChoice = Annotated[CloudName | None, typer.Option(help="Where machines are made.")]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate (chain) in PEM to serve with.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Key of that certificate, in PEM.")]
InsecureHttp = Annotated[bool, typer.Option("--insecure-http", help="Serve other machines without TLS.")]
WithTls = Annotated[bool, typer.Option("--tls", help="Make a local authority and a certificate, for serve to use.")]
Leaks = Annotated[bool, typer.Option("--leaks", help="Look for what belongs to nobody in the data folder instead.")]
RepairLeaks = Annotated[bool, typer.Option("--repair", help="With --leaks: clear it away.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Database = Annotated[
    str | None, typer.Option(metavar="URL", help="postgresql://USER@HOST/NAME, instead of SQLite in the data folder.")
]
Workers = Annotated[
    int | None, typer.Option(min=0, max=256, metavar="N", help="Steps that run at once here; 0 leaves all to workers.")
]

DEFAULT_DATA_DIR = Path("goldsmith-data")


def _note(text: str) -> None:
    print(f"goldsmith: {text}", file=sys.stderr, flush=True)


def _announce(text: str) -> None:
    print(text, flush=True)


def _load(data_dir: Path, listen: str | None = None, cloud: CloudName | None = None, **options: Any) -> Settings:
    from goldsmith.settings import Settings

    settings = Settings.load(data_dir, listen=listen, cloud=cloud.value if cloud else None, **options)
    for variable in unknown_variables(settings):
        _note(f"{variable} in the environment is no setting of goldsmith; `goldsmith config` prints all there are")
    return settings


def _given(context: typer.Context) -> set[str]:
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def _initialise(settings: Settings) -> Path:
    from goldsmith.cli import guest_image
    from goldsmith.setup import initialise

    credentials = initialise(settings)
    guest_image.provide(settings, _note)
    return credentials


def _initialise_if_new(settings: Settings) -> None:
    from goldsmith.cli import guest_image
    from goldsmith.cli.data_folder import is_initialised

    if not is_initialised(settings.data_dir):
        _note(f"{settings.data_dir} is new: making keys, database and credentials in it")
        _note(f"credentials: {_initialise(settings)}")
    elif guest_image.is_missing(settings):
        _note(f"there is no guest image in {settings.data_dir}; `goldsmith init --cloud qemu` with it builds one")


@app.command()
def serve(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    listen: Listen = None,
    cloud: CloudChoice = None,
    database: Database = None,
    workers: Workers = None,
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    insecure_http: InsecureHttp = False,
) -> None:
    """Serve the API and do the work, in one process."""
    with explained(data_dir):
        files = {"tls_cert": str(tls_cert) if tls_cert else None, "tls_key": str(tls_key) if tls_key else None}
        options = {**files, "allow_insecure_http": insecure_http or None, "database": database}
        settings = _load(data_dir, listen, cloud, **options)
        if workers is not None:
            settings.worker.slots = workers

        import uvloop

        from goldsmith.cli.ports import require_free

        require_free(*settings.address)

        from goldsmith import setup

        setup.require_safe_transport(settings, setup.tls_context(settings))
        _initialise_if_new(settings)

        from goldsmith.app import serve as serve_forever

        uvloop.run(serve_forever(settings, _announce))


@app.command()
def worker(data_dir: DataDir = DEFAULT_DATA_DIR, cloud: CloudChoice = None, database: Database = None) -> None:
    """Do the work of a data folder that another process serves."""
    with explained(data_dir):
        settings = _load(data_dir, cloud=cloud, database=database)

        import uvloop

        from goldsmith.cli.data_folder import require_initialised

        require_initialised(settings.data_dir)

        from goldsmith.app import work

        uvloop.run(work(settings))


@app.command()
def init(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    listen: Listen = None,
    cloud: CloudChoice = None,
    database: Database = None,
    tls: WithTls = False,
) -> None:
    """Make a data folder: keys, database, a first account; for QEMU also the guest image."""
    with explained(data_dir):
        settings = _load(data_dir, listen, cloud, database=database)
        credentials = _initialise(settings)
        if tls:
            from goldsmith.setup import provide_tls

            provide_tls(settings)
        print(credentials)


@app.command()
def doctor(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    listen: Listen = None,
    cloud: CloudChoice = None,
    database: Database = None,
    as_json: AsJson = False,
    leaks: Leaks = False,
    repair: RepairLeaks = False,
) -> None:
    """Tell whether this machine is fit to run goldsmith, or whether anything leaked; exit code 1 if so."""
    if repair and not leaks:
        raise typer.BadParameter("it goes with --leaks", param_hint="--repair")
    with explained(data_dir):
        settings = _load(data_dir, listen, cloud, database=database)
        if leaks:
            _show_leaks(settings, as_json=as_json, repair=repair)

        from goldsmith.cli import doctor as examination
        from goldsmith.cli import report

        findings = examination.examine(settings)
        if as_json:
            report.print_json(findings)
        else:
            report.print_table(findings)
        raise typer.Exit(0 if examination.is_usable(findings) else 1)


def _show_leaks(settings: Settings, *, as_json: bool, repair: bool) -> NoReturn:
    from goldsmith.cli import leaks

    found = leaks.examine(settings, repair=repair)
    show = leaks.print_json if as_json else leaks.print_table
    show(found, repair=repair)
    raise typer.Exit(1 if any(each.problem for each in found) else 0)


@app.command()
def config(
    context: typer.Context,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    listen: Listen = None,
    cloud: CloudChoice = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Print every setting that is in force, and where it comes from."""
    with explained(data_dir):
        settings = _load(data_dir, listen, cloud, database=database)

        from goldsmith.cli import effective

        entries = effective.entries(settings, _given(context))
        print(effective.as_json(entries) if as_json else effective.as_toml(entries))


def _version(wanted: bool) -> None:
    if wanted:
        from goldsmith import __version__

        print(f"goldsmith {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Entry point of the `goldsmith` program."""
    app()
