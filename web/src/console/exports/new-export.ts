/**
 * Asks for an export of any dataset by its filters, without looking at its rows: all that pass are in the file. Fires `query` with
 * what is asked for, `of` with the dataset, and `started`.
 */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { attempt } from "../../core/attempt";
import type { Client, Count, Dataset, Problem } from "../../core/client";
import { type Query, EVERYTHING, toBody } from "../../core/filters";
import * as text from "../../core/text";
import "../../elements/export-dialog";
import type { ExportDialogElement, Started } from "../../elements/export-dialog";
import { valueOf } from "../../elements/field";
import "../../elements/filters";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { messages as m } from "../../i18n";

@customElement("offtake-new-export")
export class NewExportElement extends LitElement {
  static override styles = [
    shared,
    css`
      section { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 14px 16px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; background: var(--_soft); }
      label { display: inline-flex; gap: 6px; align-items: center; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  /** The name of the dataset that is chosen. */
  @property() of = "";
  @property({ attribute: false }) query: Query = EVERYTHING;
  @state() private counted: { readonly body: Record<string, unknown>; readonly count: Count; readonly at: Date } | null = null;
  @state() private problem: Problem | null = null;
  @query("offtake-export-dialog") private dialog!: ExportDialogElement;
  #counting = new AbortController();

  private get chosen(): Dataset | undefined {
    return this.datasets.find((one) => one.name === this.of) ?? this.datasets[0];
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("of") || changed.has("query") || changed.has("datasets")) void this.count();
  }

  override render() {
    const { chosen: dataset, counted } = this;
    if (!dataset) return nothing;
    const noun = dataset.title.toLowerCase();
    return html`<section aria-labelledby="title">
      <div class="row"><h2 id="title">${m.exports.newTitle}</h2><span class="push"></span>
        <button @click=${() => this.dispatchEvent(new Event("close"))}>${m.dialog.close}</button></div>
      <label>${m.exports.dataset}
        <select @change=${(event: Event) => this.dispatchEvent(new CustomEvent("of", { detail: valueOf(event) }))}>
          ${this.datasets.map(({ name, title }) => html`<option value=${name} ?selected=${name === dataset.name}>${title}</option>`)}
        </select>
      </label>
      <offtake-filters .client=${this.client} .of=${dataset} .query=${this.query} @query=${(event: CustomEvent<Query>) => this.dispatchEvent(new CustomEvent("query", { detail: event.detail }))}></offtake-filters>
      ${this.problem ? html`<offtake-problem again .problem=${this.problem} @again=${() => void this.count()}></offtake-problem>` : nothing}
      <div class="row">
        <span role="status" class="number">${counted ? m.table.matching(text.number(counted.count.count), noun) : this.problem ? "" : m.table.counting}</span>
        <span class="push"></span>
        <button class="primary" ?disabled=${!counted || counted.count.count === 0} @click=${this.ask}>${m.exports.go}</button>
      </div>
      <offtake-export-dialog .client=${this.client} @started=${(event: CustomEvent<Started>) => this.dispatchEvent(new CustomEvent("started", { detail: event.detail }))}></offtake-export-dialog>
    </section>`;
  }

  private async count(): Promise<void> {
    this.#counting.abort();
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    const dataset = this.chosen;
    this.counted = null;
    if (!dataset) return;
    const at = new Date();
    const body = { ...toBody(dataset, this.query, at), selection: { mode: "all" } };
    const problem = await attempt(async () => {
      const count = await this.client.count(dataset.name, body, signal);
      if (!signal.aborted) this.counted = { body: { ...body, ...(dataset.rows !== "mutable" && { as_of: count.as_of }) }, count, at };
    }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return null;
    });
    if (!signal.aborted) this.problem = problem;
  }

  private readonly ask = (): void => {
    const { body, count, at } = this.counted!;
    void this.dialog.open(this.chosen!, body, count.count, at);
  };
}
