"""The table of commands, and the one place where an error becomes a line and an exit code."""

import sys

import click

from sealbook.cli.demo import demo
from sealbook.cli.deployment import secrets, setup
from sealbook.cli.exports import export
from sealbook.cli.interactions import audit, list_interactions, review, show
from sealbook.cli.keys import keys
from sealbook.cli.operations import quarantine, rebuild, status
from sealbook.cli.recording import record
from sealbook.cli.rules import rules
from sealbook.cli.sums import rollup
from sealbook.cli.up import up
from sealbook.errors import InvalidInput, SealbookError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sealbook")
def sealbook() -> None:
    """The flight recorder for LLM applications."""


for command in (
    up,
    demo,
    record,
    list_interactions,
    show,
    review,
    audit,
    rollup,
    export,
    rebuild,
    quarantine,
    status,
    keys,
    rules,
    secrets,
    setup,
):
    sealbook.add_command(command)


def run() -> None:
    """Exit 0 when done, 1 when refused or failed, 2 when the command line does not fit."""
    try:
        sealbook(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except SealbookError as error:
        # A service that was asked for what does not fit says so with the same code.
        _explain(error, 2 if error.code == InvalidInput.code else 1)


def _explain(error: SealbookError, code: int) -> None:
    click.echo(f"sealbook: {error}", err=True)
    sys.exit(code)
