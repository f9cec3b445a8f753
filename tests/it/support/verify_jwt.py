"""Verifies tokens by a JWK set alone, with PyJWT.

Reads {"jwks", "issuer", "audience", "algorithm", "tokens"} from stdin and prints the claims of every token; fails if one does not verify,
or if one that was tampered with, or is meant for somebody else, does.
"""

import json
import sys

import jwt

question = json.load(sys.stdin)
keys = jwt.PyJWKSet.from_dict(question["jwks"])


def verify(token, audience=question["audience"]):
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt", header
    assert header["alg"] == question["algorithm"], header
    return jwt.decode(
        token,
        key=keys[header["kid"]],
        algorithms=[question["algorithm"]],
        issuer=question["issuer"],
        audience=audience,
        options={"require": ["iss", "aud", "exp", "nbf", "iat", "sub", "jti"]},
    )


def refused(*arguments):
    try:
        verify(*arguments)
    except jwt.InvalidTokenError:
        return True
    return False


claims = [verify(token) for token in question["tokens"]]
for token in question["tokens"]:
    head, payload, signature = token.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    assert refused(".".join([head, payload, signature[:middle] + other + signature[middle + 1 :]]))
    assert refused(token, "somebody-else")
json.dump(claims, sys.stdout)
