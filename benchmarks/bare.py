"""The same server with one bare insert: what goldsmith's creates are compared to.

Server, middleware, routes, authentication, body model, store and durability are goldsmith's own; the handler does
one INSERT and nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from pathlib import Path

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert
from sqlalchemy.schema import CreateTable

from goldsmith import telemetry
from goldsmith.app import Server, open_house
from goldsmith.cli.ports import listen
from goldsmith.http.operations import Access, collect, operation
from goldsmith.http.routes import CurrentCall
from goldsmith.ids import Snowflakes
from goldsmith.image_servers import schemas
from goldsmith.settings import Settings
from goldsmith.setup import initialise
from goldsmith.store import Store, Tx, prepare
from goldsmith.store.schema_version import connected

TABLE = Table(
    "bare",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
_INSERT = prepare(insert(TABLE))


class BareApi:
    """One operation that takes the create request and inserts one row."""

    def __init__(self, store: Store, ids: Snowflakes) -> None:
        self._store, self._ids = store, ids

    @operation(
        "CreateImageServer", "POST", "/v1/{project_id}/image-servers", action="workspace:imageServer:create",
        access=Access.WRITE,
    )  # fmt: skip
    async def create(
        self, call: CurrentCall, body: schemas.CreateImageServer, dry_run: bool = False
    ) -> schemas.CreateAnswer:
        """Insert one row."""

        def work(tx: Tx) -> str:
            row_id = self._ids.next()
            tx.run(
                _INSERT, {"id": row_id, "project_id": call.project_id, "name": body.name, "created_at": tx.now}
            )  # fmt: skip
            return row_id

        return schemas.CreateAnswer(job_id=await self._store.write(work))


async def _serve(settings: Settings) -> None:
    telemetry.start_logging(settings.log_level, settings.log_format)
    listener = listen(*settings.address)
    async with open_house(settings) as house:
        with connected(settings.database_place) as connection:
            connection.execute(CreateTable(TABLE))
            connection.commit()
        operations = tuple(collect(BareApi(house.store, Snowflakes())))
        envelope = dataclasses.replace(house, operations=operations).asgi()
        port = listener.getsockname()[1]
        await Server(envelope, lambda: print(f"serves http://127.0.0.1:{port}", flush=True)).serve([listener])


def main() -> None:
    """`bare.py --data-dir FOLDER --listen HOST:PORT`."""
    folder, listen = sys.argv[2], sys.argv[4]
    settings = Settings.load(Path(folder), listen=listen, cloud="simulated")
    initialise(settings)
    asyncio.run(_serve(settings))


if __name__ == "__main__":
    main()
