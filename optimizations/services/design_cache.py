"""Parsed designs, so that a batch of events does not parse them again."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from uuid import UUID

from optimizations.config import Config, read_config
from optimizations.models import Optimization

SIZE = 256
Revision = tuple[UUID, datetime]  # an optimization's id and `updated_at`: a changed one is another entry

_configs: OrderedDict[Revision, Config] = OrderedDict()
_lock = Lock()


def configs_of(revisions: Iterable[Revision]) -> dict[int, Config]:
    """The designs by `UUID.int`; one query for all that are not known."""
    known: dict[int, Config] = {}
    missing: list[UUID] = []
    with _lock:
        for revision in revisions:
            config = _configs.get(revision)
            if config is None:
                missing.append(revision[0])
            else:
                _configs.move_to_end(revision)
                known[revision[0].int] = config
    if missing:
        known |= _read(missing)
    return known


def _read(ids: list[UUID]) -> dict[int, Config]:
    rows = Optimization.objects.filter(pk__in=ids).order_by().values_list("pk", "updated_at", "training_data_config")
    read = {(id_, updated_at): read_config(stored) for id_, updated_at, stored in rows}
    with _lock:
        _configs.update(read)
        while len(_configs) > SIZE:
            _configs.popitem(last=False)
    return {id_.int: config for (id_, _), config in read.items()}
