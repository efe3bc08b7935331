"""JSON Web Tokens (RFC 7519) as a backend signs them, good ones and bad ones, with nothing but the standard library.

    tokens.py SECRET '{"sub": "42", "exp": "+60"}'      prints one, signed with HS256
"""

import base64
import hashlib
import hmac
import json
import sys
import time

SECRET = "not-a-secret"

# Made for these tests; strict.toml has the public half.
RSA_MODULUS = int(
    "aa2dcff1cb6ca45f7386848f3cecc3bfd758d3d50169f71d549d43d5a1c5ab72b7419141c3ec96661d9c3327d335cc68"
    "81646d168d5965ed8ae2de70cb45bd3804f078aa53cd35061ad74c1bfac10269858494e8c08ffbe8df8d91b3ecb78279"
    "6caefbf5c12b36778c674b1d5595c9b111b66131f4fc7788211986ae3badef12f439bee25f8a0cc11dad236183286ee1"
    "9a36956596c3ffaa42eaf6e24cea04db731216bc6523c51f859867b9b377cced9a96d3934854398394184eafbba99548"
    "cb85f43e2434614a1aa08f86b3e71aa84d1c6c9c3b24bda6ebda0fadaff61656e91f636181fbd6e0ad87ba378b5ce096"
    "5c7696a68b7d6a28bd1b3a7861dc4b89", 16)
RSA_EXPONENT = int(
    "1933bea35ece608b5836f823a450a5ee9fac2276dd863d57e523831bbca0e2f292ac0da0712cf4dafb9099ccd08d1b8f"
    "f07598682a17aeae1e8ed98557bd24b80a97382f7548a30d1be57d7a7948a31c506f2184549c1e20cf168e98d83a1702"
    "f772f49261008ec8e68c9785a91a8d2b816582805cf914949ede4261442a4e88c06531d88af51b7e9ecd5c0fa727b9dc"
    "7c6baa00cb30478cc50e38fd2ba1d4eb8780cafb4d5f61c8b522de3dc8b1564887a4883421b0c39ba3b91f6cf67992f7"
    "d0f4c31acacbb96f3d18fb2de146bb1f28f9c7c58df432626fe7a24c5db08f6e600791772a850676b6903997a707ea18"
    "d4effb1fbf1b5d14c58add850a3949bf", 16)

# What RFC 8017 section 9.2 puts before a SHA-256 digest.
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")

HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


def encode(data):
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def dated(claims):
    """Times that are written as "+60" or "-60" become seconds from now on."""
    now = int(time.time())
    return {
        name: now + int(value) if isinstance(value, str) and value[:1] in "+-" and name != "sub" else value
        for name, value in claims.items()
    }


def rsa_signature(signed):
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2.1)."""
    size = (RSA_MODULUS.bit_length() + 7) // 8
    tail = SHA256_PREFIX + hashlib.sha256(signed).digest()
    padded = b"\0\1" + b"\xff" * (size - len(tail) - 3) + b"\0" + tail
    return pow(int.from_bytes(padded), RSA_EXPONENT, RSA_MODULUS).to_bytes(size)


def token(claims, algorithm="HS256", secret=SECRET):
    """A token of that algorithm: HS256, HS384, HS512, RS256 or none; claims that are bytes are signed as they are."""
    body = claims if isinstance(claims, bytes) else json.dumps(dated(claims)).encode()
    signed = encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()) + b"." + encode(body)
    if algorithm == "none":
        signature = b""
    elif algorithm == "RS256":
        signature = rsa_signature(signed)
    else:
        signature = hmac.new(secret.encode(), signed, HASHES[algorithm[2:]]).digest()
    return (signed + b"." + encode(signature)).decode()


if __name__ == "__main__":
    print(token(json.loads(sys.argv[2]), secret=sys.argv[1]))
