"""Real NATS, PostgreSQL and S3 servers from wheels, for one machine; not for clusters.

servers = EmbeddedServers(Path("~/.sealbook").expanduser(), log=sys.stderr)
endpoints = await servers.start(authorization=nats_conf_snippet)
…
await servers.stop()
"""

from sealbook.embedded.endpoints import Endpoints, PostgresEndpoint, S3Endpoint
from sealbook.embedded.process import Account, Process, plain_environment
from sealbook.embedded.servers import EmbeddedServers
from sealbook.embedded.supervisor import Supervisor

__all__ = [
    "Account",
    "EmbeddedServers",
    "Endpoints",
    "PostgresEndpoint",
    "Process",
    "S3Endpoint",
    "Supervisor",
    "plain_environment",
]
