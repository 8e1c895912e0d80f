"""First contentful paint of the dashboard's biggest pages against a bare page of the same server.

    python benchmarks/first_paint.py [--rounds 15] [--per-day 2000]

One optimization with 1,000 variants (10 x 10 x 10) and 90 days of traffic, trained; the server is the product as it is
deployed. Each round opens every page in a headless Chromium with an empty cache, and again with a warm one; the order
rotates. The bare page is `/healthz`: a few bytes of text through the same server, opened twice a round, so that the
second tells the noise (A/A). Reported are the browser's own `first-contentful-paint` entries: medians over rounds, and
the median of the ratio to the bare page within a round.
"""

import argparse
import datetime as dt
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.load import Server  # noqa: E402

DAYS = 90
LEVELS = [f"Level {i}" for i in range(10)]
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def prepare(environment: dict[str, str], per_day: int) -> tuple[str, dict[str, str]]:
    """The database and the static files; returns a session and the pages by name."""
    os.environ.update(environment)
    import django

    django.setup()
    import numpy as np
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    from levered_site.organizations.models import User
    from levered_site.organizations.services import create_organization
    from optimizations.services.lifecycle import active_model
    from optimizations.services.training import train
    from tests.factories import make_optimization
    from warehouse.models import Exposure, Reward

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    user = User.objects.create_user("bench@example.com")
    organization = create_organization(name="Benchmark", owner=user)
    factors = [{"name": name, "dtype": "str", "levels": LEVELS} for name in ("headline", "cta", "layout")]
    optimization = make_optimization(
        organization,
        training_data_config={
            "design_factors": factors,
            "context_factors": [{"name": "device", "dtype": "str", "levels": ["mobile", "desktop"]}],
        },
    )
    chance = np.random.default_rng(20261121)
    now = timezone.now()
    for back in range(DAYS, 0, -1):
        codes, devices = chance.integers(0, 10, (per_day, 3)), chance.integers(0, 2, per_day)
        rate = 0.1 + 0.01 * codes[:, 0]
        signed_up = chance.random(per_day) < rate
        at = now - dt.timedelta(days=back)
        people = [f"{back}-{i}" for i in range(per_day)]
        Exposure.objects.bulk_create(
            Exposure(
                organization=organization,
                optimization_id=optimization.pk,
                anonymous_id=person,
                variant={f["name"]: LEVELS[c] for f, c in zip(factors, row, strict=True)},
                context={"device": ["mobile", "desktop"][device]},
                timestamp=at,
            )
            for person, row, device in zip(people, codes.tolist(), devices.tolist(), strict=True)
        )
        later = at + dt.timedelta(minutes=5)
        Reward.objects.bulk_create(
            Reward(organization=organization, anonymous_id=person, name="signup", value=1.0, timestamp=later)
            for person, happened in zip(people, signed_up, strict=True)
            if happened
        )
    model = active_model(optimization)
    assert model is not None
    train(model, trigger="command")
    client = Client()
    client.force_login(user)
    one = f"/optimizations/{optimization.pk}"
    pages = {"bare": "/healthz", "bare again": "/healthz", "sign-in": "/login", "list": "/", "overview": one}
    pages |= {tab: f"{one}/{tab}" for tab in ("variants", "factors", "contexts", "report")}
    return client.cookies["sessionid"].value, pages


def paint(context: BrowserContext, url: str) -> float:
    """Milliseconds from the navigation to the first text or image, as the browser noted it."""
    page = context.new_page()
    page.goto(url, wait_until="load")
    while (found := page.evaluate(PAINT)) is None:  # the policy forbids Playwright's own waiting, which evaluates text
        page.wait_for_timeout(10)
    page.close()
    return float(found)


def measure(browser: Browser, base: str, session: str, pages: dict[str, str], rounds: int) -> None:
    cold: dict[str, list[float]] = {name: [] for name in pages}
    warm: dict[str, list[float]] = {name: [] for name in pages}
    names = list(pages)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": "sessionid", "value": session, "url": base}])
            times = [paint(context, base + pages[name]) for _ in range(2)]
            context.close()
            if turn:  # the first round warms up the server and the browser
                cold[name].append(times[0])
                warm[name].append(times[1])
    print(f"{rounds} rounds; first contentful paint in ms, and the ratio to the bare page within a round")
    for name in names:
        print(f"{name:<12}", end="")
        for kind, times in (("empty cache", cold), ("warm cache", warm)):
            ratio = statistics.median(own / bare for own, bare in zip(times[name], times["bare"], strict=True))
            print(f"  {kind} {statistics.median(times[name]):6.0f} ms  x {ratio:4.2f}", end="")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--per-day", type=int, default=2000, help="visitors a day, for 90 days")
    options = parser.parse_args()
    chromium = os.environ.get("LEVERED_TEST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("This needs a Chromium: `apt-get install chromium`, or name one in LEVERED_TEST_CHROMIUM.")
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            "DJANGO_SETTINGS_MODULE": "levered_site.settings",
            "LEVERED_DATA_DIR": directory,
            "DATABASE_URL": f"sqlite:///{directory}/benchmark.sqlite3",
            "REDIS_URL": "",
        }
        session, pages = prepare(environment, options.per_day)
        server = Server.start("levered_site.wsgi:application", environment)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
                measure(browser, f"http://127.0.0.1:{server.port}", session, pages, options.rounds)
                browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
