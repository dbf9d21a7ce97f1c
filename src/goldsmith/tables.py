"""Every table of every room, imported for migrations and for tests that compare the two."""

from goldsmith.app_groups import models as app_groups
from goldsmith.app_servers import models as app_servers
from goldsmith.audit import models as audit
from goldsmith.enterprise_projects import models as enterprise_projects
from goldsmith.events import models as events
from goldsmith.iam import models as iam
from goldsmith.image_servers import models as image_servers
from goldsmith.images import models as images
from goldsmith.jobs import models as jobs
from goldsmith.networks import models as networks
from goldsmith.server_groups import models as server_groups
from goldsmith.store.schema import complete_partial_indexes
from goldsmith.tenancy import models as tenancy
from goldsmith.workflows import models as workflows

__all__ = [
    "app_groups", "app_servers", "audit", "enterprise_projects", "events", "iam", "image_servers", "images", "jobs",
    "networks", "server_groups", "tenancy", "workflows",
]  # fmt: skip

complete_partial_indexes()
