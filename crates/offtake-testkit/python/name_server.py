"""A name server whose names change their meaning: the labels of a name say what it leads to, each time the next one.

    a-127-0-0-2.a-127-0-0-1.rebind.example    the first time 127.0.0.2, from then on 127.0.0.1

Prints its port.
"""

import re
from collections import Counter

from dnslib import A, QTYPE, RR
from dnslib.server import BaseResolver, DNSServer


class Rebinding(BaseResolver):
    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()

    def resolve(self, request, handler):
        reply = request.reply()
        name, kind = str(request.q.qname), QTYPE[request.q.qtype]
        answers = re.findall(r"(?:^|\.)a-(\d+)-(\d+)-(\d+)-(\d+)", name) if kind == "A" else []
        if answers:
            turn = min(self.asked[name, kind], len(answers) - 1)
            self.asked[name, kind] += 1
            reply.add_answer(RR(request.q.qname, QTYPE.A, ttl=0, rdata=A(".".join(answers[turn]))))
        return reply


if __name__ == "__main__":
    server = DNSServer(Rebinding(), port=0, address="127.0.0.1")
    print(server.server.server_address[1], flush=True)
    server.start()
