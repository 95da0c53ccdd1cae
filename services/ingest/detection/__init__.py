"""Detector plug-ins: each in a process of its own, so that ingest can end it whatever it does.

A plug-in is an entry point of group `sealbook.detectors`: a factory without arguments whose
product has `detect(text)` and answers with objects that have `start`, `end` and `entity`, such as
`services.ingest.redact.detection.Detection`. The process guards ingest against plug-ins that
loop, leak memory or crash; it is no sandbox against one that means harm.
"""

from services.ingest.detection.host import ChildDetector
from services.ingest.detection.plugins import installed, start_detectors

__all__ = ["ChildDetector", "installed", "start_detectors"]
