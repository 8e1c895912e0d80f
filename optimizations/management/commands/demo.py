"""`manage.py demo`: two weeks of visitors in time lapse, then visitors as they come."""

import datetime as dt
import random
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from optimizations.management.demo import stage, world
from optimizations.management.demo.client import Api, ApiError, wait_until_ready
from optimizations.management.demo.visitors import Visitors
from optimizations.models import BanditModel
from optimizations.services.lift_history import snapshot_lift

DAY = dt.timedelta(days=1)


class Command(BaseCommand):
    help = "A demo organization with a live optimization, and visitors who use the real HTTP API."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="Where the server is.")
        parser.add_argument("--days", type=int, default=14, help="Days of traffic in time lapse.")
        parser.add_argument("--visitors", type=int, default=2500, help="Visitors a day in the time lapse.")
        parser.add_argument("--rate", type=float, default=2.0, help="Live visitors a second afterwards; 0 stops.")
        parser.add_argument("--seed", type=int, default=20261120)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._play(**options)
        except ApiError as error:
            raise CommandError(str(error)) from error

    def _play(self, *, url: str, days: int, visitors: int, rate: float, seed: int, **_: Any) -> None:
        wait_until_ready(url)
        set_up = stage.set_stage()
        self._announce(url, set_up)
        api = Api(url, set_up.key)
        existing = api.call("GET", "/optimizations?limit=100")["optimizations"]
        known = next((o for o in existing if o["name"] == world.OPTIMIZATION["name"] and o["status"] == "live"), None)
        if known:
            people = Visitors(api, world.World(time.time_ns()), known["id"])
        else:
            reward, guarded = (api.call("POST", "/warehouse/metrics", m)["id"] for m in (world.METRIC, world.GUARDED))
            guardrails = [world.GUARDRAIL | {"metric_id": guarded}]
            chosen = {"reward_metric_id": reward, "guardrails": guardrails}
            made = api.call("POST", "/optimizations", world.OPTIMIZATION | chosen)
            people = Visitors(api, world.World(seed), made["id"])
            self._time_lapse(api, people, made["model_id"], world.World(seed), days, visitors)
        if rate > 0:
            self._live(people, world.World(time.time_ns()), rate)

    def _announce(self, url: str, set_up: stage.Stage) -> None:
        if set_up.password:
            self.stdout.write(f"Sign in at {url} as {stage.EMAIL} with the password {set_up.password}")
            self.stdout.write("  (shown this once; `python manage.py changepassword` sets a new one)")
        else:
            self.stdout.write(f"Sign in at {url} as {stage.EMAIL}.")
        self.stdout.flush()

    def _time_lapse(
        self, api: Api, people: Visitors, model_id: str, source: world.World, days: int, visitors: int
    ) -> None:
        """Each day's visitors come in order; each night the model trains, so that the next day is served better."""
        now = dt.datetime.now(dt.UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        began = time.perf_counter()
        for back in range(days, -1, -1):
            day = midnight - back * DAY
            share = 1.0 if back else (now - day) / DAY
            people.come(source.visits(day, round(visitors * share), until=now))
            people.act(until=min(day + DAY, now))
            trained = api.call("POST", f"/models/{model_id}/train")
            snapshot_lift(BanditModel.objects.get(pk=model_id), day=day.date())  # the training itself told of today
            expected = trained["in_sample_metrics"]["expected_reward"]["mean"]
            self.stdout.write(
                f"{day:%d %b}: {trained['observations']:>6} exposures, model v{trained['model_version']}, "
                f"expected signup rate {100 * expected:.1f} %"
            )
            self.stdout.flush()
        self.stdout.write(f"Two weeks in {time.perf_counter() - began:.0f} s; now visitors come as they please.")
        self.stdout.flush()

    def _live(self, people: Visitors, source: world.World, rate: float) -> None:
        """Visitors at random moments, `rate` a second, until stopped."""
        while True:
            time.sleep(random.expovariate(rate))
            now = dt.datetime.now(dt.UTC)
            people.come([source.visit(now)])
            people.act(until=now)
