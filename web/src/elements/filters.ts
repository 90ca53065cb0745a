/** The filters of a dataset, as far as it has them. Fires `query` with what is asked now, and `zone`. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { Dataset, Filter } from "../core/client";
import { EVERYTHING, type FilterValue, type Query, type Window, offered } from "../core/filters";
import * as text from "../core/text";
import { messages as m } from "../i18n";
import { shared } from "./styles";

/** Shown without being asked for, where a dataset has them. */
const FIRST = ["provider", "model", "environment", "status_code", "status"];
const WINDOWS = ["all", "900", "3600", "86400", "604800", "2592000", "between"];

@customElement("offtake-filters")
export class FiltersElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; }
      form { display: flex; flex-wrap: wrap; gap: 8px; align-items: end; }
      label { display: grid; gap: 2px; font-size: 0.86em; color: var(--_quiet); }
      label > input, label > select { color: var(--offtake-text, light-dark(#16202c, #e6ebf1)); font-size: 14px; min-inline-size: 0; }
      input[type="text"], input[type="number"] { inline-size: 170px; }
      input[type="search"] { inline-size: 230px; max-inline-size: 100%; }
      .one { display: flex; align-items: end; gap: 2px; }
      .one button { min-inline-size: 32px; padding: 4px; }
      @media (max-width: 560px) { form > *, form label > * { inline-size: 100% !important; } .one label { flex: 1; min-inline-size: 0; } .one button { inline-size: 32px !important; } }
    `,
  ];

  @property({ attribute: false }) of!: Dataset;
  @property({ attribute: false }) query: Query = EVERYTHING;
  /** The zone that moments are read and written in, if it is not the reader's own. */
  @property() zone: "UTC" | "" = "";
  /** Filters that are shown though nothing is asked of them. */
  @state() private added: readonly string[] = [];

  private get all(): Filter[] {
    return offered(this.of);
  }

  private get searched(): Filter | undefined {
    return this.all.find((filter) => filter.op === "contains" && filter.name === "text");
  }

  private get shown(): Filter[] {
    const isShown = ({ name }: Filter) => FIRST.includes(name) || this.added.includes(name) || name in this.query.filters;
    return this.all.filter((filter) => filter !== this.searched && isShown(filter));
  }

  override render() {
    const { searched, shown } = this;
    const rest = this.all.filter((filter) => filter !== searched && !shown.includes(filter));
    return html`<form role="search" aria-label=${m.filters.label} @submit=${this.submitted} @change=${this.changed}>
      ${this.of.time ? this.window() : nothing}
      ${searched
        ? html`<label>${m.filters.search}
            <input type="search" name="f.text" .value=${asText(this.query.filters["text"])} ?disabled=${!!searched.needs} />
          </label>`
        : nothing}
      ${shown.map((filter) => this.one(filter))}
      ${rest.length > 0
        ? html`<label>${m.filters.add}
            <select name="add">
              <option value="">…</option>
              ${rest.map((filter) => html`<option value=${filter.name} ?disabled=${!!filter.needs}>${said(filter, this.of)}</option>`)}
            </select>
          </label>`
        : nothing}
      <button type="submit">${m.filters.apply}</button>
      ${Object.keys(this.query.filters).length > 0 || this.query.window.kind !== "all"
        ? html`<button type="button" class="link" @click=${this.cleared}>${m.filters.clear}</button>`
        : nothing}
    </form>`;
  }

  private one(filter: Filter) {
    const value = this.query.filters[filter.name];
    const isNumber = filter.type === "int64" || filter.type === "float64";
    const field = (name: string, label: string, now: string) => html`<label>${label}
      <input type=${isNumber ? "number" : "text"} step="any" name=${name} .value=${now} title=${filter.op === "in" ? m.filters.several : ""} />
    </label>`;
    return html`<div class="one">
      ${filter.op === "range"
        ? html`${field(`f.${filter.name}.from`, `${said(filter, this.of)}: ${m.filters.from}`, asText(range(value).from))}
            ${field(`f.${filter.name}.to`, m.filters.to, asText(range(value).to))}`
        : field(`f.${filter.name}`, said(filter, this.of), asText(value))}
      ${this.added.includes(filter.name) || value !== undefined
        ? html`<button type="button" aria-label=${m.filters.remove(said(filter, this.of))} @click=${() => this.removed(filter.name)}>×</button>`
        : nothing}
    </div>`;
  }

  private window() {
    const { window } = this.query;
    const now = window.kind === "last" ? String(window.seconds) : window.kind;
    const known = WINDOWS.includes(now) ? WINDOWS : [...WINDOWS, now];
    return html`<label>${m.filters.window}
        <select name="window">
          ${known.map((value) => html`<option value=${value} ?selected=${value === now}>${m.filters.windows[value] ?? text.seconds(Number(value))}</option>`)}
        </select>
      </label>
      ${window.kind === "between"
        ? html`<label>${m.filters.from}<input type="datetime-local" step="1" name="from" .value=${text.toField(window.from)} /></label>
            <label>${m.filters.to}<input type="datetime-local" step="1" name="to" .value=${text.toField(window.to)} /></label>`
        : nothing}
      <label>${m.filters.zones.label}
        <select name="zone">
          <option value="" ?selected=${this.zone !== "UTC"}>${m.filters.zones.local(text.ownTimeZone())}</option>
          <option value="UTC" ?selected=${this.zone === "UTC"}>${m.filters.zones.utc}</option>
        </select>
      </label>`;
  }

  private readonly submitted = (event: Event): void => {
    event.preventDefault();
    this.tell();
  };

  private readonly changed = (event: Event): void => {
    const field = event.target as HTMLInputElement | HTMLSelectElement;
    if (field.name === "add" && field.value !== "") {
      const name = field.value;
      this.added = [...this.added, name];
      field.value = "";
      void this.updateComplete.then(() => this.form.querySelector<HTMLElement>(`[name^="f.${CSS.escape(name)}"]`)?.focus());
      return;
    }
    if (field.name === "zone") {
      this.dispatchEvent(new CustomEvent<"UTC" | undefined>("zone", { detail: field.value === "UTC" ? "UTC" : undefined }));
      return;
    }
    this.tell();
  };

  private readonly cleared = (): void => {
    this.added = [];
    this.form.reset();
    this.fire(EVERYTHING);
  };

  private removed(name: string): void {
    this.added = this.added.filter((one) => one !== name);
    const { [name]: _, ...filters } = this.query.filters;
    this.fire({ ...this.query, filters });
  }

  private get form(): HTMLFormElement {
    return this.renderRoot.querySelector("form")!;
  }

  private tell(): void {
    const data = new FormData(this.form);
    const filters: Record<string, FilterValue> = {};
    for (const filter of this.all) {
      const value = valueOf(filter, data);
      if (value !== undefined) filters[filter.name] = value;
    }
    this.fire({ filters, window: windowOf(data) });
  }

  private fire(query: Query): void {
    this.dispatchEvent(new CustomEvent<Query>("query", { detail: query }));
  }
}

/** What a filter is called: as the column it looks at, if it only says which values are wanted. */
function said(filter: Filter, of: Dataset): string {
  const column = of.columns.find(({ name }) => name === filter.columns[0] && filter.columns.length === 1);
  const subject = column?.label ?? filter.name;
  const needs = filter.needs ? ` (${m.filters.needs(filter.needs)})` : "";
  return `${subject}${m.filters.ops[filter.op] ?? ""}${needs}`;
}

function asText(value: FilterValue | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.join(", ") : "";
}

function range(value: FilterValue | undefined): { from?: string; to?: string } {
  return typeof value === "object" && !Array.isArray(value) ? (value as { from?: string; to?: string }) : {};
}

function valueOf(filter: Filter, data: FormData): FilterValue | undefined {
  const get = (name: string) => String(data.get(name) ?? "").trim();
  if (filter.op === "range") {
    const [from, to] = [get(`f.${filter.name}.from`), get(`f.${filter.name}.to`)];
    return from || to ? { ...(from && { from }), ...(to && { to }) } : undefined;
  }
  const value = get(`f.${filter.name}`);
  if (value === "") return undefined;
  const isList = filter.op === "in" || filter.op === "overlaps";
  const parts = isList ? value.split(",").map((part) => part.trim()).filter(Boolean) : [value];
  return parts.length > 1 ? parts : parts[0];
}

function windowOf(data: FormData): Window {
  const chosen = data.get("window");
  if (chosen === null || chosen === "all") return { kind: "all" };
  if (chosen !== "between") return { kind: "last", seconds: Number(chosen) };
  const moment = (name: string) => text.fromField(String(data.get(name) ?? ""));
  const [from, to] = [moment("from"), moment("to")];
  return { kind: "between", ...(from && { from }), ...(to && { to }) };
}
