"""NATS with JetStream: encrypted at rest, every acknowledged message synced to disk."""

from dataclasses import dataclass, field
from pathlib import Path

from sealbook.embedded.binaries import program
from sealbook.embedded.http_probe import ask
from sealbook.embedded.ports import LOOPBACK
from sealbook.embedded.private_files import private_folder, write_private
from sealbook.embedded.process import Process, plain_environment
from sealbook.errors import Unavailable

NAME = "nats"
PORTS = ("nats", "nats_monitor")

CONFIGURATION = """\
# Written by sealbook at each start; changes made here are lost.
server_name: sealbook
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
max_payload: 8MB
jetstream {{
  store_dir: "jetstream"
  max_memory_store: 256MB
  max_file_store: {max_file_store}
  # The default of two minutes loses acknowledged messages when the power fails.
  sync_interval: always
  cipher: aes
  key: "{store_key}"
}}
include "auth.conf"
"""


@dataclass(frozen=True, slots=True)
class NatsServer:
    """One server in `folder`; `store_key` (32 characters and more) encrypts its streams."""

    folder: Path
    port: int
    monitor_port: int
    store_key: str = field(repr=False)
    max_file_store: str = "16GB"

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://{LOOPBACK}:{self.monitor_port}"

    def write_configuration(self, authorization: str) -> None:
        """`authorization` is NATS configuration: an `authorization` or `accounts` block."""
        private_folder(self.folder / "jetstream")
        write_private(self.folder / "auth.conf", authorization)
        write_private(
            self.folder / "nats.conf",
            CONFIGURATION.format(
                host=LOOPBACK,
                port=self.port,
                monitor_port=self.monitor_port,
                max_file_store=self.max_file_store,
                store_key=self.store_key,
            ),
        )

    def process(self) -> Process:
        return Process(
            name=NAME,
            argv=(str(program("nats-server")), "-c", "nats.conf"),
            env=plain_environment(self.folder),
            cwd=self.folder,
            ready=self._ready,
        )

    async def _ready(self) -> None:
        answer = await ask(self.monitor_port, "/healthz?js-enabled-only=true")
        status = answer.partition("\r\n")[0]
        if " 200 " not in status:
            raise Unavailable(f"NATS is not healthy yet: {status}.")
