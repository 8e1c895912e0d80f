"""The aggregated cells that the model learned from, a page at a time."""

import datetime as dt
from typing import Any

import numpy as np

from optimizations.models import Optimization
from optimizations.services.observations import Table, config_of
from optimizations.services.results import latest_readout


def observed_cells(
    optimization: Optimization, *, start: dt.date | None = None, end: dt.date | None = None, limit: int, offset: int = 0
) -> dict[str, Any]:
    """Cells (day, variant, context) in the order of the days, as of the latest training; none before the first."""
    config = config_of(optimization)
    read = latest_readout(optimization)
    page: list[dict[str, Any]] = []
    total = 0
    if read is not None:
        table = Table.from_bytes(bytes(read.table)).within(start, end)
        total = len(table.day)
        order = np.lexsort((table.variant, table.day))[offset : offset + limit]
        page = [
            {
                "date": dt.date.fromordinal(int(table.day[i])),
                "variant_number": int(table.variant[i]) + 1,
                "variant": config.props(int(table.variant[i])),
                "context": {
                    factor.name: factor.levels[code] if code >= 0 else None
                    for factor, code in zip(config.context, table.context[i].tolist(), strict=True)
                },
                "exposures": int(table.n[i]),
                "reward_total": float(table.total[i]),
                "reward_squares": float(table.total_squares[i]),
            }
            for i in order.tolist()
        ]
    following = offset + limit
    return {
        "model_version": read.version if read else None,
        "computed_at": read.computed_at if read else None,
        "observations": page,
        "total": total,
        "limit": limit,
        "offset": offset,
        "next_offset": following if following < total else None,
    }
