/** A dataset: filters, rows, what is chosen, and the way to a file. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query } from "lit/decorators.js";
import type { Client, Dataset, Row, Session } from "../core/client";
import type { Query } from "../core/filters";
import { type Sort, View } from "../core/view";
import "../elements/banner";
import "../elements/export-dialog";
import type { ExportDialogElement, Started } from "../elements/export-dialog";
import "../elements/filters";
import { shared } from "../elements/styles";
import "../elements/table";
import type { TableElement } from "../elements/table";
import { Watching } from "../elements/watching";
import "./empty";
import type { Route } from "./route";
import "./trace";

/** What is shown of datasets that are well known. */
const COLUMNS: Record<string, readonly string[]> = {
  traces: ["started_at", "name", "provider", "model", "status_code", "duration_ms", "span_count", "total_tokens", "cost_usd", "input"],
  spans: ["started_at", "name", "type", "provider", "model", "status_code", "duration_ms", "total_tokens", "cost_usd", "input"],
  prompts: ["started_at", "name", "provider", "model", "status_code", "duration_ms", "prompt_tokens", "completion_tokens", "cost_usd", "input", "output"],
};
const SHOWN_AT_FIRST = 10;

@customElement("offtake-rows-page")
export class RowsPageElement extends LitElement {
  static override styles = [shared, css`
    :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; min-inline-size: 0; }
    /* A trace that is open is what is printed. */
    @media print { :host { display: block; } offtake-filters, :has(~ offtake-trace) { display: none; } }
  `];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) of!: Dataset;
  @property({ attribute: false }) route!: Route;
  @property({ attribute: false }) session!: Session;
  @query("offtake-export-dialog") private dialog!: ExportDialogElement;
  @query("offtake-table") private table!: TableElement | null;
  protected readonly watching = new Watching(this, () => this.#view);
  #view: View | undefined;

  protected override willUpdate(changed: Map<string, unknown>): void {
    const { of, route } = this;
    if (this.#view?.dataset !== of) {
      this.#view = new View(this.client, of, route.query, this.sort);
      void this.#view.refresh();
      return;
    }
    if (!changed.has("route")) return;
    // Whoever goes back in the address bar wants the filters of then.
    void this.#view.ask(route.query);
    if (isOther(this.sort, this.#view.state.sort)) void this.#view.order(this.sort);
  }

  override render() {
    const view = this.#view!;
    const { state } = view;
    const isUntouched = Object.keys(state.query.filters).length === 0 && state.query.window.kind === "all";
    const isEmpty = state.count === 0 && isUntouched && this.of.permission === "traces:read";
    return html`
      <h1>${this.of.title}</h1>
      <offtake-filters .of=${this.of} .query=${state.query} @query=${(event: CustomEvent<Query>) => this.tell({ query: event.detail })}></offtake-filters>
      <offtake-banner .view=${view} .mayExport=${may(this.session, "exports:create")} @download=${this.download} @undo=${this.undo} @left=${() => this.table?.focusRows()}></offtake-banner>
      ${isEmpty
        ? html`<offtake-empty></offtake-empty>`
        : html`<offtake-table .view=${view} .columns=${this.columns} .opens=${this.opens}
            @sort=${(event: CustomEvent<Sort | null>) => this.tell({ sort: event.detail })}
            @columns=${(event: CustomEvent<string[]>) => this.tell({ columns: event.detail })}
            @open=${(event: CustomEvent<Row>) => this.tell({ trace: String(event.detail["trace_id"]) })}></offtake-table>`}
      <offtake-export-dialog .client=${this.client} @started=${(event: CustomEvent<Started>) => this.started(event.detail)}></offtake-export-dialog>
      ${this.route.trace
        ? html`<offtake-trace .client=${this.client} .trace=${this.route.trace} @close=${() => this.tell({ trace: null })}></offtake-trace>`
        : nothing}`;
  }

  /** Where nothing is said, the newest rows come first. */
  private get sort(): Sort | null {
    return this.route.sort ?? (this.of.time ? { column: this.of.time, descending: true } : null);
  }

  private get columns(): readonly string[] {
    if (this.route.columns.length > 0) return this.route.columns;
    const known = COLUMNS[this.of.name]?.filter((name) => this.of.columns.some((column) => column.name === name));
    return known ?? this.of.columns.slice(0, SHOWN_AT_FIRST).map((column) => column.name);
  }

  /** Rows that belong to a trace open it. */
  private get opens(): string {
    const isOfTraces = this.of.permission === "traces:read" && this.of.columns.some((column) => column.name === "trace_id");
    return isOfTraces ? (this.columns.includes("name") ? "name" : "trace_id") : "";
  }

  private readonly download = (): void => {
    const view = this.#view!;
    void this.dialog.open(this.of, view.request(), view.chosen ?? 0, view.state.countedAt);
  };

  private readonly undo = (): void => {
    const view = this.#view!;
    void view.undo();
    this.tell({ query: view.state.query });
  };

  private started(started: Started): void {
    this.dispatchEvent(new CustomEvent<Started>("started", { detail: started }));
  }

  private tell(change: Partial<Route>): void {
    this.dispatchEvent(new CustomEvent<Partial<Route>>("route", { detail: change }));
  }
}

function isOther(a: Sort | null, b: Sort | null): boolean {
  return a?.column !== b?.column || a?.descending !== b?.descending;
}

/** Whether a session allows it, as far as the pages can tell; the server decides. */
export function may(session: Session, permission: string): boolean {
  const grants = session.permissions as readonly string[];
  const withheld = session.withheld as readonly string[];
  return !withheld.includes(permission) && (grants.includes("all") || grants.includes(permission));
}
