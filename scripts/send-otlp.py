"""Sends OTLP requests, as they lie in files, to /v1/traces: NAME.otlp.pb (each after its length in four bytes).

Usage: send-otlp.py URL TOKEN FILE… Standard library only. Prints how many requests were sent."""

import sys
import urllib.request


def requests(path):
    with open(path, "rb") as file:
        while length := file.read(4):
            yield file.read(int.from_bytes(length, "big"))


def main():
    url, token, *files = sys.argv[1:]
    sent = 0
    for path in files:
        for body in requests(path):
            request = urllib.request.Request(url, data=body, method="POST")
            request.add_header("content-type", "application/x-protobuf")
            request.add_header("authorization", f"Bearer {token}")
            with urllib.request.urlopen(request, timeout=30) as answer:
                # An empty answer says that every span was taken.
                if answer.read():
                    sys.exit(f"{path}: the server refused spans of request {sent + 1}")
            sent += 1
    print(sent)


if __name__ == "__main__":
    main()
