/** A page of rows, to look at and to choose from. Draws a `View`; fires `open` with a row. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import type { Column, Row } from "../core/client";
import * as select from "../core/selection";
import * as text from "../core/text";
import type { View } from "../core/view";
import { messages as m } from "../i18n";
import { cell } from "./cell";
import "./problem";
import { shared } from "./styles";
import { Watching } from "./watching";

@customElement("offtake-table")
export class TableElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; min-inline-size: 0; }
      .scroll { position: relative; overflow: auto; border: 1px solid var(--_line); border-radius: var(--_radius); max-block-size: var(--offtake-table-height, 70dvh); }
      table { border-collapse: separate; border-spacing: 0; min-inline-size: 100%; }
      th, td { text-align: start; padding: 5px 10px; border-block-end: 1px solid var(--_line); vertical-align: top; white-space: nowrap; }
      thead th { position: sticky; inset-block-start: 0; background: var(--_soft); z-index: 1; padding: 0; font-weight: 600; }
      thead th.box { padding: 8px 10px; }
      thead button { border: 0; background: none; font-weight: 600; inline-size: 100%; text-align: start; padding: 6px 10px; border-radius: 0; }
      tbody tr:last-child > * { border-block-end: 0; }
      tbody tr:hover { background: var(--_soft); }
      tbody tr.chosen { background: var(--_tint); }
      td.number, th.number button { text-align: end; }
      td .cut { display: block; max-inline-size: 340px; overflow: hidden; text-overflow: ellipsis; }
      .bad { color: var(--_bad); font-weight: 600; }
      .open { border: 0; background: none; padding: 0; min-block-size: 0; min-height: 0; color: var(--_accent); text-decoration: underline; text-underline-offset: 2px; }
      details { position: relative; }
      summary { list-style: none; cursor: pointer; padding: 5px 10px; border: 1px solid var(--_line); border-radius: var(--_radius); }
      summary::-webkit-details-marker { display: none; }
      .menu {
        position: absolute; inset-inline-end: 0; z-index: 3; background: var(--_surface); border: 1px solid var(--_line);
        border-radius: var(--_radius); padding: 8px 12px; max-block-size: 50dvh; overflow: auto; display: grid; gap: 4px; min-inline-size: 200px;
      }
      .menu label { display: flex; gap: 8px; align-items: center; white-space: nowrap; }
      .nothing { padding: 32px 16px; text-align: center; display: grid; gap: 4px; }
      .loading { opacity: 0.6; }
      @media print {
        nav, details, .box, tbody td:first-child { display: none; }
        thead button, .open { display: inline; padding: 3px 6px; }
        .open { padding: 0; color: inherit; text-decoration: none; text-align: start; white-space: normal; }
      }
    `,
  ];

  @property({ attribute: false }) view!: View;
  @property({ attribute: false }) columns: readonly string[] = [];
  /** The column whose cells open the row. */
  @property() opens = "";
  protected readonly watching = new Watching(this, () => this.view);

  /** Puts the focus on the rows. */
  focusRows(): void {
    this.renderRoot.querySelector<HTMLElement>(".scroll")?.focus();
  }

  private get shown(): Column[] {
    const { columns } = this.view.dataset;
    const chosen = this.columns.map((name) => columns.find((column) => column.name === name)).filter((column) => column !== undefined);
    return (chosen.length > 0 ? chosen : columns).filter((column) => column.shown !== "drop");
  }

  override render() {
    const { state, dataset } = this.view;
    const page = state.rows.map((row) => this.view.identity(row));
    const box = select.stateOf(state.selection, page);
    return html`
      ${this.bar()}
      ${state.problem ? html`<offtake-problem again .problem=${state.problem} @again=${() => void this.view.refresh()}></offtake-problem>` : nothing}
      <div class="scroll ${state.isLoading ? "loading" : ""}" tabindex="0" role="region" aria-label=${dataset.title} aria-busy=${state.isLoading}>
        <table>
          <thead><tr>
            <th scope="col" class="box">
              <input type="checkbox" aria-label=${m.table.selectPage} .checked=${live(box === "all")} .indeterminate=${live(box === "some")}
                ?disabled=${page.length === 0} @change=${() => this.view.togglePage()} />
            </th>
            ${this.shown.map((column) => this.head(column))}
          </tr></thead>
          <tbody>${state.rows.map((row, index) => this.row(row, page[index]!))}</tbody>
        </table>
        ${state.rows.length === 0 && !state.isLoading && !state.problem
          ? html`<div class="nothing"><strong>${m.table.none}</strong><span class="quiet">${m.table.noneDetail}</span></div>`
          : nothing}
      </div>
      <nav class="row" aria-label=${m.table.pages}>
        <button ?disabled=${state.page === 0} @click=${() => void this.view.turn(-1)}>${m.table.previous}</button>
        <span class="number" role="status">${m.table.page(text.number(state.page + 1))}</span>
        <button ?disabled=${!state.hasMore} @click=${() => void this.view.turn(1)}>${m.table.next}</button>
      </nav>`;
  }

  private bar() {
    const { state, dataset } = this.view;
    const noun = m.noun(dataset.title, state.count ?? 0);
    return html`<div class="row">
      <span role="status" class="number">
        ${state.count === null ? m.table.counting : m.table.matching(text.number(state.count), noun)}
        ${state.countedAt ? html`<span class="quiet">${m.table.countedAt(text.at(state.countedAt.toISOString()))}</span>` : nothing}
      </span>
      <span class="push"></span>
      <button @click=${() => void this.view.refresh()}>${m.table.refresh}</button>
      <details @keydown=${closeOnEscape}>
        <summary>${m.table.columns}</summary>
        <div class="menu" role="group" aria-label=${m.table.columns}>
          ${dataset.columns.filter((column) => column.shown !== "drop").map((column) => html`<label>
            <input type="checkbox" .checked=${live(this.shown.includes(column))} @change=${() => this.chose(column.name)} />${column.label}
          </label>`)}
        </div>
      </details>
    </div>`;
  }

  private head(column: Column) {
    const { sort } = this.view.state;
    const isSorted = sort?.column === column.name;
    const direction = isSorted ? (sort.descending ? "descending" : "ascending") : "none";
    return html`<th scope="col" aria-sort=${direction} class=${isNumeric(column) ? "number" : ""}>
      <button @click=${() => this.sorted(column.name)}>${column.label}${isSorted ? (sort.descending ? " ↓" : " ↑") : ""}</button>
    </th>`;
  }

  private row(row: Row, id: select.Identity) {
    const isChosen = select.contains(this.view.state.selection, id);
    const name = Object.values(id).join(" ");
    return html`<tr class=${isChosen ? "chosen" : ""}>
      <td><input type="checkbox" aria-label=${m.table.selectRow(name)} .checked=${live(isChosen)} @change=${() => this.view.toggle(row)} /></td>
      ${this.shown.map((column) => {
        const content = cell(column, row[column.name]);
        return html`<td class=${isNumeric(column) ? "number" : ""}>${column.name === this.opens
          ? html`<button class="open" @click=${() => this.opened(row)}>${content}</button>`
          : content}</td>`;
      })}
    </tr>`;
  }

  private sorted(column: string): void {
    const { sort } = this.view.state;
    // Up, down, and back to the dataset's own order.
    const next = sort?.column !== column ? { column, descending: false } : sort.descending ? null : { column, descending: true };
    this.dispatchEvent(new CustomEvent("sort", { detail: next }));
  }

  private chose(name: string): void {
    const shown = this.shown.map((column) => column.name);
    const next = shown.includes(name)
      ? shown.filter((one) => one !== name)
      : this.view.dataset.columns.map((column) => column.name).filter((one) => one === name || shown.includes(one));
    if (next.length > 0) this.dispatchEvent(new CustomEvent("columns", { detail: next }));
    else this.requestUpdate();
  }

  private opened(row: Row): void {
    this.dispatchEvent(new CustomEvent<Row>("open", { detail: row }));
  }
}

function isNumeric(column: Column): boolean {
  return column.type === "int64" || column.type === "float64" || column.type.startsWith("decimal");
}

function closeOnEscape(event: KeyboardEvent): void {
  const details = event.currentTarget as HTMLDetailsElement;
  if (event.key !== "Escape" || !details.open) return;
  details.open = false;
  details.querySelector("summary")?.focus();
}
