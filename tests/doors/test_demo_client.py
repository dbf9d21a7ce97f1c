"""The demo's side of the wire, against a real service."""

import huaweicloudsdkworkspaceapp.v1 as sdk
import pytest
from tests.service import Service, until

from goldsmith.demo.client import Client
from goldsmith.demo.problems import DemoFailed


@pytest.fixture
def client(service: Service) -> Client:
    return Client(service.endpoint, service.data_dir / "credentials.json")


def test_a_machine_that_does_not_run_any_more_is_started_again(service: Service, client: Client) -> None:
    server_id = service.made("restarted")
    app_server_id = client.image_server(server_id)["server_id"]
    assert client.is_running(app_server_id)
    halt = sdk.ServerHaltReq(items=[app_server_id], type="HARD")
    service.sdk().batch_stop_server(sdk.BatchStopServerRequest(halt))
    until(lambda: not client.is_running(app_server_id))
    with pytest.raises(DemoFailed, match=r"screenshot was refused: 409 There is no picture of the screen: "):
        client.screenshot(server_id)
    idle = sdk.ShowServerRequest(server_id=app_server_id)
    until(lambda: service.sdk().show_server(idle).task_status == "null")

    client.start_machine(app_server_id)

    assert client.is_running(app_server_id)
    assert service.delete(server_id)["status"] == "SUCCESS"
