/** The newest events, so many and no more. While it is paused, what comes is counted and held. */
import type { LiveEvent } from "./live";

/** An event in the list, by a name of its own. */
export type Listed = { readonly key: number; readonly event: LiveEvent };

export class EventBuffer {
  /** Newest first. */
  shown: readonly Listed[] = [];
  #held: Listed[] = [];
  /** How many came since it was paused. */
  heldCount = 0;
  isPaused = false;
  #keys = 0;

  constructor(readonly most: number) {}

  /** How many of those that came are there to be shown. */
  get kept(): number {
    return this.#held.length;
  }

  add(event: LiveEvent): void {
    const list = this.isPaused ? this.#held : this.shown;
    const before = list.findIndex((other) => isSameRun(other.event, event));
    if (before !== -1) return this.#put(list.map((one, index) => (index === before ? { ...one, event } : one)));
    if (this.isPaused) this.heldCount += 1;
    this.#put([{ key: this.#keys++, event }, ...list].slice(0, this.most));
  }

  pause(): void {
    this.isPaused = true;
  }

  /** Shows what was held. It stays paused. */
  release(): void {
    const shown = this.shown.filter((one) => !this.#held.some((held) => isSameRun(one.event, held.event)));
    this.shown = [...this.#held, ...shown].slice(0, this.most);
    [this.#held, this.heldCount] = [[], 0];
  }

  resume(): void {
    this.release();
    this.isPaused = false;
  }

  clear(): void {
    [this.shown, this.#held, this.heldCount] = [[], [], 0];
  }

  #put(list: readonly Listed[]): void {
    if (this.isPaused) this.#held = [...list];
    else this.shown = list;
  }
}

/** Progress of an export is one line that moves. */
function isSameRun(a: LiveEvent, b: LiveEvent): boolean {
  return a.event_type === "export_job_status" && b.event_type === a.event_type
    && a.data["job_id"] === b.data["job_id"] && a.data["status"] === "processing" && b.data["status"] === "processing";
}
