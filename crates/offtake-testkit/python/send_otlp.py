"""Sends spans with OpenTelemetry's own exporters for Python: send_otlp.py URL TOKEN none|gzip [http|grpc]

Prints the spans it made, one JSON object a line, so that the test knows what must have arrived.
"""
import json
import sys

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode


class Watched(SpanExporter):
    """Passes on, and remembers what came of it."""

    def __init__(self, inner):
        self.inner = inner
        self.failures = []

    def export(self, spans):
        result = self.inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.failures.append(str(result))
        return result

    def shutdown(self):
        self.inner.shutdown()

    def force_flush(self, timeout_millis=30000):
        return True


def exporter_of(protocol, url, token, gzip):
    headers = {"authorization": f"Bearer {token}"}
    if protocol == "grpc":
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        return GrpcExporter(endpoint=url, headers=headers, compression=compression)
    compression = Compression.Gzip if gzip else Compression.NoCompression
    return HttpExporter(endpoint=f"{url}/v1/traces", headers=headers, compression=compression)


def main():
    url, token, compression, *rest = sys.argv[1:]
    service = f"python-{compression}"
    exporter = Watched(exporter_of(rest[0] if rest else "http", url, token, compression == "gzip"))
    provider = TracerProvider(resource=Resource.create({"service.name": service, "deployment.environment.name": "staging"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "1")
    for at in range(30):
        made = []
        with tracer.start_as_current_span(f"invoke_agent {at}", kind=SpanKind.INTERNAL) as root:
            with tracer.start_as_current_span(f"chat {at}", kind=SpanKind.CLIENT, attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.usage.input_tokens": 100 + at,
                "gen_ai.usage.output_tokens": 10 + at,
                "user.id": f"user-{at % 3}",
                "tests.list": ["a", "🙂", "line\nbreak"],
                "tests.double": 0.1 + at,
                "tests.flag": True,
            }) as call:
                call.add_event("first token", {"tests.at": at})
                if at % 5 == 0:
                    call.set_status(Status(StatusCode.ERROR, f'failed "{at}"'))
                made.append(call)
            made.append(root)
        for span in made:
            context = span.get_span_context()
            print(json.dumps({
                "trace_id": f"{context.trace_id:032x}",
                "span_id": f"{context.span_id:016x}",
                "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
                "name": span.name,
                "service": service,
                "started_at": str(span.start_time // 1000),
                "ended_at": str(span.end_time // 1000),
                "status_code": "ERROR" if span.status.status_code is StatusCode.ERROR else "UNSET",
                "prompt_tokens": span.attributes.get("gen_ai.usage.input_tokens"),
            }))
    provider.force_flush()
    provider.shutdown()
    if exporter.failures:
        sys.exit("; ".join(exporter.failures))


main()
