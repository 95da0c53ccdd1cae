"""The events of the log, in their newest shape. What they carry in clear is what is filtered and
summed; all else is sealed. Types are past tense; a change of shape is a new version and an
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
    Claim,
    Cost,
    InteractionOpened,
    InteractionRecorded,
    ToolCall,
)
from sealbook.contract.events.operation import (
    AccessRefused,
    PolicyChanged,
    ProjectionRebuilt,
    RotationCompleted,
    RotationStarted,
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
        PolicyChanged,
        RotationStarted,
        RotationCompleted,
    )
}

__all__ = [
    "EVENT_TYPES",
    "AccessRefused",
    "Claim",
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
    "PolicyChanged",
    "ProjectionRebuilt",
    "ReviewState",
    "RotationCompleted",
    "RotationStarted",
    "ToolCall",
]
