"""${message}"""

import sqlalchemy as sa
from alembic import op

from goldsmith.store.schema import Integer, Text

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
