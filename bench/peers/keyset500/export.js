// The way many products export: pages of 500 rows by keyset, for each page one more query for the completions that belong
// to its rows, every row through a CSV stringifier, into a file. Run as: node export.js URL ORGANIZATION csv|csvgz OUT
//
// Rows are written without waiting for the stream to drain, as is usual: a pause would only make it slower.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import pg from 'pg';
import { stringify } from 'csv-stringify';

const PAGE = 500;
const COLUMNS = ['span_id', 'trace_id', 'parent_span_id', 'org_id', 'project_id', 'document_uuid', 'commit_uuid', 'experiment_uuid',
  'test_deployment_id', 'type', 'name', 'provider', 'model', 'environment', 'user_id', 'status_code', 'started_at', 'duration_ms',
  'prompt_tokens', 'completion_tokens', 'cost_usd', 'input', 'output', 'attributes'];

const [url, organization, form, out] = process.argv.slice(2);

// One row more than a page says whether another page follows. The cursor is text, so that it keeps its microseconds.
async function readPage(client, after) {
  const values = after ? [organization, PAGE + 1, after.at, after.id] : [organization, PAGE + 1];
  const beyond = after ? 'AND (started_at, span_id) > ($3::timestamptz, $4)' : '';
  const { rows } = await client.query(
    `SELECT *, started_at::text AS cursor_at FROM spans WHERE org_id = $1 ${beyond} ORDER BY started_at, span_id LIMIT $2`, values);
  const page = rows.slice(0, PAGE);
  const last = page.at(-1);
  return { page, next: rows.length > PAGE ? { at: last.cursor_at, id: last.span_id } : null };
}

async function addCompletions(client, page) {
  const { rows } = await client.query(
    `SELECT trace_id, parent_span_id, span_id, output, attributes FROM spans
     WHERE trace_id = ANY($1) AND parent_span_id = ANY($2) AND type = 'completion'`,
    [page.map((span) => span.trace_id), page.map((span) => span.span_id)]);
  const children = new Map(rows.map((child) => [`${child.trace_id}/${child.parent_span_id}`, child]));
  for (const span of page) span.completion = children.get(`${span.trace_id}/${span.span_id}`);
}

const client = new pg.Client({ connectionString: url });
await client.connect();
const text = stringify({ header: true, columns: COLUMNS, cast: { date: (date) => date.toISOString() } });
const written = pipeline([text, ...(form === 'csvgz' ? [createGzip({ level: 6 })] : []), createWriteStream(out)]);
let after = null;
do {
  const { page, next } = await readPage(client, after);
  await addCompletions(client, page);
  for (const span of page) text.write(span);
  after = next;
} while (after);
text.end();
await written;
await client.end();
