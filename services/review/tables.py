"""review's tables, in the schema of the generation at work, and the views it publishes."""

from sqlalchemy import Index, MetaData, Table

from sealbook.projection.published import (
    AUDIT_VIEW,
    DECISION_VIEW,
    INTERACTION_VIEW,
    audit_columns,
    decision_columns,
    interaction_columns,
)

metadata = MetaData()
interaction = Table("interaction", metadata, *interaction_columns())
decision = Table("decision", metadata, *decision_columns())
audit = Table("audit", metadata, *audit_columns())

Index("interaction_position", interaction.c.log_position, unique=True)
Index("interaction_project", interaction.c.project, interaction.c.log_position)
Index("interaction_time", interaction.c.occurred_at)
Index("interaction_session", interaction.c.session_id)
Index("interaction_user", interaction.c.user_hash)
Index(
    "interaction_reviewed",
    interaction.c.review_position,
    postgresql_where=interaction.c.review_position > 0,
)

VIEWS = {
    INTERACTION_VIEW: "SELECT * FROM interaction",
    DECISION_VIEW: "SELECT * FROM decision",
    AUDIT_VIEW: "SELECT * FROM audit",
}
