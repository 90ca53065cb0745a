/**
 * A dataset as it is looked at: a page of rows, how many there are, and which of them are chosen; all of one moment, which an
 * export is asked for too. So the file has what the screen counted. Not responsible for drawing.
 */
import { type Client, type Dataset, type Page, Problem, type Row } from "./client";
import { EVERYTHING, isSameQuery, type Query, toBody } from "./filters";
import * as select from "./selection";

export type Sort = { readonly column: string; readonly descending: boolean };

export type ViewState = {
  readonly query: Query;
  /** `null`: the dataset's own order. */
  readonly sort: Sort | null;
  readonly rows: readonly Row[];
  /** The number of the page, from 0. */
  readonly page: number;
  readonly hasMore: boolean;
  /** `null` while it is counted. */
  readonly count: number | null;
  /** When it was counted. */
  readonly countedAt: Date | null;
  readonly isLoading: boolean;
  readonly problem: Problem | null;
  readonly selection: select.Selection;
  /** What was chosen before the filters changed, until something is chosen anew. */
  readonly dropped: { readonly selection: select.Selection; readonly query: Query } | null;
};

export const PAGE_SIZE = 50;

export class View extends EventTarget {
  #state: ViewState = {
    query: EVERYTHING, sort: null, rows: [], page: 0, hasMore: false, count: null, countedAt: null, isLoading: false,
    problem: null, selection: select.NONE, dropped: null,
  };
  /** What is asked, with every moment fixed, so that page, count and export mean the same rows. */
  #asked: Record<string, unknown> = {};
  #asOf: string | null = null;
  /** The cursors that lead to pages 1, 2, … */
  #cursors: string[] = [];
  #running = new AbortController();
  #basis: Record<string, unknown> | null = null;

  constructor(readonly client: Client, readonly dataset: Dataset, query: Query = EVERYTHING, sort: Sort | null = null) {
    super();
    this.#state = { ...this.#state, query, sort };
  }

  /** The moment, as a request says it. Rows that change have none that can be asked for again. */
  get #moment(): { as_of?: string } {
    return this.#asOf === null || this.dataset.rows === "mutable" ? {} : { as_of: this.#asOf };
  }

  /** What the rows are asked for by, as of the moment of the page; a new one for every refresh, `null` until its page is there. */
  get basis(): Record<string, unknown> | null {
    return this.#basis;
  }

  get state(): ViewState {
    return this.#state;
  }

  /** How many rows are chosen; `null` while that is not known. */
  get chosen(): number | null {
    const { selection, count } = this.#state;
    if (selection.mode === "none" || selection.mode === "partial") return select.sizeOf(selection, 0);
    return count === null ? null : select.sizeOf(selection, count);
  }

  identity(row: Row): select.Identity {
    return select.identityOf(row, this.dataset.identity);
  }

  /** Everything anew, as of now. What is chosen stays chosen. */
  async refresh(now: Date = new Date()): Promise<void> {
    this.#asked = toBody(this.dataset, this.#state.query, now);
    this.#asOf = null;
    this.#cursors = [];
    this.#basis = null;
    this.#set({ page: 0, count: null, countedAt: null });
    await this.#load(0);
    if (this.#state.problem) return;
    const { signal } = this.#running;
    await this.#try(signal, async () => {
      const { count } = await this.client.count(this.dataset.name, { ...this.#asked, ...this.#moment }, signal);
      if (!signal.aborted) this.#set({ count, countedAt: now });
    });
  }

  /** Other rows: what was chosen among the former is dropped, and can be had back. */
  async ask(query: Query): Promise<void> {
    if (isSameQuery(query, this.#state.query)) return;
    const { selection, query: before } = this.#state;
    const dropped = selection.mode === "none" ? null : { selection, query: before };
    this.#set({ query, selection: select.NONE, dropped });
    await this.refresh();
  }

  /** The filters and the choice there were before. */
  async undo(): Promise<void> {
    const { dropped } = this.#state;
    if (!dropped) return;
    this.#set({ query: dropped.query, selection: dropped.selection, dropped: null });
    await this.refresh();
  }

  async order(sort: Sort | null): Promise<void> {
    this.#set({ sort });
    this.#cursors = [];
    await this.#load(0);
  }

  async turn(by: 1 | -1): Promise<void> {
    const page = this.#state.page + by;
    if (page < 0 || (by === 1 && !this.#state.hasMore)) return;
    await this.#load(page);
  }

  toggle(row: Row): void {
    this.#choose(select.toggle(this.#state.selection, this.identity(row)));
  }

  /** The rows on the page: all of them, unless all are chosen already. */
  togglePage(): void {
    const page = this.#state.rows.map((row) => this.identity(row));
    const isWhole = select.stateOf(this.#state.selection, page) === "all";
    this.#choose(select.choose(this.#state.selection, page, !isWhole));
  }

  chooseAll(): void {
    this.#choose(select.ALL);
  }

  chooseNone(): void {
    this.#choose(select.NONE);
  }

  /** Says the same again to whoever draws it: how it is written has changed. */
  redraw(): void {
    this.dispatchEvent(new Event("change"));
  }

  /** The body of an export of what is chosen, and of nothing else. */
  request(): Record<string, unknown> {
    return { ...this.#asked, ...this.#moment, selection: select.toRequest(this.#state.selection) };
  }

  #choose(selection: select.Selection): void {
    this.#set({ selection, dropped: null });
  }

  async #load(page: number): Promise<void> {
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    const { sort, count } = this.#state;
    // Counting was broken off with the page that is not wanted any more; the moment stays.
    const mustCount = count === null && this.#asOf !== null;
    this.#set({ isLoading: true });
    await this.#try(signal, async () => {
      const cursor = page === 0 ? undefined : this.#cursors[page - 1];
      const body = {
        ...this.#asked,
        limit: PAGE_SIZE,
        ...this.#moment,
        ...(sort && { sort: { column: sort.column, descending: sort.descending } }),
        ...(cursor !== undefined && { cursor }),
      };
      const answer: Page = await this.client.rows(this.dataset.name, body, signal);
      if (signal.aborted) return;
      this.#asOf = answer.as_of;
      this.#basis ??= { ...this.#asked, ...this.#moment };
      if (answer.next_cursor !== null) this.#cursors[page] = answer.next_cursor;
      this.#set({ rows: answer.rows, page, hasMore: answer.next_cursor !== null, isLoading: false, problem: null });
    });
    if (mustCount && !signal.aborted) {
      await this.#try(signal, async () => {
        const { count } = await this.client.count(this.dataset.name, { ...this.#asked, ...this.#moment }, signal);
        if (!signal.aborted) this.#set({ count, countedAt: new Date() });
      });
    }
  }

  async #try(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.#set({ problem: error, isLoading: false });
    }
  }

  #set(change: Partial<ViewState>): void {
    this.#state = { ...this.#state, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
