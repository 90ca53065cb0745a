/**
 * The calls of the API, typed by its OpenAPI document. Not responsible for when they are made.
 */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Row = Record<string, unknown>;
export type Dataset = Schemas["DatasetResponse"];
export type Column = Schemas["ColumnView"];
export type Filter = Schemas["FilterView"];
export type Job = Schemas["JobResponse"];
export type JobPage = Schemas["JobListResponse"];
export type Count = Schemas["CountResponse"];
export type FacetCounts = Schemas["FacetsResponse"];
export type Facet = Schemas["FacetView"];
export type Preview = Schemas["PreviewResponse"] & { readonly rows: readonly Row[] };
export type Session = Schemas["SessionResponse"];
export type Timings = Schemas["PerfResponse"];
export type OneTimeToken = Schemas["OneTimeTokenResponse"];
/** One that was handed out, without its text. */
export type KeptToken = Schemas["TokenView"];
export type Page = { rows: Row[]; next_cursor: string | null; as_of: string };
/** As `offtake verify` reads it. */
export type Receipt = {
  readonly job_id: string;
  readonly dataset: string;
  readonly spec: Readonly<Record<string, unknown>>;
  /** `cutoff` or `snapshot`. */
  readonly mode: string;
  readonly as_of: string;
  readonly rows_matching: number;
  readonly rows_expected: number;
  readonly rows_written: number;
  readonly limited: boolean;
  readonly truncated_cells: readonly { readonly row: number; readonly column: string; readonly sheet: string; readonly cell: string; readonly length: number }[];
  readonly truncated_cells_count: number;
  readonly guarded_cells: number;
  readonly masked: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly sha256: string;
  readonly format: string;
  readonly compression: string;
  readonly media_type: string;
  readonly file_name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly attempts: number;
  readonly started_at: string;
  readonly finished_at: string;
  readonly offtake_version: string;
};
/** What an organization asks for again and again. */
export type Preset = Pick<Schemas["PresetResponse"], "name" | "dataset" | "created_by" | "created_at" | "updated_at"> & {
  readonly fields?: readonly (string | { readonly name: string; readonly as: string })[];
  readonly format?: string;
  readonly compression?: string;
  readonly dialect?: string;
  readonly delimiter?: string;
  readonly formats?: { readonly locale?: string; readonly time_zone?: string };
  readonly filters?: Readonly<Record<string, unknown>>;
};
/** An export that was taken; of few rows it is done already, and there is a link that needs nothing else. */
export type Created = { readonly job_id: string; readonly status: string; readonly link?: string | null };

/** What the API answers to what went wrong (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly errors: readonly { readonly pointer: string; readonly detail: string }[],
    readonly requestId: string | null,
    /** Seconds after which it may go better. */
    readonly retryAfter: number | null,
  ) {
    super(detail || title);
    this.name = "Problem";
  }

  /** Whether one must sign in first. */
  get isStranger(): boolean {
    return this.status === 401;
  }

  /** Whether nobody answered. */
  get isOffline(): boolean {
    return this.status === 0;
  }
}

export type ClientOptions = {
  /** Where the API is; the page's own origin by default. */
  readonly base?: string;
  /** A bearer token for each call; without, the session's cookie is sent. */
  readonly token?: () => Promise<string> | string;
};

/** An answer, and which version of the thing it is (`ETag`), to be handed back as `If-Match`. */
export type Answer<T> = { readonly body: T; readonly version: string | null };

export type Call = { method?: string; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal | undefined };

export class Client {
  readonly #base: string;
  readonly #token: ClientOptions["token"];

  constructor(options: ClientOptions = {}) {
    this.#base = options.base?.replace(/\/$/, "") ?? "";
    this.#token = options.token;
  }

  session = (): Promise<Session> => this.#json("session");
  signOut = (): Promise<void> => this.#json("session", { method: "DELETE" });

  datasets = async (): Promise<Dataset[]> => (await this.#json<{ datasets: Dataset[] }>("datasets")).datasets;

  rows = (dataset: string, body: unknown, signal?: AbortSignal): Promise<Page> =>
    this.#json(`datasets/${encodeURIComponent(dataset)}/rows`, { method: "POST", body, signal });

  count = (dataset: string, body: unknown, signal?: AbortSignal): Promise<Count> =>
    this.#json(`datasets/${encodeURIComponent(dataset)}/count`, { method: "POST", body, signal });

  facets = (dataset: string, body: unknown, signal?: AbortSignal): Promise<FacetCounts> =>
    this.#json(`datasets/${encodeURIComponent(dataset)}/facets`, { method: "POST", body, signal });

  preview = (dataset: string, body: unknown, signal?: AbortSignal): Promise<Preview> =>
    this.#json(`export/${encodeURIComponent(dataset)}/preview`, { method: "POST", body, signal });

  /** Asks for an export. The key makes it safe to ask again after an answer that got lost. */
  create = (dataset: string, body: unknown, key: string): Promise<Created> =>
    this.#json(`export/${encodeURIComponent(dataset)}`, { method: "POST", body, headers: { "idempotency-key": key } });

  presets = async (): Promise<Preset[]> => (await this.#json<{ presets: Preset[] }>("presets")).presets;
  preset = (name: string): Promise<Answer<Preset>> => this.call(`presets/${encodeURIComponent(name)}`);
  savePreset = (body: unknown): Promise<Answer<Preset>> => this.call("presets", { method: "POST", body });
  /** Changes a preset, if it still is of this version. */
  changePreset = (name: string, body: unknown, version: string | null): Promise<Answer<Preset>> =>
    this.call(`presets/${encodeURIComponent(name)}`, { method: "PATCH", body, headers: version ? { "if-match": version } : {} });
  deletePreset = (name: string, version: string | null): Promise<void> =>
    this.#json(`presets/${encodeURIComponent(name)}`, { method: "DELETE", headers: version ? { "if-match": version } : {} });

  job = (id: string): Promise<Job> => this.#json(`export/jobs/${encodeURIComponent(id)}`);
  jobs = (query: Record<string, string>, signal?: AbortSignal): Promise<JobPage> =>
    this.#json(`export/jobs?${new URLSearchParams(query)}`, { signal });
  cancel = (id: string): Promise<void> => this.#json(`export/jobs/${id}`, { method: "DELETE" });
  retry = (id: string): Promise<unknown> => this.#json(`export/jobs/${id}/retry`, { method: "POST" });
  deleteFile = (id: string): Promise<void> => this.#json(`export/jobs/${id}/file`, { method: "DELETE" });
  receipt = (id: string): Promise<Receipt> => this.#json(`export/jobs/${id}/receipt`);
  /** A link that works once, for so many seconds, or as long as is usual. */
  oneTimeToken = (id: string, seconds?: number): Promise<OneTimeToken> =>
    this.#json(`export/jobs/${id}/token`, { method: "POST", body: seconds === undefined ? {} : { expires_in: seconds } });
  oneTimeTokens = async (id: string): Promise<KeptToken[]> => (await this.#json<{ tokens: KeptToken[] }>(`export/jobs/${id}/tokens`)).tokens;
  revoke = (id: string, token: string): Promise<void> => this.#json(`export/jobs/${id}/tokens/${encodeURIComponent(token)}`, { method: "DELETE" });
  timings = (): Promise<Timings> => this.#json("export/jobs/perf");

  /** Where events come from. A page of the server's own is known by its cookie; another needs a ticket. */
  liveUrl = async (): Promise<string> => {
    const url = new URL(`${this.#base}/api/v1/ws`, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (this.#token) {
      const { ticket } = await this.#json<{ ticket: string }>("ws/ticket", { method: "POST", body: {} });
      url.searchParams.set("ticket", ticket);
    }
    return url.href;
  };

  /** Whether a click can fetch a file by itself: a cookie goes along with it, a token does not. */
  get fetchesByClick(): boolean {
    return this.#token === undefined;
  }

  /** Where a click fetches the file. */
  downloadUrl = (job: Job): string => `${this.#base}${job.download_url}`;

  /** The same where only the job is known. */
  downloadPath = (id: string): string => `${this.#base}/api/v1/export/jobs/${id}/download`;

  /** A fresh link to the file that needs nothing else, for a click that has no cookie. */
  link = async (job: Job): Promise<string> => {
    const { token } = await this.oneTimeToken(job.job_id);
    const { link } = await this.#json<Schemas["RedeemResponse"]>("export/redeem", { method: "POST", body: { token } });
    return this.resolved(link);
  };

  /** A link as the API says it, whole. */
  resolved = (link: string): string => new URL(link, this.#base || globalThis.location.href).href;

  async #json<T>(path: string, call: Call = {}): Promise<T> {
    return (await this.call<T>(path, call)).body;
  }

  /** Any call, by its path behind `/api/v1/`. */
  async call<T>(path: string, call: Call = {}): Promise<Answer<T>> {
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (call.body !== undefined) headers["content-type"] = "application/json";
    if (this.#token) headers["authorization"] = `Bearer ${await this.#token()}`;
    const { answer, text } = await heard(`${this.#base}/api/v1/${path}`, {
      method: call.method ?? "GET",
      headers,
      credentials: this.#token ? "omit" : "same-origin",
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
      ...(call.signal && { signal: call.signal }),
    });
    const body: unknown = text === "" ? undefined : parsed(text);
    if (answer.ok) return { body: body as T, version: answer.headers.get("etag") };
    throw problem(answer, body);
  }
}

/** The whole answer. One that breaks off in the middle is none. */
async function heard(url: string, request: RequestInit): Promise<{ answer: Response; text: string }> {
  try {
    const answer = await fetch(url, request);
    return { answer, text: await answer.text() };
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "offline", "", "", [], null, null);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problem(answer: Response, body: unknown): Problem {
  const said = (typeof body === "object" && body !== null ? body : {}) as Partial<Schemas["Problem"]>;
  const wait = Number(answer.headers.get("retry-after"));
  return new Problem(
    answer.status,
    said.code ?? "unknown",
    said.title ?? answer.statusText,
    said.detail ?? "",
    (said.errors ?? []) as { pointer: string; detail: string }[],
    said.request_id ?? answer.headers.get("x-request-id"),
    Number.isFinite(wait) && wait > 0 ? wait : null,
  );
}
