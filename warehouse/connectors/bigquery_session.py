"""Google's HTTP session with a bound: its client waits two minutes for an answer, whatever timeout it was given."""

from typing import Any

from google.auth.transport.requests import AuthorizedSession


class BoundedSession(AuthorizedSession):  # type: ignore[misc, unused-ignore]
    """`longest`: seconds that a silent server is waited for."""

    def __init__(self, credentials: Any, longest: float) -> None:
        super().__init__(credentials)  # type: ignore[no-untyped-call]
        self.longest = longest

    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]
        options["timeout"] = min(options.get("timeout") or self.longest, self.longest)
        return super().request(method, url, **options)  # type: ignore[no-untyped-call]
