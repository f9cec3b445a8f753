"""Manages a server, as it is shipped, by a client that a generator makes from its description, and by nothing else.

    python3 tests/api/generated.py --claviger target/dist/claviger

A root admin makes a role, a space and a key, and binds; the key then passes through the proxy with that role, by a token that PyJWT verifies.
The exit code is 1 if anything is not so.
"""

import argparse
import importlib
import json
import pathlib
import pkgutil
import subprocess
import sys
import urllib.request

sys.dont_write_bytecode = True

import jwt

import served


def generated(server):
    """The client's package, with every module of it loaded. What the generator warns of is a fault."""
    folder = pathlib.Path(server.folder.name)
    (folder / "openapi.json").write_bytes(urllib.request.urlopen(f"{server.admin}/openapi.json").read())
    # The code is run, not read: it need not be formatted.
    (folder / "generator.yaml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--config", "generator.yaml"]
    command += ["--meta", "none", "--output-path", "claviger_client", "--fail-on-warning"]
    subprocess.run(command, cwd=folder, check=True)
    sys.path.insert(0, str(folder))
    package = importlib.import_module("claviger_client")
    names = [module.name for module in pkgutil.walk_packages(package.__path__, "claviger_client.")]
    for name in names:
        importlib.import_module(name)
    print(f"{len(names)} modules generated")
    return package


def managed(server, package):
    """A key that was made and bound, as the generated client has it."""
    root = server.key("root", "space-admin@root")["key"]
    client = package.AuthenticatedClient(base_url=f"{server.admin}/api/v1", token=root, raise_on_unexpected_status=True)
    api, models = package.api, package.models

    def done(operation, **arguments):
        answer = operation.sync(client=client, **arguments)
        assert not isinstance(answer, models.Problem), answer
        return answer

    done(api.roles.roles_create, body=models.CreateRole(id="deployer", actions=["run:trigger"]))
    done(api.spaces.spaces_create, body=models.CreateSpace(id="production"))
    key = done(api.keys.keys_create, body=models.CreateKey(name="ci"))
    subject = models.SubjectBodyType0(key=key.id)
    binding = done(api.bindings.bindings_create, body=models.CreateBinding(subject=subject, role="deployer", space="production"))
    assert done(api.bindings.bindings_show, id=binding.id).role == "deployer"
    # A refusal is told by its own type.
    again = api.keys.keys_create.sync(client=client, body=models.CreateKey(name="ci"))
    assert isinstance(again, models.Problem) and again.status == 409, again
    return key.key


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--claviger", required=True)
    with served.Server(arguments.parse_args().claviger) as server:
        key = managed(server, generated(server))
        request = urllib.request.Request(server.proxy, headers={"Authorization": f"Bearer {key}"})
        headers = json.load(urllib.request.urlopen(request))
        token = headers["authorization"].removeprefix("Bearer ")
        signing = jwt.PyJWKClient(f"{server.ops}/.well-known/jwks.json").get_signing_key_from_jwt(token)
        claims = jwt.decode(token, signing.key, algorithms=[signing.algorithm_name], options={"verify_aud": False})
    assert claims["roles"] == {"production": ["deployer"]}, claims
    print(f"{claims['name'] if 'name' in claims else claims['sub']} passes with {claims['roles']}")


main()
