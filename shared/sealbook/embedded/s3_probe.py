"""Whether S3 takes objects: a gateway that answers may still have no volume to write to."""

import io

import urllib3
from minio import Minio
from minio.error import MinioException

from sealbook.embedded.endpoints import S3Endpoint
from sealbook.errors import Unavailable

BUCKET = "sealbook-probe"


def write_probe(at: S3Endpoint) -> None:
    """Write a tiny object; raises `Unavailable` if that fails or takes more than 2 s."""
    pool = urllib3.PoolManager(retries=False, timeout=2.0)
    client = Minio(
        at.address,
        access_key=at.access_key,
        secret_key=at.secret_key,
        secure=False,
        region=at.region,
        http_client=pool,
    )
    try:
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
        client.put_object(BUCKET, "probe", io.BytesIO(b"."), 1)
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise Unavailable(f"S3 does not take objects yet: {error}") from error
    finally:
        pool.clear()
