"""Tables of the images.

`kind` is what the contract calls image type (gold, public, private, shared, other). `file` is the id under
which the cloud holds the image. `declared` rows come from the catalogue file; the wire cannot delete them.
"""

from sqlalchemy import Column, ForeignKey, Index, Table

from goldsmith.store import Integer, Text, metadata

images = Table(
    "images",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("os_type", Text, nullable=False),
    Column("os_version", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("min_disk", Integer, nullable=False),
    Column("min_ram", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("file", Text, nullable=False),
    Column("spce_code", Text, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("enterprise_project_id", Text, nullable=False),
    Column("declared", Integer, nullable=False),
    Column("source_server_id", Text, nullable=False),
    Column("base_image_id", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("updated_at", Integer, nullable=False),
)
Index("ix_images_project", images.c.project_id)
Index("ix_images_kind", images.c.kind)

image_members = Table(
    "image_members",
    metadata,
    Column("image_id", Text, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
)
Index("ix_image_members_project", image_members.c.project_id)
