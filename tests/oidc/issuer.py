"""An identity provider on localhost: a discovery document, keys that can be rotated, and a switch to turn it off."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "levered"


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
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.hits.append(self.path)
                body = issuer.document(self.path)
                self.send_response(200 if body is not None else 503)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode() if body is not None else b"<html>")

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
        return {"issuer": self.claimed_issuer or self.url, "jwks_uri": f"{self.url}/keys"}

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
