"""Logs a line per happening, metrics of bounded cardinality. Neither ever sees a payload."""

import logging
import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


def configure_logging(level: str) -> None:
    """One line per record on stderr: time, level, logger, message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("uvicorn.access", "faststream", "httpx", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def place_of(error: BaseException) -> str:
    """An error's class and line: what may be logged of one whose message may quote data."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    return f"{type(error).__name__} at {where}"


class Metrics:
    """What every service counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.commands = Counter(
            "sealbook_commands",
            "Commands answered, by verb and outcome (ok or an error code).",
            ["verb", "outcome"],
            registry=self.registry,
        )
        self.ingested = Counter(
            "sealbook_ingest_submissions",
            "Submissions taken off the queue, by outcome: recorded, duplicate, quarantined.",
            ["outcome"],
            registry=self.registry,
        )
        self.ingest_batch_seconds = Histogram(
            "sealbook_ingest_batch_seconds",
            "Seconds from a batch taken to a batch acknowledged.",
            registry=self.registry,
        )
        self.orphans = Counter(
            "sealbook_ingest_orphans",
            "Payload objects removed because no event claims them.",
            registry=self.registry,
        )
        self.projected = Counter(
            "sealbook_projection_events",
            "Events applied by a projection.",
            ["projection"],
            registry=self.registry,
        )
        self.position = Gauge(
            "sealbook_projection_position",
            "Log position a projection stands at.",
            ["projection"],
            registry=self.registry,
        )
        self.poison = Gauge(
            "sealbook_projection_poison",
            "Events a projection could not apply and set aside.",
            ["projection"],
            registry=self.registry,
        )
        self.exports = Counter(
            "sealbook_exports",
            "Export jobs ended, by outcome (completed or an error code).",
            ["outcome"],
            registry=self.registry,
        )

    def on_batch(self, projection: str) -> "BatchObserver":
        """What a projection's runner calls after each batch."""
        return BatchObserver(self, projection)


class BatchObserver:
    """Counts a projection's batches."""

    def __init__(self, metrics: Metrics, projection: str) -> None:
        self._events = metrics.projected.labels(projection)
        self._position = metrics.position.labels(projection)

    def __call__(self, position: int, events: int) -> None:
        self._events.inc(events)
        self._position.set(position)
