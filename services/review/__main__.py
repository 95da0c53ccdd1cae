"""`python -m services.review`"""

from sealbook.runtime.service import run
from services.review.app import wire

if __name__ == "__main__":
    run("review", wire)
