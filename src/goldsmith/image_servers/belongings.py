"""What belongs to which image server: the other rooms' side of `Owners`, and giving back what a machine claimed.

As long as an image server's record exists, its app server, server group and app group can only be removed together
with it. So a recursive deletion always finds what it was told to remove: links cannot be re-arranged behind its back.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select

from goldsmith.app_servers.owners import Owner
from goldsmith.image_servers.models import image_servers
from goldsmith.image_servers.preflight import Rooms
from goldsmith.image_servers.states import Status
from goldsmith.store import Prepared, Tx, prepare

_i = image_servers.c
_OWNER = select(_i.id, _i.status).where(_i.project_id == bindparam("project"))
_OF_SERVER = prepare(_OWNER.where(_i.server_id == bindparam("of")))
_OF_SERVER_GROUP = prepare(_OWNER.where(_i.server_group_id == bindparam("of")))
_OF_APP_GROUP = prepare(_OWNER.where(_i.app_group_id == bindparam("of")))
_BUSY = (Status.CREATING, Status.BUILDING, Status.DELETING)


class Belongings:
    """Implements `goldsmith.app_servers.owners.Owners`."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def of_server(self, tx: Tx, project_id: str, server_id: str) -> Owner | None:
        """The image server an app server belongs to."""
        return _owner(tx, _OF_SERVER, project_id, server_id)

    def of_server_group(self, tx: Tx, project_id: str, group_id: str) -> Owner | None:
        """The image server a server group belongs to."""
        return _owner(tx, _OF_SERVER_GROUP, project_id, group_id)

    def of_app_group(self, tx: Tx, project_id: str, group_id: str) -> Owner | None:
        """The image server an app group belongs to."""
        return _owner(tx, _OF_APP_GROUP, project_id, group_id)

    def release_machine(self, tx: Tx, instance_id: str, port_id: str) -> None:
        """Give back a machine's address, room and quota; nothing happens for what was given back already."""
        # In the order in which they are claimed, so that the two never wait for each other.
        released = self._rooms.placement.release(tx, instance_id)
        if released is not None:
            self._rooms.tenancy.release_quota(tx, released.project_id, released.size.quota)
        self._rooms.networks.release(tx, port_id)


def _owner(tx: Tx, query: Prepared, project_id: str, subject: str) -> Owner | None:
    row = tx.row(query, {"project": project_id, "of": subject})
    return None if row is None else Owner(row["id"], row["status"], is_busy=row["status"] in _BUSY)
