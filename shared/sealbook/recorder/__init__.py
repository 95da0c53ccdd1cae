"""What applications import: hands interactions to the bus, and never gets in their way."""

from sealbook.recorder.blocking import BlockingRecorder
from sealbook.recorder.receipt import Receipt
from sealbook.recorder.recorder import Recorder

__all__ = ["BlockingRecorder", "Receipt", "Recorder"]
