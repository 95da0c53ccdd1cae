"""`secrets` and `setup`: what a deployment on Docker or Kubernetes needs before its services."""

import asyncio
from pathlib import Path

import click

from sealbook.provision.permissions import PROVISIONER
from sealbook.provision.secrets import DATABASE_USERS, Secrets, Surroundings
from sealbook.provision.setup import set_up
from sealbook.runtime.settings import Settings
from sealbook.stream.topology import PARTITIONS, Topology

_INSIDE = Surroundings()


@click.command("secrets")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--nats-url", default=_INSIDE.nats_url, show_default=True)
@click.option("--database", default=_INSIDE.database, show_default=True)
@click.option("--s3-endpoint", default=_INSIDE.s3_endpoint, show_default=True)
@click.option("--actor", "actors", multiple=True, default=["admin"], show_default=True)
def secrets(
    folder: Path, nats_url: str, database: str, s3_endpoint: str, actors: tuple[str, ...]
) -> None:
    """Make the secrets of a deployment. FOLDER gets one folder for each service.

    What is there already is kept, so that a new actor can be added at any time.
    """
    at = Surroundings(nats_url=nats_url, database=database, s3_endpoint=s3_endpoint)
    Secrets(folder).make(at, actors)
    click.echo(f"The secrets are in {folder}; keep a copy of {folder}/keys somewhere else.")


@click.command("setup")
@click.option("--secrets", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--partitions", default=PARTITIONS, show_default=True)
@click.option("--replicas", type=int, help="Of the streams; without it as they are, 1 at first.")
def setup(folder: Path, partitions: int, replicas: int | None) -> None:
    """Make streams, database roles and schemas, and the bucket. Repeatable."""
    held = Secrets(folder)
    passwords = {name: held.database_password(name) for name in DATABASE_USERS}
    settings = Settings.load(folder / PROVISIONER.name)
    asyncio.run(set_up(settings, passwords, Topology(partitions, replicas)))
    click.echo("Streams, roles, schemas and bucket are ready.")
