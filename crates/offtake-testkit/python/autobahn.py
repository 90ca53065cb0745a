"""Autobahn's cases against a WebSocket server that echoes: autobahn.py HOST:PORT EXCLUDED,EXCLUDED,…

Prints a JSON array: case, verdict, verdict on the closing handshake, code of the peer's close frame, words."""

import asyncio
import json
import os
import sys

from kosoku import FailureError, run_fuzzingclient


async def main(address, excluded):
    try:
        results = await run_fuzzingclient(address, None, excluded, concurrency=4)
    except FailureError as failure:
        results = failure.results
    told = [
        [result.case_id, result.behavior.value, result.behavior_close.value, result.remote_close_code, result.result]
        for result in results
    ]
    print(json.dumps(told), flush=True)
    # Threads of the runner may still hold the interpreter, which its end does not always survive.
    os._exit(0)


asyncio.run(main(sys.argv[1], [case for case in sys.argv[2].split(",") if case]))
