"""Create an image server with the official SDK, wait for it and print it.

    .venv/bin/python examples/create_image_server.py my-data/credentials.json [NAME]

The ids are those of the catalogue that every new data folder has.
"""

import json
import sys
import time
from pathlib import Path

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkworkspaceapp import v1 as workspace


def connect(credentials_file: str) -> workspace.WorkspaceAppClient:
    me = json.loads(Path(credentials_file).read_text())
    keys = BasicCredentials(me["access_key"], me["secret_key"], me["project_id"])
    builder = workspace.WorkspaceAppClient.new_builder()
    return builder.with_credentials(keys).with_endpoint(me["endpoint"]).build()


def wanted(name: str) -> workspace.CreateImageServerReq:
    return workspace.CreateImageServerReq(
        name=name,
        image_ref=workspace.ImageRef(
            id="da02e5ca-c6ec-4685-8ecb-f116bb5bdd2c",
            image_type="gold",
            spce_code="90a6e84bb3e822fe54999b6be5bbae1e",
            product_id="OFFI874943784560095232",
        ),
        vpc_id="59785ba5-e5d5-4836-b9de-19f22ac15175",
        subnet_id="a5842cb4-5718-4b0a-8b27-3a3e9c74f977",
        product_id="workspace.x86.performance.xlarge4",
        root_volume=workspace.Volume(type="SATA", size=60),
        authorize_accounts=[workspace.ImageAccountInfo(account="administrator", account_type="USER")],
        is_vdi=True,
    )


def main() -> None:
    client = connect(sys.argv[1])
    name = sys.argv[2] if len(sys.argv) > 2 else "from-the-example"
    created = client.create_image_server(workspace.CreateImageServerRequest(body=wanted(name)))
    while True:
        job = client.show_image_job(workspace.ShowImageJobRequest(job_id=created.job_id))
        if job.status in ("SUCCESS", "FAILED"):
            break
        time.sleep(1)
    part = job.sub_jobs[0]
    if job.status == "FAILED":
        sys.exit(f"{part.job_execute_info.error_code} {part.job_execute_info.error_message}")
    server_id = part.job_resource_info.resource_id
    print(client.show_image_server(workspace.ShowImageServerRequest(server_id=server_id)))


if __name__ == "__main__":
    main()
