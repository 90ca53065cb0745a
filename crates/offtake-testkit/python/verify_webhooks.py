"""What the published library of Standard Webhooks says of each message of a JSON list: "ok", or why not."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def verdict(message: dict) -> str:
    try:
        told = Webhook(message["secret"]).verify(message["body"], message["headers"])
    except WebhookVerificationError as error:
        return str(error)
    return "ok" if told == json.loads(message["body"]) else "another body"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        messages = json.load(file)
    json.dump([verdict(message) for message in messages], sys.stdout)
