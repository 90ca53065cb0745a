/** How many there were lately, in steps of a few seconds. */
export class Rate {
  readonly #counts = new Map<number, number>();

  constructor(private readonly stepMs: number, private readonly steps: number) {}

  add(now: number): void {
    const step = this.#step(now);
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1);
    for (const old of this.#counts.keys()) if (old <= step - this.steps) this.#counts.delete(old);
  }

  /** Counts by step, oldest first; the last one is under way. */
  bars(now: number): number[] {
    const last = this.#step(now);
    return Array.from({ length: this.steps }, (_, index) => this.#counts.get(last - this.steps + 1 + index) ?? 0);
  }

  /** Per second, over the last two steps. */
  perSecond(now: number): number {
    const last = this.#step(now);
    const count = (this.#counts.get(last) ?? 0) + (this.#counts.get(last - 1) ?? 0);
    return (count * 1000) / (this.stepMs + (now % this.stepMs));
  }

  #step(now: number): number {
    return Math.floor(now / this.stepMs);
  }
}
