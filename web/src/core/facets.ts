/**
 * Which values there are among the rows that are looked at, and how often: asked for once the page is there, as of its moment,
 * and never in its way. Not responsible for what is ticked: that is a filter like any other.
 */
import { type Dataset, type Facet, type Filter, Problem } from "./client";
import { type Query, valuesOf } from "./filters";
import type { View } from "./view";

/** Of traces and what is like them; ids and users would be as many as the rows. */
const OF_TRACES = ["status_code", "provider", "model", "environment", "type", "service", "project_id"];
const TYPES = ["text", "int64", "bool", "date"];
const MOST = 8;

/** The filters that a page shows facets for: they name values of one column that does not tell rows apart. */
export function faceted(dataset: Dataset): Filter[] {
  const first = new Map<string, Filter>();
  for (const filter of dataset.filters) {
    const [column, ...more] = filter.columns;
    const isOne = (filter.op === "eq" || filter.op === "in") && more.length === 0 && TYPES.includes(filter.type);
    if (!isOne || column === undefined || filter.needs || dataset.identity.includes(column)) continue;
    if (!first.has(column)) first.set(column, filter);
  }
  const isOfTraces = dataset.permission === "traces:read";
  if (isOfTraces) return OF_TRACES.map((column) => first.get(column)).filter((filter) => filter !== undefined);
  return [...first.values()].slice(0, MOST);
}

export type FacetsState = {
  readonly facets: readonly Facet[];
  /** Whether the numbers are exact; else there are at least as many. */
  readonly exact: boolean;
  readonly isLoading: boolean;
  readonly problem: Problem | null;
};

/** A value that can be ticked. */
export type Choice = { readonly value: string; readonly count: number; readonly isTicked: boolean };

/** The values of a facet, the ticked ones among them though no row has them. */
export function choices(facet: Facet | undefined, query: Query, filter: string): Choice[] {
  const ticked = valuesOf(query, filter);
  const found = (facet?.values ?? []).map(({ value, count }) => {
    const text = String(value);
    return { value: text, count, isTicked: ticked.includes(text) };
  });
  const missing = ticked.filter((value) => !found.some((one) => one.value === value));
  return [...found, ...missing.map((value) => ({ value, count: 0, isTicked: true }))];
}

export class Facets extends EventTarget {
  #state: FacetsState = { facets: [], exact: true, isLoading: false, problem: null };
  #basis: Record<string, unknown> | null = null;
  #running = new AbortController();
  #isWanted = false;

  constructor(readonly view: View, readonly filters: readonly Filter[] = faceted(view.dataset)) {
    super();
  }

  get state(): FacetsState {
    return this.#state;
  }

  /** From now on they are looked at, or not any more. What nobody looks at is not asked for. */
  want(isWanted: boolean): void {
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    if (isWanted) this.view.addEventListener("change", this.look);
    else this.view.removeEventListener("change", this.look);
    if (isWanted) this.look();
  }

  /** Counts, if the rows are others than those that were counted. */
  readonly look = (): void => {
    const { basis } = this.view;
    if (basis === null || basis === this.#basis || this.filters.length === 0) return;
    this.#basis = basis;
    void this.#load(basis);
  };

  async again(): Promise<void> {
    if (this.#basis) await this.#load(this.#basis);
  }

  async #load(basis: Record<string, unknown>): Promise<void> {
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    this.#set({ isLoading: true });
    try {
      const body = { ...basis, facets: this.filters.map(({ columns }) => columns[0]) };
      const { facets, exact } = await this.view.client.facets(this.view.dataset.name, body, signal);
      if (!signal.aborted) this.#set({ facets, exact, isLoading: false, problem: null });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.#set({ problem: error, isLoading: false });
    }
  }

  #set(change: Partial<FacetsState>): void {
    this.#state = { ...this.#state, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
