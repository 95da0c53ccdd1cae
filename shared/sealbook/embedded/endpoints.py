"""Where the embedded servers answer, and with which credentials."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PostgresEndpoint:
    """The superuser's way in; services get roles of their own."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def url(self) -> str:
        """`postgresql://user:password@host:port/database`"""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """Plain HTTP on the loopback; `address` is `host:port`."""

    address: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All of them."""

    nats_url: str
    nats_monitor_url: str
    postgres: PostgresEndpoint
    s3: S3Endpoint
