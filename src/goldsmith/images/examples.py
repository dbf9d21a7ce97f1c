"""What the IMS surface answers, as `/openapi.json` shows it: the image of the published create request."""

from __future__ import annotations

IMAGE = {
    "id": "da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c", "name": "Debian 12 application server", "status": "active",
    "visibility": "public", "__imagetype": "market", "__os_type": "Linux",
    "__os_version": "Debian GNU/Linux 12 64bit", "__os_bit": "64", "__platform": "Debian", "__isregistered": "true",
    "__image_source_type": "uds", "__image_size": "0", "__productcode": "OFFI874943784560095232",
    "__description": "Debian 12, as a marketplace listing", "__originalimagename": "Debian 12 application server",
    "__lazyloading": "false", "__support_kvm": "true", "__support_arm": "false", "min_disk": 10, "min_ram": 0,
    "owner": "a4da8115c9d8464ead3a38309130523f", "protected": True, "virtual_env_type": "FusionCompute",
    "container_format": "bare", "disk_format": "qcow2", "enterprise_project_id": "0", "size": 0, "tags": [],
    "self": "/v2/images/da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c",
    "file": "/v2/images/da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c/file", "schema": "/v2/schemas/image",
    "created_at": "2024-05-07T07:54:21Z", "updated_at": "2024-05-07T07:54:21Z",
    "active_at": "2024-05-07T07:54:21Z",
}  # fmt: skip
IMAGES = {"images": [IMAGE]}
