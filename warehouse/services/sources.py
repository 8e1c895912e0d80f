from levered_site.organizations.models import Organization
from warehouse.models import AssignmentSource


def default_source(organization: Organization) -> AssignmentSource:
    return AssignmentSource.objects.get_or_create(
        organization=organization, active=True, defaults=dict(name="Exposures", sql="SELECT 1", column_mapping={})
    )[0]
