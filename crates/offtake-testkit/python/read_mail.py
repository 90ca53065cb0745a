"""Reads mails as Python's email library understands them.

usage: read_mail.py FILE…
Prints a JSON list: of each mail its headers (decoded, as a list of pairs), what the library found wrong, the types of its
parts, and the text of both.
"""

import email
import email.policy
import json
import pathlib
import sys


def read(path):
    mail = email.message_from_bytes(pathlib.Path(path).read_bytes(), policy=email.policy.default)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    return {
        "headers": [[name, str(value)] for name, value in mail.items()],
        "defects": [repr(defect) for part in mail.walk() for defect in part.defects],
        "type": mail.get_content_type(),
        "parts": [part.get_content_type() for part in parts],
        "text": mail.get_body(("plain",)).get_content(),
        "html": mail.get_body(("html",)).get_content(),
        "to": [address.addr_spec for address in mail["to"].addresses],
    }


print(json.dumps([read(path) for path in sys.argv[1:]]))
