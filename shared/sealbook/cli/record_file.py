"""Recording a JSON-lines file, or standard input, in flat memory. Prints nothing."""

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from sealbook.cli.lines import MAX_LINE_BYTES, Line, chunks
from sealbook.errors import InvalidInput
from sealbook.recorder import Receipt
from sealbook.recorder.exchanges import Fields, fields_of


class RecordsMany(Protocol):
    """A `Recorder`, as far as a file needs one."""

    async def record_many(self, submissions: Iterable[Mapping[str, Any]]) -> list[Receipt]: ...


@dataclass(slots=True)
class Summary:
    """What became of the lines so far; each but blank ones is acknowledged or refused.

    `submitted`: handed to the recorder. `refused`: (line number, reason). `stopped`: why the rest
    of the file was not read; recording it again resumes, because ids are the same.
    """

    submitted: int = 0
    acknowledged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    bytes_read: int = 0
    stopped: str | None = None


async def record_file(
    recorder: RecordsMany,
    source: Path | BinaryIO,
    project: str,
    *,
    on_progress: Callable[[Summary], None],
) -> Summary:
    """Record every line of `source`; a line that is refused does not stop the others.

    Stops when the bus takes nothing for the recorder's `max_wait_s`. From a pipe the ids differ
    with every run (there is no file time to derive them from), so that only files resume.
    """
    summary = Summary()
    with _opened(source) as stream:
        file_ms = _file_ms(stream)
        lines = chunks(stream)
        while not summary.stopped and (chunk := await asyncio.to_thread(next, lines, None)):
            await _record_chunk(recorder, chunk, project, file_ms, summary)
            on_progress(summary)
    return summary


async def _record_chunk(
    recorder: RecordsMany, chunk: list[Line], project: str, file_ms: int, summary: Summary
) -> None:
    summary.bytes_read += sum(line.size for line in chunk)
    ready = list(_readable(chunk, project, file_ms, summary))
    receipts = await recorder.record_many(fields for _, fields in ready)
    for (number, _), receipt in zip(ready, receipts, strict=True):
        _count(number, receipt, summary)


def _readable(
    chunk: list[Line], project: str, file_ms: int, summary: Summary
) -> Iterator[tuple[int, Fields]]:
    for line in chunk:
        if line.body == b"":
            continue
        try:
            yield line.number, _fields(line, project, file_ms)
        except InvalidInput as error:
            summary.refused.append((line.number, str(error)))


def _fields(line: Line, project: str, file_ms: int) -> Fields:
    if line.body is None:
        raise InvalidInput(
            f"The line has {line.size} bytes, which is over the limit of {MAX_LINE_BYTES}.",
            remedy="Put one submission on each line, and shorten its request or response.",
        )
    fields = fields_of(line.body, number=line.number, project=project, file_ms=file_ms)
    if fields.get("project") is None:
        fields["project"] = project
    return fields


def _count(number: int, receipt: Receipt, summary: Summary) -> None:
    summary.submitted += 1
    if receipt.ok:
        summary.acknowledged += 1
        return
    reason = receipt.error or "The bus did not take it."
    summary.refused.append((number, reason))
    if receipt.retryable:
        summary.stopped = summary.stopped or f"Line {number}: {reason}"


@contextlib.contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream
    else:
        yield source


def _file_ms(stream: BinaryIO) -> int:
    """When the file was last changed, in Unix milliseconds; now, for what is no file."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # a stream in memory
        return time.time_ns() // 1_000_000
    regular = stat.S_ISREG(status.st_mode)
    return (status.st_mtime_ns if regular else time.time_ns()) // 1_000_000
