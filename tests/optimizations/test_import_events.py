"""`manage.py import_events`: logs as they come, also twice, interrupted, corrected and broken."""

import datetime as dt
import json
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command

from levered_site.errors import Unavailable
from optimizations.models import Optimization
from optimizations.services import importing
from optimizations.services.importing import BATCH, Columns, import_rows
from optimizations.services.log_files import LogRow, read_log
from optimizations.states import Status
from tests.conftest import Tenant
from tests.ingestion import optimization
from warehouse.models import Connection, Exposure, Metric, Provider, Reward

HEADER = "timestamp,user,cta,hero,device,bought\n"
FLAGS = ["--anonymous-id", "user", "--reward-column", "bought"]


def row(number: int, *, cta: str = "try_it", bought: object = 0, device: str = "mobile") -> str:
    return f"2026-06-01 10:00:{number % 60:02}.5+02:00,user_{number},{cta},shield,{device},{bought}\n"


@pytest.fixture
def ours(acme: Tenant, globex: Tenant) -> Optimization:
    return optimization(acme)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """1,200 rows in three batches; every tenth user bought."""
    file = tmp_path / "log.csv"
    file.write_text(HEADER + "".join(row(i, bought=int(i % 10 == 0)) for i in range(1200)))
    return file


def run(file: Path, *flags: object) -> str:
    out = StringIO()
    call_command("import_events", str(file), *map(str, flags), stdout=out, stderr=out)
    return out.getvalue()


def fails(file: Path, *flags: object) -> str:
    """What the command tells: the refused rows, then why it ends with an error."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("import_events", str(file), *map(str, flags), stdout=out, stderr=out)
    return f"{out.getvalue()}{error.value}"


@pytest.mark.django_db
class TestImport:
    def test_rows_become_exposures_and_rewards(self, acme: Tenant, ours: Optimization, tmp_path: Path) -> None:
        file = tmp_path / "log.csv"
        file.write_text(HEADER + row(1) + row(2, cta="sign_up_now", bought="2.5", device=""))
        told = run(file, "--optimization", ours.pk, *FLAGS)
        assert "2 rows: 2 exposures stored (0 already were), 1 rewards stored (0 already were), 0 rows refused" in told
        first, second = Exposure.objects.order_by("timestamp")
        assert first.organization == second.organization == acme.organization
        assert first.optimization_id == ours.pk
        assert first.anonymous_id == "user_1"
        assert first.timestamp == dt.datetime(2026, 6, 1, 8, 0, 1, 500_000, tzinfo=dt.UTC)
        assert first.variant == {"cta": "try_it", "hero": "shield"}
        assert (first.context, second.context) == ({"device": "mobile"}, {})
        reward = Reward.objects.get()
        assert (reward.anonymous_id, reward.name, reward.value) == ("user_2", "signup", 2.5)
        assert reward.optimization_id == ours.pk
        assert dt.timedelta(0) < reward.timestamp - second.timestamp <= dt.timedelta(seconds=1)

    def test_columns_have_other_names_and_levels_have_types(self, acme: Tenant, globex: Tenant, tmp_path: Path) -> None:
        typed = optimization(acme, levels=(1, 2), dtype="int")
        file = tmp_path / "log.csv"
        file.write_text(
            '\ufeffat,which,hero,"a, b"\n2026-06-01T00:00:00Z,2.0,"shield",x\n\n2026-06-01T00:00:00Z,1,rocket,"y\nz"\n'
        )
        flags = ["--timestamp", "at", "--factor", "cta=which", "--context", "extra=a, b"]
        run(file, "--optimization", typed.pk, *flags)
        first, second = Exposure.objects.order_by("pk")
        assert {str(e.variant) for e in (first, second)} == {
            "{'cta': 2, 'hero': 'shield'}",
            "{'cta': 1, 'hero': 'rocket'}",
        }
        assert {e.context["extra"] for e in (first, second)} == {"x", "y\nz"}
        assert first.anonymous_id != second.anonymous_id

    def test_json_lines(self, acme: Tenant, ours: Optimization, tmp_path: Path) -> None:
        lines: list[dict[str, Any]] = [
            {"timestamp": "2026-06-01T00:00:00Z", "user": 7, "cta": "try_it", "hero": "shield", "bought": True},
            {"timestamp": "2026-06-01T00:00:01Z", "user": "é", "cta": "try_it", "hero": "rocket", "device": "desktop"},
        ]
        file = tmp_path / "log.jsonl"
        file.write_text("\n\n".join(json.dumps(line) for line in lines))
        run(file, "--optimization", ours.pk, *FLAGS, "--context", "device", "--reward-name", "sale")
        first, second = Exposure.objects.order_by("timestamp")
        assert (first.anonymous_id, second.anonymous_id) == ("7", "é")
        assert (first.context, second.context) == ({}, {"device": "desktop"})
        reward = Reward.objects.get()
        assert (reward.anonymous_id, reward.name, reward.value) == ("7", "sale", 1.0)

    def test_a_dry_run_checks_and_stores_nothing(self, ours: Optimization, log: Path) -> None:
        log.write_text(log.read_text() + row(1, cta="no_such"))
        told = fails(log, "--optimization", ours.pk, *FLAGS, "--dry-run")
        assert "1,201 rows: 1,200 exposures and 120 rewards could be stored, 1 rows refused" in told
        assert "log.csv:1202: variant.cta" in told
        assert not Exposure.objects.exists()
        assert not Reward.objects.exists()

    def test_a_naive_time_needs_a_zone(self, ours: Optimization, tmp_path: Path) -> None:
        file = tmp_path / "log.csv"
        file.write_text(HEADER + "2026-07-01 12:00:00,u,try_it,shield,mobile,0\n")
        assert "log.csv:2: timestamp:" in fails(file, "--optimization", ours.pk, *FLAGS)
        assert "not a time zone" in fails(file, "--optimization", ours.pk, *FLAGS, "--timezone", "Mars/Olympus")
        run(file, "--optimization", ours.pk, *FLAGS, "--timezone", "Europe/Berlin")
        assert Exposure.objects.get().timestamp == dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC)


@pytest.mark.django_db
class TestAgain:
    def test_a_second_run_stores_nothing(self, ours: Optimization, log: Path) -> None:
        assert "1,200 exposures stored (0 already" in run(log, "--optimization", ours.pk, *FLAGS)
        told = run(log, "--optimization", ours.pk, *FLAGS)
        assert "0 exposures stored (1,200 already were), 0 rewards stored (120 already were)" in told
        assert (Exposure.objects.count(), Reward.objects.count()) == (1200, 120)

    def test_an_interrupted_import_goes_on(self, ours: Optimization, log: Path) -> None:
        real, calls = importing.ingest_rewards, 0

        def dies(*args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 1:  # the exposures of the second batch are stored, its rewards are not
                raise KeyboardInterrupt
            return real(*args, **options)

        with patch.object(importing, "ingest_rewards", dies):
            assert "again to go on" in fails(log, "--optimization", ours.pk, *FLAGS)
        assert (Exposure.objects.count(), Reward.objects.count()) == (2 * BATCH, BATCH // 10)
        told = run(log, "--optimization", ours.pk, *FLAGS)
        assert f"200 exposures stored (1,000 already were), {120 - BATCH // 10} rewards stored" in told
        assert (Exposure.objects.count(), Reward.objects.count()) == (1200, 120)

    def test_a_short_absence_of_the_database_is_outlived(self, ours: Optimization, log: Path) -> None:
        real = importing.ingest_exposures
        with (
            patch.object(
                importing, "ingest_exposures", side_effect=[Unavailable("locked"), Unavailable("locked")]
            ) as gone,
            patch.object(importing.time, "sleep") as slept,
        ):
            answers = iter([Unavailable("locked"), Unavailable("locked")])
            gone.side_effect = lambda *a, **o: (_ for _ in ()).throw(e) if (e := next(answers, None)) else real(*a, **o)
            run(log, "--optimization", ours.pk, *FLAGS)
        assert slept.call_count == 2
        assert Exposure.objects.count() == 1200

    def test_a_long_one_stops_it(self, ours: Optimization, log: Path) -> None:
        with (
            patch.object(importing, "ingest_exposures", side_effect=Unavailable("The database is gone.")),
            patch.object(importing.time, "sleep"),
        ):
            assert "The database is gone" in fails(log, "--optimization", ours.pk, *FLAGS)
        assert not Exposure.objects.exists()

    def test_a_longer_log_adds_its_new_rows(self, ours: Optimization, log: Path) -> None:
        run(log, "--optimization", ours.pk, *FLAGS)
        log.write_text(log.read_text() + row(5000, bought=1))
        assert "1 exposures stored (1,200 already were), 1 rewards" in run(log, "--optimization", ours.pk, *FLAGS)

    def test_corrected_rows_are_the_only_new_ones(self, ours: Optimization, log: Path) -> None:
        good = log.read_text()
        log.write_text(good.replace(row(700, bought=1), row(700, bought="lots")))
        assert "log.csv:702: bought: 'lots' is not a finite number" in fails(log, "--optimization", ours.pk, *FLAGS)
        log.write_text(good)
        assert "1 exposures stored (1,199 already were)" in run(log, "--optimization", ours.pk, *FLAGS)
        assert (Exposure.objects.count(), Reward.objects.count()) == (1200, 120)

    def test_equal_rows_at_other_lines_or_of_another_source_are_others(
        self, ours: Optimization, tmp_path: Path
    ) -> None:
        file = tmp_path / "log.csv"
        file.write_text(HEADER + row(1) * 3)
        run(file, "--optimization", ours.pk, *FLAGS)
        assert Exposure.objects.count() == 3
        run(file, "--optimization", ours.pk, *FLAGS, "--source", "second shop")
        assert Exposure.objects.count() == 6

    def test_the_same_log_into_another_optimization(self, acme: Tenant, ours: Optimization, log: Path) -> None:
        run(log, "--optimization", ours.pk, *FLAGS)
        assert "1,200 exposures stored" in run(log, "--optimization", optimization(acme).pk, *FLAGS)


@pytest.mark.django_db
class TestRefusedRows:
    def test_each_is_told_with_its_line_and_the_others_are_stored(self, ours: Optimization, tmp_path: Path) -> None:
        bad = [
            (row(3, cta="no_such").encode(), "variant.cta: 'no_such'"),
            (b"yesterday,u,try_it,shield,mobile,0\n", "'yesterday' is not an ISO 8601 time"),
            (b"2026-06-01T00:00:00Z,u,try_it\n", "3 fields, the header 6"),
            (row(6).replace("user_6", "").encode(), "anonymous_id"),
            (row(7).replace("user_7", "x" * 513).encode(), "anonymous_id"),
            (row(8).encode().replace(b"user_8", b"\xff\xfe"), "not UTF-8"),
            (row(9).encode().replace(b"user_9", b"a\0b"), "anonymous_id"),
            (row(10, bought="nan").encode(), "bought"),
            (row(11, bought="-inf").encode(), "bought"),
            (b"2199-01-01T00:00:00Z,u,try_it,shield,mobile,0\n", "24 hours ahead"),
            (b"0001-01-01T00:00:00+23:00,u,try_it,shield,mobile,0\n", "timestamp"),
            (b"9999-12-31T23:59:59.999999Z,u,try_it,shield,mobile,1\n", "timestamp"),
            (row(15).encode().replace(b"mobile", b"x" * 200_000), "not CSV"),
        ]
        file = tmp_path / "log.csv"
        file.write_bytes(HEADER.encode() + row(2).encode() + b"".join(line for line, _ in bad) + row(99).encode())
        told = fails(file, "--optimization", ours.pk, *FLAGS)
        for i, (_, message) in enumerate(bad):
            lines = [line for line in told.splitlines() if line.startswith(f"log.csv:{i + 3}:")]
            assert len(lines) == 1, (i, told)
            assert message in lines[0]
        assert (
            f"2 exposures stored (0 already were), 0 rewards stored (0 already were), {len(bad)} rows refused" in told
        )
        assert set(Exposure.objects.values_list("anonymous_id", flat=True)) == {"user_2", "user_99"}
        assert not Reward.objects.exists()

    def test_json_lines(self, ours: Optimization, tmp_path: Path) -> None:
        good = json.dumps({"timestamp": "2026-06-01T00:00:00Z", "user": "u", "cta": "try_it", "hero": "shield"})
        file = tmp_path / "log.ndjson"
        file.write_text("\n".join([good, "{", "[1]", '{"cta": "try_it"}', '{"a": "' + "x" * 2_000_000 + '"}', good]))
        told = fails(file, "--optimization", ours.pk, "--anonymous-id", "user")
        for line, message in [(2, "not JSON"), (3, "not a JSON object"), (4, "timestamp"), (5, "longer than 1 MB")]:
            assert any(t.startswith(f"log.ndjson:{line}:") and message in t for t in told.splitlines()), told
        assert Exposure.objects.count() == 2

    def test_the_list_is_bounded(self, ours: Optimization, tmp_path: Path) -> None:
        file = tmp_path / "log.csv"
        file.write_text(HEADER + row(1, cta="no_such") * 1100)
        told = fails(file, "--optimization", ours.pk, *FLAGS, "--max-errors", 30)
        assert told.count("log.csv:") == 30
        assert "1,100 rows refused" in told


@pytest.mark.django_db
class TestRefused:
    def test_at_once(self, acme: Tenant, ours: Optimization, log: Path, tmp_path: Path) -> None:
        into = ["--optimization", ours.pk]
        assert "no column nobody" in fails(log, *into, "--anonymous-id", "nobody")
        assert "no column when" in fails(log, *into, "--timestamp", "when")
        assert "not a design factor" in fails(log, *into, "--factor", "colour=cta")
        assert "only one column" in fails(log, *into, "--factor", "cta", "--factor", "cta=hero")
        assert "is not an id" in fails(log, "--optimization", "first")
        assert "there is no optimization" in fails(log, *into, "--organization", "Globex")
        assert "No such file" in fails(tmp_path / "none.csv", *into)
        (tmp_path / "log.xls").write_text("")
        assert "--format" in fails(tmp_path / "log.xls", *into)
        (tmp_path / "empty.csv").write_text("")
        assert "no column timestamp" in fails(tmp_path / "empty.csv", *into)
        (tmp_path / "twice.csv").write_text("timestamp,cta,cta,hero\n")
        assert "twice" in fails(tmp_path / "twice.csv", *into)
        assert not Exposure.objects.exists()

    def test_an_archived_optimization_and_another_warehouse(self, acme: Tenant, ours: Optimization, log: Path) -> None:
        connection = Connection.objects.create(organization=acme.organization, provider=Provider.POSTGRES)
        assert "managed warehouse" in fails(log, "--optimization", ours.pk, *FLAGS)
        connection.delete()
        Optimization.objects.update(status=Status.ARCHIVED)
        assert "archived" in fails(log, "--optimization", ours.pk, *FLAGS)
        assert not Exposure.objects.exists()


CREATE = ["--create-optimization", "Shop", "--factor", "cta", "--factor", "item", "--context", "new"]


@pytest.mark.django_db
class TestCreate:
    @pytest.fixture
    def bandit_log(self, tmp_path: Path) -> Path:
        file = tmp_path / "log.csv"
        lines = [
            f"2026-06-01T00:00:00Z,{'ab'[i % 2]},{i % 12},{str(i % 2 == 0).lower()},{int(i == 3)}" for i in range(60)
        ]
        file.write_text("timestamp,cta,item,new,click\n" + "\n".join(lines))
        return file

    def test_the_levels_are_read_from_the_file(self, acme: Tenant, globex: Tenant, bandit_log: Path) -> None:
        flags = [*CREATE, "--reward-column", "click", "--organization", acme.organization.public_id]
        told = run(bandit_log, *flags)
        made = Optimization.objects.get()
        assert made.organization == acme.organization
        assert str(made.pk) in told
        assert made.training_data_config["design_factors"] == [
            {"name": "cta", "dtype": "str", "levels": ["a", "b"]},
            {"name": "item", "dtype": "int", "levels": list(range(12))},
        ]
        assert made.training_data_config["context_factors"] == [
            {"name": "new", "dtype": "bool", "levels": [False, True]}
        ]
        assert made.training_data_config["reward"] == {"name": "click", "type": "bool"}
        assert made.reward_metric.organization == acme.organization
        assert "'click'" in made.reward_metric.sql
        assert made.models.count() == 1
        assert Exposure.objects.filter(optimization_id=made.pk).count() == 60
        assert set(Exposure.objects.values_list("context", flat=True).distinct()[:1][0]) == {"new"}
        assert Reward.objects.get().name == "click"

        assert "0 exposures stored (60 already were), 0 rewards stored (1 already were)" in run(bandit_log, *flags)
        assert (Optimization.objects.count(), Metric.objects.count()) == (1, 1)

        bandit_log.write_text(bandit_log.read_text() + "\n2026-06-01T00:00:00Z,c,1,true,0\n")
        assert "another design" in fails(bandit_log, *flags)

    def test_amounts_make_a_numeric_reward(self, acme: Tenant, globex: Tenant, bandit_log: Path) -> None:
        bandit_log.write_text(
            bandit_log.read_text().replace("true,1\n", "true,9.99\n").replace("false,1\n", "false,9.99\n")
        )
        run(bandit_log, *CREATE, "--reward-column", "click", "--reward-name", "sale", "--organization", "Acme")
        made = Optimization.objects.get()
        assert made.training_data_config["reward"] == {"name": "sale", "type": "numeric"}
        assert made.reward_metric.column_mapping["value"] == "value"
        assert Reward.objects.get().value == 9.99

    def test_a_dry_run_makes_nothing(self, acme: Tenant, globex: Tenant, bandit_log: Path) -> None:
        told = run(bandit_log, *CREATE, "--organization", "Acme", "--dry-run")
        assert "60 exposures" in told
        assert (Optimization.objects.count(), Metric.objects.count(), Exposure.objects.count()) == (0, 0, 0)

    def test_what_cannot_be_made(self, acme: Tenant, globex: Tenant, bandit_log: Path) -> None:
        assert "--organization must name one of: Acme" in fails(bandit_log, *CREATE)
        assert "--organization must name one of: Acme" in fails(bandit_log, *CREATE, "--organization", "Initech")
        into = ["--organization", "Acme", "--create-optimization", "Shop"]
        assert "at least one design factor" in fails(bandit_log, *into)
        assert "no column price" in fails(bandit_log, *into, "--factor", "price")
        assert "fewer than two values" in fails(bandit_log, *into, "--factor", "timestamp")
        assert "1 to 64 letters" in fails(bandit_log, *into, "--factor", "a b=cta")
        many = "".join(f"2026-06-01T00:00:00Z,{i},0,true,0\n" for i in range(2000))
        bandit_log.write_text("timestamp,cta,item,new,click\n" + many)
        assert "more than 1000 values" in fails(bandit_log, *into, "--factor", "cta")
        assert not Optimization.objects.exists()


@pytest.mark.django_db
def test_rows_are_read_as_they_are_needed(ours: Optimization) -> None:
    """Memory stays bounded, however long the log is."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            values = {"timestamp": "2026-06-01T00:00:00Z", "cta": "try_it", "hero": "shield"}
            yield LogRow(taken, values, b"", taken)

    columns = Columns(timestamp="timestamp", factors={"cta": "cta", "hero": "hero"})
    steps = import_rows(ours, endless(), columns)
    assert [next(steps).exposures, next(steps).exposures] == [BATCH, BATCH]
    assert taken == 2 * BATCH


def test_reading_counts_every_byte(log: Path) -> None:
    *_, last = read_log(log, "csv")
    assert last.end == log.stat().st_size
