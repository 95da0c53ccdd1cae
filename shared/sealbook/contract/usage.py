"""Token usage in disjoint buckets: no token is counted in two of them, so that summing is safe."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by how they are billed; None means the provider did not say (never zero by default).

    `input` excludes cache reads, cache writes and audio; `output` excludes reasoning and audio.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None

    @property
    def input_total(self) -> int | None:
        """Everything that went in, or None when nothing is known."""
        return _sum(self.input, self.cache_read, self.cache_write, self.audio_input)

    @property
    def output_total(self) -> int | None:
        """Everything that came out, or None when nothing is known."""
        return _sum(self.output, self.reasoning, self.audio_output)

    def known(self) -> dict[str, int]:
        """The buckets that carry a number."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


def _sum(*buckets: int | None) -> int | None:
    known = [bucket for bucket in buckets if bucket is not None]
    return sum(known) if known else None
