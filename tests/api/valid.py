"""Has an independent validator look at the description of the admin API, as a binary that is shipped serves it.

    python3 tests/api/valid.py --claviger target/dist/claviger

It must be OpenAPI 3.1. The exit code is 1 if anything is wrong.
"""

import argparse
import json
import sys
import urllib.request

sys.dont_write_bytecode = True

import openapi_spec_validator

import served


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--claviger", required=True)
    with served.Server(arguments.parse_args().claviger) as server:
        description = json.load(urllib.request.urlopen(f"{server.admin}/openapi.json"))
    validator = openapi_spec_validator.OpenAPIV31SpecValidator(description)
    faults = [f"{'/'.join(map(str, fault.absolute_path))}: {fault.message}" for fault in validator.iter_errors()]
    print("\n".join(faults) if faults else f"OpenAPI {description['openapi']}, {len(description['paths'])} paths: valid")
    sys.exit(1 if faults else 0)


main()
