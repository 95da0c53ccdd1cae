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

_KEY = [column.name for column in daily.primary_key.columns]
_SUMS = [column.name for column in daily.columns if column.name not in _KEY]


class RollupProjector:
    """A `Projector`."""

    name = "rollup"
    version = 1
    event_types = ("interaction.recorded",)
    tables = metadata
    views = {DAILY_VIEW: "SELECT * FROM daily"}  # noqa: RUF012 a constant

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
