"""Which detectors are installed, and starting those that a policy names."""

from collections.abc import Iterable
from importlib.metadata import entry_points

from sealbook.errors import InvalidInput, SealbookError
from services.ingest.detection.child import GROUP
from services.ingest.detection.host import DEADLINE_SECONDS, ChildDetector


def installed() -> tuple[str, ...]:
    """Names of the entry points of group `sealbook.detectors`; whether they load is not said."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def start_detectors(
    names: Iterable[str], *, deadline_s: float = DEADLINE_SECONDS
) -> tuple[ChildDetector, ...]:
    """The detectors by these names, started; all or none. Blocks while models are loaded.

    Raises:
        InvalidInput: a detector of that name is not installed.
        Misconfigured: it is, but did not start.
    """
    wanted, known = tuple(dict.fromkeys(names)), installed()
    for name in wanted:
        if name not in known:
            raise InvalidInput(
                f"There is no detector {name[:64]!r}; installed: {', '.join(known) or 'none'}.",
                remedy="Install the distribution that brings it where ingest runs, "
                "or take it out of the policy.",
            )
    detectors = tuple(ChildDetector(name, deadline_s=deadline_s) for name in wanted)
    try:
        for detector in detectors:
            detector.start()
    except SealbookError:
        for detector in detectors:
            detector.close()
        raise
    return detectors
