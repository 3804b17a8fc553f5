"""An OPC UA client by open62541: ``python client.py OPTIONS``, a JSON object.

Reads `nodes` once by each of `policies`, signed and encrypted, and prints a line of JSON for each.
"""

import json
import sys

import o6

POLICY = "http://opcfoundation.org/UA/SecurityPolicy#"
SIGN_AND_ENCRYPT = 3


def main(options):
    for policy in options["policies"]:
        client = o6.Client(
            options["url"],
            certificate=options["certificate"],
            privateKey=options["key"],
            trustList=[options["server"]],
            securityPolicy=POLICY + policy,
            securityMode=SIGN_AND_ENCRYPT,
            applicationUri=options["uri"],
        )
        with client:
            print(json.dumps([policy, *(client.read(node) for node in options["nodes"])]), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
