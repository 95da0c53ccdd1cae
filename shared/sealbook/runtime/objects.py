"""S3 for a service: the client, sealed payloads as objects, and what its refusals mean."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from sealbook.contract.events import Claim
from sealbook.errors import Misconfigured, SealbookError, SealBroken, Unavailable
from sealbook.runtime.settings import Settings

CONNECTIONS = 16
SMALLEST_PART = 5 * 2**20
_GONE = {"NoSuchKey", "NoSuchVersion"}
_BUSY = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable"}


class AlteredObject(SealBroken):
    """An object is not what the event that claims it says; it is not even tried to open it."""

    code = "altered_object"


class LostObject(SealbookError):
    """The object that holds a payload is gone from S3; the log says that it was there."""

    code = "lost_object"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as S3 lists it; `stored_at` is by S3's clock."""

    key: str
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """The sealed payloads in a bucket. Blocking: every call belongs on a thread, any number of
    threads at once. All calls raise Unavailable, or Misconfigured when S3 says no."""

    s3: Minio
    name: str

    def put(self, key: str, content: bytes) -> None:
        """Store it in one request, whose signature or MD5 lets S3 refuse what came altered."""
        part_bytes = max(len(content), SMALLEST_PART)
        with explained():
            self.s3.put_object(
                self.name, key, io.BytesIO(content), len(content), part_size=part_bytes
            )

    def get(self, claim: Claim, interaction_id: UUID) -> bytes:
        """What an interaction's event claims, whole and unaltered.

        Raises:
            AlteredObject: other bytes than were stored.
            LostObject: no such object. Not Unavailable: waiting brings nothing back.
        """
        content = self._read(claim, interaction_id)
        found = hashlib.sha256(content).hexdigest()
        if len(content) != claim.size_bytes or found != claim.sha256:
            raise AlteredObject(
                f"The payload of interaction {interaction_id} was altered: the object "
                f"{claim.object_key} has not the {claim.size_bytes} bytes and the SHA-256 that "
                "its event names.",
                remedy="Treat it as tampering: restore the object from a backup, do not retry.",
            )
        return content

    def folders(self, prefix: str, *, after: str) -> list[str]:
        """What stands between `prefix` and the next `/` in keys beyond `after`, in order."""
        with explained():
            found = self.s3.list_objects(self.name, prefix, start_after=after)
            names = [one.object_name or "" for one in found]
        folders = (name.removeprefix(prefix) for name in names if name.endswith("/"))
        return sorted(name.removesuffix("/") for name in folders)

    def listing(self, prefix: str) -> Iterator[Stored]:
        """All objects under a prefix, asked for page by page."""
        with explained():
            for one in self.s3.list_objects(self.name, prefix, recursive=True):
                if one.object_name is not None and one.last_modified is not None:
                    yield Stored(one.object_name, one.last_modified)

    def age(self, key: str) -> timedelta:
        """How long ago an object was stored, by S3's clock and no other."""
        with explained():
            found = self.s3.stat_object(self.name, key)
        now = (found.metadata or {}).get("date")
        if now is None or found.last_modified is None:
            raise Misconfigured("S3 does not tell the time in its answers.")
        return parsedate_to_datetime(now) - found.last_modified

    def remove(self, key: str) -> None:
        """Remove an object; one that is gone already is no error."""
        with explained():
            self.s3.remove_object(self.name, key)

    def reach(self) -> None:
        """Raise unless S3 answers and has the bucket."""
        with explained():
            if not self.s3.bucket_exists(self.name):
                raise Misconfigured(
                    f"S3 has no bucket {self.name}.", remedy="Run `sealbook setup`."
                )

    def _read(self, claim: Claim, interaction_id: UUID) -> bytes:
        with explained():
            try:
                answer = self.s3.get_object(self.name, claim.object_key)
            except S3Error as error:
                if error.code not in _GONE:
                    raise
                raise LostObject(
                    f"The payload of interaction {interaction_id} is gone: S3 has no object "
                    f"{claim.object_key}.",
                    remedy="Restore the object from a backup of the bucket.",
                ) from None
            try:
                # One byte more tells that there are more; however many there are, no more is read.
                return answer.read(claim.size_bytes + 1)
            finally:
                answer.close()
                answer.release_conn()


def client(settings: Settings) -> Minio:
    """A client whose calls fail within seconds when S3 is away.

    Raises:
        Misconfigured: there are no keys to S3.
    """
    if not settings.s3_access_key.get_secret_value():
        raise Misconfigured(
            "There is no access key to S3.",
            remedy="`sealbook secrets` writes SEALBOOK_S3_ACCESS_KEY and SEALBOOK_S3_SECRET_KEY "
            "for every service that needs them: run it again after an update.",
        )
    return Minio(
        settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_secure,
        http_client=PoolManager(
            timeout=Timeout(connect=3, read=60),
            retries=Retry(2, backoff_factor=0.2),
            maxsize=CONNECTIONS,
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
