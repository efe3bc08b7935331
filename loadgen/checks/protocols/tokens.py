"""Prints tokens for Centrifugo, one for each of so many users, as --vars takes them.

    tokens.py SECRET USERS
"""

import base64
import hashlib
import hmac
import json
import sys
import time


def encode(data):
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(secret, user):
    """A token of an hour (RFC 7519)."""
    parts = {"alg": "HS256", "typ": "JWT"}, {"sub": user, "exp": int(time.time()) + 3600}
    signed = b".".join(encode(json.dumps(part).encode()) for part in parts)
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + encode(signature)).decode()


def main():
    secret, users = sys.argv[1:]
    print("token")
    for user in range(int(users)):
        print(token(secret, f"user-{user}"))


main()
