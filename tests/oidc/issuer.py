"""An identity provider on localhost: discovery, keys that can be rotated, people who sign in, a switch to turn it off."""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "levered"
CLIENT_ID, CLIENT_SECRET = "dashboard", "s3cret:with+signs"


def new_key(algorithm: str) -> Any:
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def public_jwk(key: Any, algorithm: str) -> dict[str, Any]:
    writer: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[algorithm]
    jwk: dict[str, Any] = writer.to_jwk(key.public_key(), as_dict=True)
    return jwk


class Issuer:
    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, PrivateKeyTypes]] = {}
        self.hits: list[str] = []
        self.broken = False
        self.claimed_issuer: str | None = None
        self.person: dict[str, Any] = {}  # claims of whoever signs in; None leaves one out
        self.user_info: dict[str, Any] | None = None
        self.denies = False
        self.signs_with: Any = None  # another key than the published one
        self.codes: dict[str, dict[str, str]] = {}
        self.refused: list[str] = []  # why the token endpoint refused
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.hits.append(self.path)
                address = urlsplit(self.path)
                if address.path == "/authorize" and not issuer.broken:
                    self.send_response(302)
                    self.send_header("Location", issuer.authorize(dict(parse_qsl(address.query))))
                    self.end_headers()
                    return
                body = issuer.document(self.path)
                self.send_response(200 if body is not None else 503)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode() if body is not None else b"<html>")

            def do_POST(self) -> None:
                issuer.hits.append(self.path)
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                status, body = issuer.exchange(form, self.headers.get("Authorization", ""))
                self.send_response(503 if issuer.broken else status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.add_key("first")
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def document(self, path: str) -> dict[str, Any] | None:
        if self.broken:
            return None
        if path == "/keys":
            return {
                "keys": [
                    public_jwk(key, algorithm) | {"kid": kid, "use": "sig"}
                    for kid, (algorithm, key) in self.keys.items()
                ]
            }
        if path == "/user-info":
            return self.user_info
        told = {
            "issuer": self.claimed_issuer or self.url, "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
            "end_session_endpoint": f"{self.url}/end?hint=1",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }  # fmt: skip
        return told | ({"userinfo_endpoint": f"{self.url}/user-info"} if self.user_info else {})

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes after somebody has signed in, or has not."""
        back = {"state": asked.get("state", "")}
        if self.denies:
            back |= {"error": "access_denied", "error_description": "<b>call 0800-evil</b>"}
        else:
            back["code"] = secrets.token_urlsafe()
            self.codes[back["code"]] = asked
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Tokens for a code, if the client is who it says, and the one that began."""
        asked = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        checks = {
            "client": authorization == f"Basic {credentials}",
            "code": bool(asked),
            "pkce": asked.get("code_challenge") == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            and asked.get("code_challenge_method") == "S256",
            "redirect_uri": form.get("redirect_uri") == asked.get("redirect_uri"),
        }
        self.refused += [name for name, passed in checks.items() if not passed]
        if not all(checks.values()):
            return 400, {"error": "invalid_grant"}
        claims = {"aud": CLIENT_ID, "nonce": asked.get("nonce")} | self.person
        token = self.token(next(iter(self.keys)), key=self.signs_with, **claims)
        return 200, {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_key(self, kid: str, algorithm: str = "RS256") -> None:
        self.keys[kid] = (algorithm, new_key(algorithm))

    def public_pem(self, kid: str = "first") -> bytes:
        key: Any = self.keys[kid][1]
        pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def token(self, kid: str = "first", *, key: Any = None, **claims: Any) -> str:
        """A token of an admin of `org_1`; a claim of None is left out."""
        algorithm, own = self.keys[kid]
        now = int(time.time())
        every = {
            "iss": self.url, "sub": "user_1", "aud": AUDIENCE, "iat": now, "nbf": now - 1, "exp": now + 60,
            "org_id": "org_1", "org_role": "org:admin",
        } | claims  # fmt: skip
        given = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(given, key or own, algorithm=algorithm, headers={"kid": kid})
