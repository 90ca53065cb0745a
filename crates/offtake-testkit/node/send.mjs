// Sends spans with OpenTelemetry's own exporters: send.mjs URL TOKEN proto|json|grpc|grpc-gzip
// Prints the spans it made, one JSON object a line, so that the test knows what must have arrived.
import { Metadata } from '@grpc/grpc-js';
import { SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [url, token, encoding] = process.argv.slice(2);
const failures = [];

function exporterOf(protocol) {
  const authorization = `Bearer ${token}`;
  if (protocol.startsWith('grpc')) {
    const metadata = new Metadata();
    metadata.set('authorization', authorization);
    return new GrpcExporter({ url, metadata, compression: protocol === 'grpc-gzip' ? 'gzip' : 'none' });
  }
  const Exporter = protocol === 'proto' ? ProtobufExporter : JsonExporter;
  return new Exporter({ url: `${url}/v1/traces`, headers: { authorization } });
}

const exporter = exporterOf(encoding);
const processor = new BatchSpanProcessor({
  export: (spans, done) => exporter.export(spans, (result) => {
    if (result.code !== 0) failures.push(String(result.error));
    done(result);
  }),
  shutdown: () => exporter.shutdown(),
});
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': `node-${encoding}`, 'deployment.environment.name': 'staging' }),
  spanProcessors: [processor],
});
const tracer = provider.getTracer('tests', '1');

for (let at = 0; at < 30; at += 1) {
  const root = tracer.startSpan(`invoke_agent ${at}`, { kind: SpanKind.INTERNAL });
  const inside = trace.setSpan(context.active(), root);
  const call = tracer.startSpan(`chat ${at}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
      'gen_ai.usage.input_tokens': 100 + at,
      'gen_ai.usage.output_tokens': 10 + at,
      'user.id': `user-${at % 3}`,
      'tests.list': ['a', '🙂', 'line\nbreak'],
      'tests.double': 0.1 + at,
      'tests.flag': true,
    },
  }, inside);
  call.addEvent('first token', { 'tests.at': at });
  if (at % 5 === 0) call.setStatus({ code: SpanStatusCode.ERROR, message: `failed "${at}"` });
  call.end();
  root.end();
  for (const span of [root, call]) {
    const micros = (time) => String(BigInt(time[0]) * 1000000n + BigInt(Math.floor(time[1] / 1000)));
    console.log(JSON.stringify({
      trace_id: span.spanContext().traceId,
      span_id: span.spanContext().spanId,
      parent_span_id: span.parentSpanContext?.spanId ?? null,
      name: span.name,
      service: `node-${encoding}`,
      started_at: micros(span.startTime),
      ended_at: micros(span.endTime),
      status_code: span.status.code === SpanStatusCode.ERROR ? 'ERROR' : 'UNSET',
      prompt_tokens: span.attributes['gen_ai.usage.input_tokens'] ?? null,
    }));
  }
}
await provider.forceFlush();
await provider.shutdown();
if (failures.length > 0) {
  console.error(failures.join('\n'));
  process.exit(1);
}
