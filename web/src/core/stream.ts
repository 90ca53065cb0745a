/**
 * The stream of events as somebody looks at it: what he wants to be told, the newest of it, whether it is paused, how things stand with
 * the connection. After a break it goes on where it was. Not responsible for drawing it.
 */
import { EventBuffer } from "./buffer";
import type { Client, Session } from "./client";
import { type After, type Lag, Live, type LiveEvent, type Refusal } from "./live";
import { Position } from "./position";
import { Rate } from "./rate";

/** Events that are listed. */
export const MOST_EVENTS = 500;
/** Bars of the chart, and how long each is. */
export const [BAR_MS, BARS] = [5000, 60];
/** Changes are told at most so often. */
const TOLD_EVERY_MS = 100;
/** What was left out is fetched at most so often. */
const CATCH_UP_MS = 10_000;

/** Types of events, and what somebody must be allowed for each: one of these. */
export const TYPES: Readonly<Record<string, readonly string[]>> = {
  trace_created: ["traces:read"],
  trace_updated: ["traces:read"],
  export_job_status: ["exports:read", "exports:read_all"],
  metric_threshold: ["metrics:read"],
  cost_threshold: ["costs:read"],
  system_alert: ["alerts:read"],
};

/** Filters as they stand in a form; what is empty asks for nothing. */
export type StreamFilters = Readonly<Record<string, string>>;
export const TEXT_FILTERS = ["provider", "model", "environment", "user_id"] as const;
export const NUMBER_FILTERS = ["min_cost", "min_duration_ms"] as const;

export type Connection = "connecting" | "open" | "broken";
/** How things stand, for whoever looks: `idle` where nothing is asked for. */
export type Standing = Connection | "idle" | "refused" | "paused";
/** Events that were left out, and whether they are being fetched. */
export type LeftOut = { readonly missed: number; readonly isFetched: boolean };

export class EventStream extends EventTarget {
  readonly buffer = new EventBuffer(MOST_EVENTS);
  readonly rate = new Rate(BAR_MS, BARS);
  connection: Connection = "connecting";
  leftOut: LeftOut | null = null;
  /** Why nothing is told. */
  refusal: Refusal | null = null;
  types: readonly string[];
  filters: StreamFilters = {};
  readonly #live: Live;
  #position = new Position();
  /** From where on to go on, instead of where it is. */
  #from: After | null = null;
  #caughtUpAt = -Infinity;
  /** Streams something was told of since it was subscribed to. */
  readonly #told = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Pick<Client, "liveUrl">, readonly offered: readonly string[]) {
    super();
    this.types = offered;
    this.#live = new Live(client.liveUrl, () => ({ events: this.types, filters: asked(this.filters), after: this.#after() }), {
      event: (event) => this.#happened(event),
      missed: (lag) => lag && this.#lagged(lag),
      connected: (isConnected) => {
        this.connection = isConnected ? "open" : "broken";
        if (isConnected) this.refusal = null;
        this.#tell();
      },
      begun: (after) => {
        this.#told.clear();
        this.#position.begun(after);
      },
      refused: (refusal) => {
        // Who refuses is there.
        [this.connection, this.refusal] = ["open", refusal];
        this.#tell();
      },
    });
  }

  get standing(): Standing {
    // Nothing is subscribed to then, and nothing would ever say that it is.
    if (this.types.length === 0) return "idle";
    if (this.connection !== "open") return this.connection;
    return this.refusal ? "refused" : this.buffer.isPaused ? "paused" : "open";
  }

  start(): void {
    this.connection = "connecting";
    this.#live.start();
  }

  stop(): void {
    this.#live.stop();
  }

  hurry(): void {
    this.#live.hurry();
  }

  /** Wants something else from now on; what is listed was of before. */
  ask(types: readonly string[], filters: StreamFilters): void {
    [this.types, this.filters, this.refusal, this.leftOut] = [types, filters, null, null];
    this.#position = new Position();
    this.buffer.clear();
    this.#live.again();
    this.#tell();
  }

  pause(): void {
    this.buffer.pause();
    this.#tell();
  }

  resume(): void {
    this.buffer.resume();
    this.#tell();
  }

  release(): void {
    this.buffer.release();
    this.#tell();
  }

  clear(): void {
    this.buffer.clear();
    this.leftOut = null;
    this.#tell();
  }

  /** What was said of those that were left out is read. */
  dismiss(): void {
    this.leftOut = null;
    this.#tell();
  }

  #after(): After {
    const after = { ...this.#position.after(this.#live.heardAt), ...this.#from };
    this.#from = null;
    return after;
  }

  #happened(event: LiveEvent): void {
    const now = Date.now();
    this.#told.add(event.event_type.startsWith("trace_") ? "traces" : "organization");
    if (!this.#position.takes(event, now)) return;
    this.rate.add(now);
    this.buffer.add(event);
    this.#tell();
  }

  /**
   * What the list has room for is fetched; but not again and again where it is too much for good. What is left out before anything else is
   * told was too long ago, and cannot be.
   */
  #lagged({ missed, after }: Lag): void {
    const now = Date.now();
    const isThere = Object.keys(after).some((name) => this.#told.has(name));
    const isFetched = isThere && missed <= MOST_EVENTS && now - this.#caughtUpAt > CATCH_UP_MS;
    this.leftOut = { missed: missed + (this.leftOut && !this.leftOut.isFetched ? this.leftOut.missed : 0), isFetched };
    if (isFetched) {
      [this.#from, this.#caughtUpAt] = [after, now];
      this.#live.again();
    }
    this.#tell();
  }

  #tell(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.dispatchEvent(new Event("change"));
    }, TOLD_EVERY_MS);
  }
}

/** The types somebody may be told of. */
export function typesFor(session: Session, may: (session: Session, permission: string) => boolean): string[] {
  return Object.keys(TYPES).filter((type) => TYPES[type]!.some((permission) => may(session, permission)));
}

/** Filters as a subscription says them. What is no number is left for the server to refuse. */
export function asked(filters: StreamFilters): Record<string, unknown> {
  const said: Record<string, unknown> = {};
  for (const name of TEXT_FILTERS) {
    const values = (filters[name] ?? "").split(",").map((value) => value.trim()).filter(Boolean);
    if (values.length > 0) said[name] = values;
  }
  for (const name of NUMBER_FILTERS) {
    const value = (filters[name] ?? "").trim();
    if (value !== "") said[name] = Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return said;
}
