from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "levered_site.organizations"
    label = "organizations"

    def ready(self) -> None:
        from levered_site import checks  # noqa: F401  (registers the system checks)
