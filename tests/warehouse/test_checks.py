import pytest
from django.core import checks
from django.core.management import call_command
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
        call_command("secure_warehouse")
        assert reader_role(None, databases=["default"]) == []

    def test_the_command_may_run_again(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("secure_warehouse")
        assert capsys.readouterr().out
        assert reader_role(None, databases=["default"]) == []
