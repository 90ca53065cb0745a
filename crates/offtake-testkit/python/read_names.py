"""The file name of each Content-Disposition header of a JSON list: RFC 6266 by the standard library's means."""

import json
import sys
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote


def name_of(header: str) -> str:
    message = Message()
    message["Content-Disposition"] = header
    # As it stands in the header, and as RFC 8187 has it; the standard library would prefer the plain one.
    parameters = {}
    for key, value in message.get_params(header="content-disposition", unquote=True):
        # An extended one comes as (charset, language, bytes as text).
        parameters[f"{key}*" if isinstance(value, tuple) else key] = value
    extended = parameters.get("filename*")
    if extended is None:
        return parameters["filename"]
    if isinstance(extended, tuple):
        return collapse_rfc2231_value(extended)
    charset, _language, text = extended.split("'", 2)
    return unquote(text, encoding=charset, errors="strict")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        headers = json.load(file)
    json.dump([name_of(header) for header in headers], sys.stdout)
