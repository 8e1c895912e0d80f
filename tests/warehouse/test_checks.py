import pytest
from django.core import checks
from django.db import connection

from warehouse.checks import reader_role


@pytest.mark.django_db
class TestReaderRole:
    def test_nothing_to_say_after_the_migrations(self) -> None:
        assert reader_role(None, databases=["default"]) == []

    def test_a_missing_policy_is_told(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("PostgreSQL only")
        with connection.cursor() as cursor:
            cursor.execute("DROP POLICY one_organization ON managed_rewards")
        (warning,) = reader_role(None, databases=["default"])
        assert warning.id == "warehouse.W001"
        assert warning.level == checks.WARNING
        assert reader_role(None) == []
