/**
 * Up to which numbers a reader of events knows everything, and which of those that come again he has had. A trace that grew is
 * told of a second later than what came after it, so he goes on from a number that is older than that, and leaves out the rest.
 */
import type { After, LiveEvent } from "./live";

/** A number that was heard so long before the end is safe. */
const SAFE_MS = 1500;
/** Traces that are remembered. */
const MOST_TRACES = 20_000;

type Known = { isCreated: boolean; updated: number };

export class Position {
  #organization: number | undefined;
  /** The greatest number that is safe by now, */
  #safe: number | undefined;
  /** and those that will be, in the order of time. */
  #heard: { seq: number; at: number }[] = [];
  readonly #known = new Map<string, Known>();

  /** Told is what comes behind these numbers. */
  begun(after: After): void {
    if (after.traces !== undefined) [this.#safe, this.#heard] = [after.traces, []];
    if (after.organization !== undefined) this.#organization = after.organization;
  }

  /** Notes an event that was heard `at` this moment; whether it is news. */
  takes(event: LiveEvent, at: number): boolean {
    const trace = event.data["trace_id"];
    if (event.event_type.startsWith("trace_") && typeof trace === "string") return this.#takesTrace(event, trace, at);
    // Progress has the number of the change of state before it.
    const isState = event.event_type === "export_job_status" && event.data["status"] === "processing";
    if (event.seq <= (this.#organization ?? -1)) return isState;
    this.#organization = event.seq;
    return true;
  }

  /** From where on to go on, where everything until `heardAt` arrived. */
  after(heardAt: number): After {
    this.#settle(heardAt - SAFE_MS);
    return {
      ...(this.#safe !== undefined && { traces: this.#safe }),
      ...(this.#organization !== undefined && { organization: this.#organization }),
    };
  }

  #takesTrace({ event_type, seq }: LiveEvent, trace: string, at: number): boolean {
    this.#settle(at - SAFE_MS);
    if (seq > (this.#heard.at(-1)?.seq ?? this.#safe ?? -1)) this.#heard.push({ seq, at });
    const known = this.#known.get(trace) ?? { isCreated: false, updated: -1 };
    const isCreation = event_type === "trace_created";
    if (isCreation ? known.isCreated : seq <= known.updated) return false;
    this.#known.delete(trace);
    this.#known.set(trace, isCreation ? { ...known, isCreated: true } : { ...known, updated: seq });
    if (this.#known.size > MOST_TRACES) this.#known.delete(this.#known.keys().next().value!);
    return true;
  }

  #settle(until: number): void {
    const first = this.#heard.findIndex(({ at }) => at > until);
    const settled = this.#heard.splice(0, first === -1 ? this.#heard.length : first);
    this.#safe = settled.at(-1)?.seq ?? this.#safe;
  }
}
