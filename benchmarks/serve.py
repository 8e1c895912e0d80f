"""Requests per second of `serve` against a bare Django view.

    python benchmarks/serve.py [--rounds 10] [--seconds 1.5] [--connections 8] [--redis redis://…]

Compared are three servers, each a real Granian with one worker process, started alike:

- `serve`: the product's WSGI application with all its settings. Every request has another anonymous_id and one of three
  contexts, is decoded, counted by the rate limiter, assigned by a trained model of 24 variants with 10 % holdout, and
  answered. Logs as in production.
- `bare`: Django's default handler without middleware and one view that returns constant JSON (`bare_view.py`). It
  neither reads the body nor decides anything.
- `bare again`: a second server of that kind. Its ratio to the first is the noise of the measurement (A/A).

Rounds alternate between the three; their order rotates. The load generator is this process, with kept-alive
connections. Reported are medians over rounds of the ratio within a round, and the servers' CPU time per request, which
other work on the machine disturbs less.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.load import Server, drive, post  # noqa: E402


def prepare(environment: dict[str, str]) -> list[bytes]:
    """A database with one trained optimization; returns requests of many users."""
    os.environ.update(environment)
    import django

    django.setup()
    from django.core.management import call_command

    from levered_site.organizations.services import create_organization
    from tests.serving import factor, make_optimization, publish_version, serve_url

    call_command("migrate", verbosity=0)
    optimization = make_optimization(
        create_organization(name="Benchmark"),
        design=[
            factor("headline", ["Ship faster", "Save time", "Build better", "Sleep well"]),
            factor("cta_text", ["Start free", "Try it now"]),
            factor("color", ["green", "blue", "orange"]),
        ],
        context=[factor("device", ["mobile", "desktop"]), factor("country", ["de", "fr", "us"])],
    )
    publish_version(optimization, best=5)
    contexts = [{"device": "mobile", "country": "de"}, {"device": "desktop", "country": "us"}, {"device": "mobile"}]
    bodies = [{"anonymous_id": f"user-{n}", "context": contexts[n % 3]} for n in range(3000)]
    return [post(serve_url(optimization), json.dumps(body).encode()) for body in bodies]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--redis", default="", help="count requests in this Redis instead of in memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "staticfiles").mkdir()
        environment = {
            "DJANGO_SETTINGS_MODULE": "levered_site.settings",
            "LEVERED_DATA_DIR": directory,
            "DATABASE_URL": f"sqlite:///{directory}/benchmark.sqlite3",
            "REDIS_URL": options.redis,
            "LEVERED_RATE_LIMIT_SERVE": "1000000000/m",
        }
        requests = {"serve": prepare(environment)}
        requests["bare"] = requests["bare again"] = [
            r.replace(r.split(b" ", 2)[1], b"/bare", 1) for r in requests["serve"]
        ]
        bare = "benchmarks.bare_view:application"
        servers: dict[str, Server] = {}
        try:
            for name in requests:
                servers[name] = Server.start("levered_site.wsgi:application" if name == "serve" else bare, environment)
            report(servers, requests, options)
        finally:
            for server in servers.values():
                server.stop()


def report(servers: dict[str, Server], requests: dict[str, list[bytes]], options: argparse.Namespace) -> None:
    names = list(servers)
    for name in names:
        drive(servers[name].port, requests[name], seconds=1.0, connections=options.connections)
    rates: dict[str, list[float]] = {name: [] for name in names}
    cpu = dict.fromkeys(names, 0.0)
    answered = dict.fromkeys(names, 0)
    for turn in range(options.rounds):
        for position in range(len(names)):
            name = names[(turn + position) % len(names)]
            before = servers[name].cpu_seconds()
            count = drive(servers[name].port, requests[name], seconds=options.seconds, connections=options.connections)
            rates[name].append(count / options.seconds)
            answered[name] += count
            cpu[name] += servers[name].cpu_seconds() - before
    print(f"{options.rounds} rounds of {options.seconds} s, {options.connections} connections")
    for name in names:
        ratio = [own / bare for own, bare in zip(rates[name], rates["bare"], strict=True)]
        microseconds = 1e6 * cpu[name] / answered[name]
        spread = f"(rounds {min(ratio):.3f} to {max(ratio):.3f})"
        print(f"{name:<10}  {statistics.median(rates[name]):7.0f} requests/s", end="   ")
        print(f"ratio to bare {statistics.median(ratio):.3f} {spread}   {microseconds:5.1f} µs CPU per request")


if __name__ == "__main__":
    main()
