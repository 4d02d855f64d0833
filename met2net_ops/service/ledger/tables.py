"""Tables of the ledger."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from met2net_ops.catalog.tables import UtcTime

tables = MetaData()

cycles = Table(
    "cycles",
    tables,
    Column("id", Integer, primary_key=True),
    Column("model", String, nullable=False),
    Column("reference_time", UtcTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("reason", String, nullable=False, default=""),
    Column("by", String(16), nullable=False, default="service"),
    Column("deadline", UtcTime, nullable=False),
    Column("expires", UtcTime, nullable=False),
    Column("product", String, nullable=False, default=""),
    Column("leads", Integer, nullable=False, default=0),
    Column("published_at", UtcTime),
    Column("late_at", UtcTime),
    Column("alarmed", Boolean, nullable=False, default=False),
    Column("backfill", Boolean, nullable=False, default=False),
    # Make the forecast even if the same one is published: a rerun by hand.
    Column("force", Boolean, nullable=False, default=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("not_before", UtcTime),
    Column("verification", String, nullable=False, default=""),
    UniqueConstraint("model", "reference_time"),
    Index("cycles_state", "state", "reference_time"),
    Index("cycles_time", "reference_time"),
)

# Not in ledgers of earlier versions: made when one is opened to be written. They keep every query
# of the service, `status` and `prune` as quick after years as in the first month.
added_indexes = (
    Index("cycles_model_state", cycles.c.model, cycles.c.state, cycles.c.reference_time),
    Index("cycles_state_expires", cycles.c.state, cycles.c.expires),
    Index("cycles_published", cycles.c.published_at),
)

attempts = Table(
    "attempts",
    tables,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started", UtcTime, nullable=False),
    Column("ended", UtcTime),
    Column("kind", String(16)),
    Column("reason", String, nullable=False, default=""),
    Column("seconds", JSON, nullable=False, default=dict),
    UniqueConstraint("cycle_id", "number"),
)

history = Table(
    "history",
    tables,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("before", String(16)),
    Column("after", String(16), nullable=False),
    Column("reason", String, nullable=False, default=""),
    Column("by", String(16), nullable=False),
    Index("history_cycle", "cycle_id", "id"),
)

# Written together with the change they report, so that none is lost when the service is killed.
events = Table(
    "events",
    tables,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", Integer, ForeignKey("cycles.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason", String, nullable=False, default=""),
    Column("told_at", UtcTime),
    Index("events_untold", "told_at"),
)

heartbeat = Table(
    "pulse",
    tables,
    Column("id", Integer, primary_key=True),  # always 1
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", UtcTime, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("ended", UtcTime),
    Column("problems", JSON, nullable=False, default=dict),
)
