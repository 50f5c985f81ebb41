"""The tables. Times are Unix microseconds."""

import sqlalchemy as sa

metadata = sa.MetaData()

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    # Empty: not known to the record.
    sa.Column("patient_id", sa.String(48), nullable=False),
    sa.Column("speaker", sa.SmallInteger, nullable=False),
    # What was understood so far, and what the engine needs of the chart: as JSON, since only the
    # engine reads them, and always whole.
    sa.Column("talk", sa.JSON, nullable=False),
    sa.Column("chart", sa.JSON),
    sa.Column("chart_time", sa.BigInteger),
    # How many turns there are; the next one has this position.
    sa.Column("turns", sa.Integer, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.BigInteger, nullable=False),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column(
        "conversation_id", sa.String(48), sa.ForeignKey("conversations.id"), primary_key=True
    ),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("author", sa.SmallInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
)
