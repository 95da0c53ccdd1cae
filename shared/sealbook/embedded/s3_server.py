"""S3 by SeaweedFS: master, volume server, filer and S3 gateway in one loopback-only process."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

from sealbook.embedded.binaries import program
from sealbook.embedded.endpoints import S3Endpoint
from sealbook.embedded.ports import LOOPBACK
from sealbook.embedded.private_files import private_folder, write_private
from sealbook.embedded.process import Process, plain_environment
from sealbook.embedded.s3_probe import write_probe
from sealbook.embedded.s3_security import write_security

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

    def write_configuration(self) -> None:
        """Make the data folder and the files that the server reads at its start."""
        private_folder(self.folder / "data")
        write_private(self.folder / "s3.json", json.dumps(self._identities()))
        write_security(self.folder)

    def process(self) -> Process:
        return Process(
            name=NAME,
            argv=(str(program("weed")), "-logtostderr=true", "server", *self._options()),
            env=plain_environment(self.folder),
            cwd=self.folder,
            ready=self._ready,
            before=self._clear,
            # Its orderly end waits 16 s for streams between its own parts. An object is in the
            # files by the time it is acknowledged, so there is nothing to wait for.
            stop_timeout=1.0,
        )

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

    def _options(self) -> tuple[str, ...]:
        return (
            *("-dir=data", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-filer", "-s3"),
            *(f"-{part}.port={self.ports[f's3_{part}']}" for part in PARTS),
            *(f"-{part}.port.grpc={self.ports[f's3_{part}_grpc']}" for part in PARTS),
            # Master and filer answer nobody but holders of the certificate.
            "-disableHttp",
            *("-s3.config=s3.json", "-s3.iam=false", "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
            "-master.telemetry=false",
            # The only master leads at once; else it looks for others, for up to 20 s.
            "-master.peers=none",
            # Files of at most 128 MB that grow as they are filled, as many as the disk holds,
            # until 256 MB are left; the default stops at a percentage.
            *("-master.volumeSizeLimitMB=128", "-master.volumePreallocate=false"),
            # Exported files are plaintext: on this disk they rest encrypted, as all else does.
            *("-filer.encryptVolumeData", "-s3.encryptVolumeData"),
            *("-volume.max=0", "-volume.minFreeSpace=256MiB"),
            # Nobody needs to be told of the end of the only volume server.
            "-volume.preStopSeconds=0",
        )

    async def _clear(self) -> None:
        self.remove_sockets()

    async def _ready(self) -> None:
        await asyncio.to_thread(write_probe, self.endpoint)
