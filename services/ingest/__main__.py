"""`python -m services.ingest`"""

from sealbook.runtime.service import run
from services.ingest.app import wire

if __name__ == "__main__":
    run("ingest", wire)
