"""What a detector's process may answer: spans in the text or an error; the rest is refused."""

import json
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.detection.answer import PlugInRaised, read_answer

SPAN = st.tuples(
    st.integers(-5, 50) | st.floats() | st.text() | st.none(),
    st.integers(-5, 50),
    st.sampled_from(["PERSON", "a_1", "", "no entity", "[X]", "Ö", "X" * 65]) | st.integers(),
)
ANSWERS = st.one_of(
    st.builds(lambda found: {"found": found}, st.lists(SPAN, max_size=4)),
    st.builds(lambda name: {"error": name}, st.text() | st.integers()),
    st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5),
)


@given(st.binary() | ANSWERS.map(lambda answer: json.dumps(answer).encode()), st.integers(0, 40))
@example(b"[" * 100_000, 3)
@example(b'{"found": [[0, 2, "PERSON"]]}', 3)
def test_an_answer_is_spans_of_the_text_or_refused(body: bytes, length: int) -> None:
    with suppress(ValueError, PlugInRaised):
        for one in read_answer(body, length):
            assert 0 <= one.start < one.end <= length
            assert one.entity.replace("_", "a").isalnum()
            assert one.entity.isascii()


@given(st.text())
def test_what_a_plug_in_raised_is_told_by_class_only(name: str) -> None:
    with suppress(ValueError):
        try:
            read_answer(json.dumps({"error": name}).encode(), 3)
        except PlugInRaised as raised:
            assert str(raised).isidentifier()
            assert str(raised) in (name, "Exception")
