"""S3 by SeaweedFS: master, volume server, filer and S3 gateway in one loopback-only process."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Unavailable
from .binaries import program
from .endpoints import S3Endpoint
from .http_probe import ask
from .keeper import Keeper
from .logbook import Logbook
from .ports import LOOPBACK
from .private_files import private_folder, write_private
from .process import Process, Step, plain_environment
from .s3_probe import write_probe
from .s3_security import write_security

NAME = "s3"
PARTS = ("master", "volume", "filer", "s3")
PORTS = tuple(f"s3_{part}{kind}" for part in PARTS for kind in ("", "_grpc"))
# Fixed in SeaweedFS; the sockets are mode 0700 like all that it makes.
SOCKETS = Path("/tmp")  # noqa: S108


@dataclass(frozen=True, slots=True)
class S3Server:
    """One server in `folder`; `ports` has a number for each name in `PORTS`."""

    folder: Path
    ports: dict[str, int]
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> S3Endpoint:
        return S3Endpoint(f"{LOOPBACK}:{self.ports['s3_s3']}", self.access_key, self.secret_key)

    async def prepare(self, log: Logbook) -> Process:
        """Write the configuration, on first use elect the master, and say how to run it all."""
        private_folder(self.folder / "data")
        write_private(self.folder / "s3.json", json.dumps(self._identities()))
        write_security(self.folder)
        if not any(self._master_state().glob("snapshot/*")):
            await self._elect_master(log)
        return self._process(NAME, self._server(), self._ready)

    def remove_sockets(self) -> None:
        """Remove what the server leaves outside the data folder."""
        for part in PARTS:
            port = self.ports[f"s3_{part}_grpc"]
            (SOCKETS / f"seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)

    def _identities(self) -> dict[str, object]:
        credentials = {"accessKey": self.access_key, "secretKey": self.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        return {
            "identities": [{"name": "sealbook", "credentials": [credentials], "actions": actions}]
        }

    def _master_state(self) -> Path:
        return self.folder / "data" / f"m{self.ports['s3_master']}"

    async def _elect_master(self, log: Logbook) -> None:
        """Let the master found its cluster of one before the others ask for it.

        It takes 1.5 to 1.9 s to do so, once. A volume server that asks 1.8 s after the start, and
        too early, waits five more seconds before it asks again.
        """
        alone = Keeper(self._process("s3-master", self._master(), self._elected), log)
        await alone.start()
        await alone.stop()

    def _process(self, name: str, arguments: tuple[str, ...], ready: Step) -> Process:
        return Process(
            name=name,
            argv=(str(program("weed")), "-logtostderr=true", *arguments),
            env=plain_environment(self.folder),
            cwd=self.folder,
            ready=ready,
            before=self._clear,
            # Its orderly end waits 16 s for streams between its own parts. An object is in the
            # files by the time it is acknowledged, so there is nothing to wait for.
            stop_timeout=1.0,
        )

    def _master(self) -> tuple[str, ...]:
        return (
            *("master", "-mdir=data", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
            f"-port={self.ports['s3_master']}",
            f"-port.grpc={self.ports['s3_master_grpc']}",
            *("-telemetry=false", "-electionTimeout=500ms", "-heartbeatInterval=50ms"),
        )

    def _server(self) -> tuple[str, ...]:
        return (
            *("server", "-dir=data", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-filer", "-s3"),
            *(f"-{part}.port={self.ports[f's3_{part}']}" for part in PARTS),
            *(f"-{part}.port.grpc={self.ports[f's3_{part}_grpc']}" for part in PARTS),
            # Master and filer answer nobody but holders of the certificate.
            "-disableHttp",
            *("-s3.config=s3.json", "-s3.iam=false", "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
            "-master.telemetry=false",
            # The only master need not wait for others: by default its re-election takes 20 s.
            *("-master.electionTimeout=500ms", "-master.heartbeatInterval=50ms"),
            # Files of at most 128 MB that grow as they are filled, as many as the disk holds,
            # until 256 MB are left; the default stops at a percentage.
            *("-master.volumeSizeLimitMB=128", "-master.volumePreallocate=false"),
            *("-volume.max=0", "-volume.minFreeSpace=256MiB"),
            # Nobody needs to be told of the end of the only volume server.
            "-volume.preStopSeconds=0",
        )

    async def _clear(self) -> None:
        self.remove_sockets()

    async def _elected(self) -> None:
        answer = await ask(self.ports["s3_master"], "/cluster/status")
        if '"IsLeader":true' not in answer.replace(" ", ""):
            raise Unavailable("The master of SeaweedFS is not elected yet.")

    async def _ready(self) -> None:
        await asyncio.to_thread(write_probe, self.endpoint)
