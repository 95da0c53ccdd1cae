"""`sealbook`: a client of the bus, and everything on one machine with `sealbook up`."""

import sys


def main() -> None:
    """The entry point; says what to install when the command line's libraries are missing."""
    try:
        from sealbook.cli.app import run  # noqa: PLC0415 the libraries may be missing
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"The command line needs {missing.name!r}, which is not installed: "
            'pip install "sealbook[cli]"\n'
        )
        sys.exit(2)
    run()
