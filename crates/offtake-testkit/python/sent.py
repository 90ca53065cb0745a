"""What must be in the store after the genuine spans were sent, computed from their OTLP/JSON and nothing else: sent.py FILE…

Prints canonical rows of COLUMNS, sorted by the key.
"""
import json
import sys

import canon

COLUMNS = ("trace_id", "span_id", "parent_span_id", "name", "service", "environment", "status_code", "status_message", "started_at", "ended_at")


def spans(paths):
    for path in paths:
        for line in open(path, encoding="utf-8"):
            for resource in json.loads(line)["resourceSpans"]:
                attributes = {a["key"]: a["value"].get("stringValue") for a in resource["resource"]["attributes"]}
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        yield attributes, span


def main():
    rows = []
    for attributes, span in spans(sys.argv[1:]):
        status = span.get("status", {})
        rows.append([
            span["traceId"], span["spanId"], span.get("parentSpanId") or None, span["name"],
            attributes.get("service.name"), attributes.get("deployment.environment.name"),
            {0: "UNSET", 1: "OK", 2: "ERROR"}[status.get("code", 0)], status.get("message") or None,
            str(int(span["startTimeUnixNano"]) // 1000), str(int(span["endTimeUnixNano"]) // 1000),
        ])
    rows.sort(key=lambda row: (int(row[8]), row[0], row[1]))
    canon.emit(rows)


main()
