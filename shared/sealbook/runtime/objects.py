"""S3 for a service: the bucket, whole-file uploads, presigned downloads."""

from collections.abc import Iterator
from contextlib import contextmanager

from minio import Minio
from minio.error import MinioException
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from sealbook.errors import Misconfigured, SealbookError, Unavailable
from sealbook.runtime.settings import Settings

_BUSY = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable"}


def client(settings: Settings) -> Minio:
    """A client whose calls fail within seconds when S3 is away."""
    return Minio(
        settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_secure,
        http_client=PoolManager(
            timeout=Timeout(connect=3, read=60), retries=Retry(2, backoff_factor=0.2), maxsize=8
        ),
    )


def make_bucket(s3: Minio, bucket: str) -> None:
    """Make the bucket unless it is there. Raises Unavailable or Misconfigured."""
    with explained():
        if not s3.bucket_exists(bucket):
            s3.make_bucket(bucket)


@contextmanager
def explained() -> Iterator[None]:
    """Calls of S3 inside fail with our errors: Unavailable, or Misconfigured when it says no."""
    try:
        yield
    except MinioException as error:
        raise refused(error) from None
    except HTTPError as error:
        raise unreachable(error) from None


def refused(error: MinioException) -> SealbookError:
    """S3 answered, and the answer was no: for now when the server is in trouble, else for good."""
    code = getattr(error, "code", None) or type(error).__name__
    status = getattr(getattr(error, "response", None), "status", 0)
    if code in _BUSY or status >= 500:
        return Unavailable(f"S3 cannot serve a request now: {code}.", remedy="Check the server.")
    return Misconfigured(
        f"S3 refused a request: {code}.",
        remedy="Check SEALBOOK_S3_BUCKET and the access and secret keys.",
    )


def unreachable(error: HTTPError) -> Unavailable:
    """S3 did not answer."""
    return Unavailable(
        f"S3 does not answer ({type(error).__name__}).",
        remedy="Check that it runs and that SEALBOOK_S3_ENDPOINT is right.",
    )
