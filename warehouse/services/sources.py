"""The assignment source: where exposures are read from. An organization has one that is active."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from levered_site.errors import Conflict, InvalidRequest, Issue, NotFound
from levered_site.organizations import audit
from levered_site.organizations.models import Organization
from warehouse.mapping import read_source_mapping
from warehouse.models import AssignmentSource
from warehouse.services.connections import require_managed
from warehouse.services.reading import Reader, as_json

PREVIEW_ROWS = 100
DEFAULT_NAME = "Exposures"
DEFAULT_SQL = "SELECT anonymous_id, timestamp, optimization_id, variant, context FROM exposures"
DEFAULT_MAPPING = {name: name for name in ("anonymous_id", "timestamp", "variant", "context")}


def replace_source(
    organization: Organization, *, name: str, sql: str, column_mapping: Mapping[str, Any]
) -> AssignmentSource:
    """The new active source, once it has run and returned every mapped column. The old one is kept, inactive."""
    if not name.strip():
        raise InvalidRequest.of([Issue("name", "An assignment source needs a name.")])
    mapping = read_source_mapping(column_mapping)
    reader = Reader(organization)
    relation = reader.relation(reader.scoped(sql))
    for field, column in mapping.columns().items():
        relation.column(column, field=f"column_mapping.{field}")
    with transaction.atomic():
        # the organization's row serializes replacements: two at once must not leave two active sources
        Organization.objects.select_for_update().get(pk=organization.pk)
        old = active_source(organization)
        organization.assignment_sources.filter(active=True).update(active=False)
        source = AssignmentSource.objects.create(
            organization=organization, name=name.strip(), sql=sql, column_mapping=dict(column_mapping)
        )
        before = _told(old) if old else None
        audit.record(organization, "assignment_source.replaced", source, before=before, after=_told(source))
    return source


def _told(source: AssignmentSource) -> dict[str, Any]:
    return audit.fields(source, "name", "sql", "column_mapping")


def active_source(organization: Organization) -> AssignmentSource | None:
    return organization.assignment_sources.filter(active=True).first()


def get_source(organization: Organization) -> AssignmentSource:
    source = active_source(organization)
    if source is None:
        raise NotFound("There is no assignment source")
    return source


def default_source(organization: Organization) -> AssignmentSource:
    """The active source; on the managed warehouse one is made where there is none."""
    if source := active_source(organization):
        return source
    require_managed(organization)
    try:
        with transaction.atomic():
            source = AssignmentSource.objects.create(
                organization=organization, name=DEFAULT_NAME, sql=DEFAULT_SQL, column_mapping=dict(DEFAULT_MAPPING)
            )
            audit.record(organization, "assignment_source.created", source, after=_told(source))
            return source
    except IntegrityError:  # another request was first
        return get_source(organization)


def source_in_use(organization: Organization, linked: AssignmentSource | None) -> AssignmentSource:
    """What an optimization reads from: the source it names while that is active, else the organization's active one.

    So a replaced source takes over at once, and after a deletion nothing can be read until there is a new one.
    """
    if linked is not None and linked.active:
        return linked
    source = active_source(organization)
    if source is None:
        raise Conflict("There is no assignment source; configure one to train again.")
    return source


def delete_source(organization: Organization) -> None:
    source = get_source(organization)
    with transaction.atomic():
        audit.record(organization, "assignment_source.deleted", source, before=_told(source))
        source.delete()


def preview_source(organization: Organization, *, limit: int = PREVIEW_ROWS) -> list[dict[str, object]]:
    """The first rows that the source's SELECT returns."""
    source = get_source(organization)
    mapping = read_source_mapping(source.column_mapping)
    return as_json(Reader(organization).sample(source.sql, limit=limit), moments=(mapping.timestamp,))
