"""The streams: what they promise to keep, and how long the bus takes a repetition for one."""

from typing import Any

from sealbook.contract import subjects
from sealbook.stream.topology import Topology

STREAMS: dict[str, dict[str, Any]] = {str(one["name"]): one for one in Topology(8).streams()}


def test_there_are_three_streams() -> None:
    assert STREAMS.keys() == {subjects.SUBMIT_STREAM, subjects.JOB_STREAM, subjects.LOG_STREAM}
    assert all(one["storage"] == "file" for one in STREAMS.values())
    assert all(one["discard"] == "new" for one in STREAMS.values())


def test_no_window_of_message_ids_swallows_other_content() -> None:
    # A tenth of a second, the least there is: ingest and export know every id there ever was.
    for name in (subjects.SUBMIT_STREAM, subjects.JOB_STREAM):
        assert STREAMS[name]["duplicate_window"] == 100_000_000
        assert STREAMS[name]["retention"] == "workqueue"


def test_the_log_keeps_everything() -> None:
    log = STREAMS[subjects.LOG_STREAM]
    assert (log["retention"], log["deny_purge"]) == ("limits", True)
    assert not {"max_age", "max_bytes", "max_msgs", "max_msgs_per_subject"} & log.keys()
