"""What a demo came to, and what of it is not as it must be. Pure."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Outcome:
    """The numbers of the demo's last line."""

    submitted: int = 0
    recorded: int = 0
    quarantined: int = 0
    reviewed: int = 0
    rollup_calls: int = 0
    export_rows: int = 0
    export_sha256: str = ""
    rebuild_equal: bool = False
    plaintext_found: int = 0
    seconds: float = 0.0
    canary_arrived: bool = False

    def as_line(self) -> dict[str, Any]:
        """For printing as JSON."""
        line = asdict(self) | {"seconds": round(self.seconds, 2)}
        del line["canary_arrived"]  # implied by exit code 0
        return line

    def problems(self) -> list[str]:
        """A sentence for each thing that is not true; empty when all is well."""
        expectations = [
            (self.submitted > 0, "The file holds no interaction."),
            (
                self.recorded == self.submitted,
                f"{self.submitted} were submitted, {self.recorded} are in the log.",
            ),
            (self.quarantined == 0, f"{self.quarantined} are in quarantine."),
            (self.reviewed > 0, "No interaction was reviewed."),
            (
                self.rollup_calls == self.submitted,
                f"The rollup counts {self.rollup_calls} calls of {self.submitted}.",
            ),
            (
                self.export_rows == self.submitted,
                f"The export has {self.export_rows} rows of {self.submitted}.",
            ),
            (len(self.export_sha256) == 64, "The exported file has no checksum."),
            (self.canary_arrived, "The canary is not in the exported files: the search is void."),
            (self.rebuild_equal, "A rebuild differs from what was live."),
            (
                self.plaintext_found == 0,
                f"The canary stands in plaintext in {self.plaintext_found} places on disk.",
            ),
        ]
        return [sentence for holds, sentence in expectations if not holds]
