"""The two tables of the managed warehouse, as customer SQL sees them."""

from warehouse.connectors.base import Column, Table

SCHEMA = "managed_dw"

EXPOSURES = Table(
    "exposures",
    (
        Column("anonymous_id", "text"),
        Column("timestamp", "timestamp"),
        Column("timestamp_utc", "timestamp"),
        Column("optimization_id", "uuid"),
        Column("variant", "json"),
        Column("context", "json"),
    ),
)
REWARDS = Table(
    "rewards",
    (
        Column("anonymous_id", "text"),
        Column("timestamp", "timestamp"),
        Column("timestamp_utc", "timestamp"),
        Column("optimization_id", "uuid"),
        Column("name", "text"),
        Column("value", "double"),
        Column("properties", "json"),
    ),
)
TABLES = {table.name: table for table in (EXPOSURES, REWARDS)}
STORED_AS = {"exposures": "managed_exposures", "rewards": "managed_rewards"}


def find(name: str) -> Table | None:
    """The table of this name, in any case and with or without its schema."""
    lowered = name.lower()
    return TABLES.get(lowered.removeprefix(f"{SCHEMA}."))
