"""`python -m services.export`"""

from sealbook.runtime.service import run
from services.export.app import wire

if __name__ == "__main__":
    run("export", wire)
