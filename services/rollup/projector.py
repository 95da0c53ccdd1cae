"""The projection `rollup`: one upsert per batch."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.dialects.postgresql import insert as insert_or

from sealbook.contract.events import InteractionRecorded
from sealbook.projection.projector import Placed
from sealbook.projection.published import DAILY_VIEW, daily_columns
from services.rollup.measures import fold

metadata = MetaData()
daily = Table("daily", metadata, *daily_columns())

# Where nothing is known the sum is unknown too, not zero.
_UNLESS_UNKNOWN = {
    "cost_total_cents": "unknown_cost_count",
    "input_tokens": "unknown_usage_count",
    "output_tokens": "unknown_usage_count",
}
PUBLISHED = "SELECT {} FROM daily".format(  # noqa: S608 our own column names
    ", ".join(
        f"CASE WHEN {_UNLESS_UNKNOWN[name]} < calls THEN {name} END AS {name}"
        if name in _UNLESS_UNKNOWN
        else name
        for name in daily.columns.keys()  # noqa: SIM118 not a dict
    )
)

_KEY = [column.name for column in daily.primary_key.columns]
_SUMS = [column.name for column in daily.columns if column.name not in _KEY]


class RollupProjector:
    """A `Projector`."""

    name = "rollup"
    version = 1
    event_types = ("interaction.recorded",)
    tables = metadata
    views = {DAILY_VIEW: PUBLISHED}  # noqa: RUF012 a constant

    def apply(self, batch: Sequence[Placed], connection: Connection) -> None:
        rows = fold(
            placed.event for placed in batch if isinstance(placed.event, InteractionRecorded)
        )
        if not rows:
            return
        statement = insert_or(daily)
        added = {name: daily.c[name] + statement.excluded[name] for name in _SUMS}
        connection.execute(
            statement.on_conflict_do_update(index_elements=_KEY, set_=added),
            [asdict(day) | asdict(sums) for day, sums in rows.items()],
        )
