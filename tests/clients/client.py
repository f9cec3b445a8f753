"""requests or httpx against a server: `client.py requests|httpx 1|2 URL KEY CA DIRECT`. What is wrong ends it.

Whoever listens at URL counts connections; at DIRECT a request is refused in the middle of its body."""

import hashlib
import sys

PATTERN = bytes(range(256)) * 4096
TIMES = 16
LENGTH = TIMES * len(PATTERN)
DIGEST = hashlib.sha256(PATTERN * TIMES).hexdigest()


def try_all(get, post, key, url, direct):
    def allowed(answer):
        assert answer.status_code == 200, (answer.status_code, answer.content[:200])
        return answer

    good, bad = {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}"}
    for _ in range(3):
        assert allowed(get(url + "/who", good)).json()["claims"]["name"] == "client"
    assert allowed(post(url + "/sum", good, PATTERN * TIMES)).json() == {"length": LENGTH, "sha256": DIGEST}
    assert allowed(post(url + "/sum", good, (PATTERN for _ in range(TIMES)))).json() == {"length": LENGTH, "sha256": DIGEST}
    assert len(allowed(get(f"{url}/zeros?{LENGTH}", good)).content) == LENGTH
    refused = post(direct + "/sum", bad, PATTERN * TIMES)
    assert refused is None or (refused.status_code == 401 and refused.json()["code"] == "invalid_key"), (refused.status_code, refused.content)
    allowed(get(direct + "/who", good))


def main():
    library, version, url, key, ca, direct = sys.argv[1:]
    if library == "requests":
        import requests

        with requests.Session() as session:
            # Variables would take precedence.
            session.trust_env, session.verify = False, ca
            try_all(
                lambda url, headers: session.get(url, headers=headers), lambda url, headers, body: session.post(url, data=body, headers=headers), key, url, direct
            )
    else:
        import ssl

        import httpx

        versions = []
        context = ssl.create_default_context(cafile=ca)
        with httpx.Client(http1=version == "1", http2=version == "2", verify=context, timeout=60) as client:

            def told(answer):
                versions.append(answer.http_version)
                return answer

            def post(url, headers, body):
                try:
                    return told(client.post(url, content=body, headers=headers))
                except httpx.LocalProtocolError:
                    # It goes on sending when the stream has been answered and reset (RFC 9113, section 8.1), and then does not look at the answer.
                    assert version == "2" and url.startswith(direct)

            try_all(lambda url, headers: told(client.get(url, headers=headers)), post, key, url, direct)
        assert set(versions) == {{"1": "HTTP/1.1", "2": "HTTP/2"}[version]}, versions


main()
