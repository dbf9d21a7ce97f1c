"""moto's server with signed RunInstances requests: what goldsmith's creates are compared to.

moto keeps everything in memory, checks no signature and runs no job; it is the widely used stand-in for EC2's API.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import Server, http_request, running, wait_for_port

REGION = "us-east-1"
IMAGE = "ami-12c6146b"
"""One of the images moto brings along."""


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Server]:
    """A fresh moto server; its errors and access log go to a file in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    with running([program, "--host", "127.0.0.1", "--port", str(port)], folder / "moto.log") as process:
        wait_for_port(port, process)
        yield Server(process, port, folder)


def run_instances(server: Server, number: int) -> bytes:
    """A signed RunInstances request for one instance, about what an image server is: type, image, name, tag."""
    body = urllib.parse.urlencode(
        {
            "Action": "RunInstances",
            "Version": "2016-11-15",
            "ImageId": IMAGE,
            "InstanceType": "t2.medium",
            "MinCount": 1,
            "MaxCount": 1,
            "TagSpecification.1.ResourceType": "instance",
            "TagSpecification.1.Tag.1.Key": "Name",
            "TagSpecification.1.Tag.1.Value": f"bench {number}",
        }
    ).encode()
    url = f"http://127.0.0.1:{server.port}/"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": f"127.0.0.1:{server.port}"}
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(Credentials("testing", "testing"), "ec2", REGION).add_auth(request)
    signed = [(name.encode(), str(value).encode()) for name, value in request.headers.items()]
    return http_request("POST", "/", signed, body)
