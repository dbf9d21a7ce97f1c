"""The shapes IAM's extensions answer with: `error_code`, `error_msg` and a request id (contract: authentication, 4).

Keystone's own paths (`/v3/…`) keep Keystone's shape. The codes per status are those of the published error table
where it has one that fits.
"""

from __future__ import annotations

from goldsmith.http.operations import Surface

EXTENSION = Surface.GATEWAY
"""Surface of `/v3.0/…` and `/v5/…`."""
CODES = {400: "IAM.0011", 403: "IAM.0003", 404: "IAM.0004", 409: "IAM.0005", 500: "IAM.0006"}
