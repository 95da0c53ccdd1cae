"""What redaction would do to a text, place by place: for people who try rules."""

from dataclasses import dataclass

from services.ingest.redact.claims import Edit


@dataclass(frozen=True, slots=True)
class Finding:
    """Characters `start` to `end` of the text become `replacement`, on account of `rule`."""

    start: int
    end: int
    rule: str
    replacement: str


def findings(text: str, looks: list[list[Edit]]) -> list[Finding]:
    """What all looks at a text did to it, in order and without overlaps.

    Where a later look masked more, the finding is what came of both, under the later rule.
    """
    changes: list[Edit] = []
    for look in looks:
        changes = _together(changes, look)
    data, result = text.encode(), []
    chars = position = 0
    for start, end, new, name in changes:
        first = chars + len(data[position:start].decode())
        chars, position = first + len(data[start:end].decode()), end
        result.append(Finding(first, chars, name, new.decode()))
    return result


def _together(first: list[Edit], then: list[Edit]) -> list[Edit]:
    """One list of changes for two, of which the second counts in what came of the first."""
    result: list[Edit] = []
    shift = 0  # what to take from a place in the changed text to have it in the original
    rest = list(reversed(first))
    for change in then:
        while rest and rest[-1].start + shift + len(rest[-1].new) <= change.start:
            done = rest.pop()
            result.append(done)
            shift += len(done.new) - (done.end - done.start)
        start, new, end_shift = change.start - shift, change.new, shift
        end = change.end - shift
        while rest and rest[-1].start + end_shift < change.end:
            held = rest.pop()
            at = held.start + end_shift
            new = held.new[: max(0, change.start - at)] + new
            over = change.end - at
            new += held.new[over:]
            start = min(start, held.start)
            end_shift += len(held.new) - (held.end - held.start)
            end = max(held.end, change.end - end_shift)
        shift = end_shift
        result.append(Edit(start, end, new, change.name))
    return result + rest[::-1]
