"""fakesnow's server with what a real one does besides: it refuses wrong credentials, and ends what is aborted.

Runs in the emulator's own environment (requirements-emulator-snowflake.txt): snowflake_server.py PORT PUBLIC_KEY_FILE
"""

import gzip
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import jwt
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

server: Any = import_module("fakesnow.server")  # the package has a function of this name
PASSWORD = "the right one"
KEY = Path(sys.argv[2]).read_text()
aborted: set[str] = set()  # tokens of sessions: each of ours runs one query


def known(data: dict[str, Any]) -> bool:
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        try:
            issuer = jwt.decode(data["TOKEN"], KEY, algorithms=["RS256"])["iss"]
        except jwt.PyJWTError:
            return False
        return bool(issuer.startswith("FAKESNOW.READER."))
    return bool(data.get("PASSWORD") == PASSWORD)


async def login(request: Request) -> JSONResponse:
    body = await request.body()
    plain = gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body
    data = json.loads(plain)["data"]
    if not known(data):
        return JSONResponse(
            {"data": {}, "success": False, "code": "390100", "message": "Incorrect username or password was specified."}
        )
    return await server.login_request(request)


async def query(request: Request) -> JSONResponse:
    answer = await server.query_request(request)
    if answer.status_code == 500 and server.to_token(request) in aborted:
        told = {"errorCode": "000604", "sqlState": "57014"}
        return JSONResponse({"data": told, "success": False, "code": "000604", "message": "SQL execution canceled"})
    return answer


async def abort(request: Request) -> JSONResponse:
    token = server.to_token(request)
    aborted.add(token)
    server.to_conn(token)._duck_conn.interrupt()
    return JSONResponse({"success": True})


OURS = {
    "/session/v1/login-request": login,
    "/queries/v1/query-request": query,
    "/queries/v1/abort-request": abort,
}
server.app.router.routes[:] = [
    *(Route(path, endpoint, methods=["POST"]) for path, endpoint in OURS.items()),
    *(route for route in server.routes if route.path not in OURS),
]

if __name__ == "__main__":
    uvicorn.run(server.app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
