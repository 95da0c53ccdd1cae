"""`python -m services.rollup`"""

from sealbook.runtime.service import run
from services.rollup.app import wire

if __name__ == "__main__":
    run("rollup", wire)
