"""A lean sender: send.py FILE HOST:PORT TOKEN CONNECTIONS

Posts every record of a length-prefixed protobuf file to /v1/traces over some connections, as fast as they are answered.
Prints what was answered with 200, as JSON.
"""
import json
import socket
import struct
import sys
import threading
import time


def records(path):
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4:at + 4 + length]
        at += 4 + length


def spans_in(body):
    """Counts the spans of a request: resource_spans (1) > scope_spans (2) > spans (2)."""
    def fields(buffer, start, end, wanted):
        while start < end:
            key, start = varint(buffer, start)
            kind = key & 7
            if kind == 2:
                length, start = varint(buffer, start)
                if key >> 3 == wanted:
                    yield start, start + length
                start += length
            elif kind == 0:
                _, start = varint(buffer, start)
            else:
                start += 8 if kind == 1 else 4

    def varint(buffer, at):
        value = shift = 0
        while True:
            byte = buffer[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
            shift += 7

    return sum(1 for a, b in fields(body, 0, len(body), 1) for c, d in fields(body, a, b, 2) for _ in fields(body, c, d, 2))


def answer(connection, buffer):
    """The status of one answer; the rest of the buffer."""
    while b"\r\n\r\n" not in buffer:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("closed")
        buffer += more
    head, rest = buffer.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(rest) < length:
        rest += connection.recv(65536)
    return int(head[9:12]), rest[length:]


def main():
    path, address, token, connections = sys.argv[1:5]
    host, port = address.rsplit(":", 1)
    bodies = [(body, spans_in(body)) for body in records(path)]
    head = f"POST /v1/traces HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/x-protobuf\r\ncontent-length: "
    lock, left, stored, refused = threading.Lock(), list(reversed(bodies)), [0], []

    def work():
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        while True:
            with lock:
                if not left:
                    return
                body, spans = left.pop()
            connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
            status, buffer = answer(connection, buffer)
            with lock:
                if status == 200:
                    stored[0] += spans
                else:
                    refused.append(status)

    threads = [threading.Thread(target=work) for _ in range(int(connections))]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if refused:
        sys.exit(f"{len(refused)} requests were refused: {sorted(set(refused))}")
    print(json.dumps({"spans": stored[0], "requests": len(bodies), "seconds": seconds}))


main()
