"""The events of the log, in their newest shape. What they carry in clear is what is filtered and
summed; all else is in `sealed`. Types are past tense; a change of shape is a new version and an
upcaster (see `upcasting`)."""

from sealbook.contract.events.event import (
    Event,
)
from sealbook.contract.events.export import (
    DownloadIssued,
    ExportCancelled,
    ExportCompleted,
    ExportFailed,
    ExportRequested,
)
from sealbook.contract.events.interaction import (
    Cost,
    InteractionOpened,
    InteractionRecorded,
    ToolCall,
)
from sealbook.contract.events.operation import (
    AccessRefused,
    ProjectionRebuilt,
)
from sealbook.contract.events.review import (
    InteractionReviewed,
    ReviewState,
)

EVENT_TYPES: dict[str, type[Event]] = {
    event.type: event
    for event in (
        InteractionRecorded,
        InteractionReviewed,
        InteractionOpened,
        AccessRefused,
        ExportRequested,
        ExportCompleted,
        ExportFailed,
        ExportCancelled,
        DownloadIssued,
        ProjectionRebuilt,
    )
}

__all__ = [
    "EVENT_TYPES",
    "AccessRefused",
    "Cost",
    "DownloadIssued",
    "Event",
    "ExportCancelled",
    "ExportCompleted",
    "ExportFailed",
    "ExportRequested",
    "InteractionOpened",
    "InteractionRecorded",
    "InteractionReviewed",
    "ProjectionRebuilt",
    "ReviewState",
    "ToolCall",
]
