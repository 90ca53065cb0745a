/** The receipt of a file, for people: what it is, that it is whole, and what in it is not as it was. The receipt itself is below. */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { attempt } from "../core/attempt";
import type { Client, Problem, Receipt } from "../core/client";
import { saveText } from "../core/save";
import { quoted } from "../core/shell";
import * as text from "../core/text";
import "../elements/copy";
import "../elements/problem";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

/** Of the spec: what is said elsewhere, or is about the file. */
const NOT_ASKED = ["dataset", "format", "compression", "dialect", "delimiter", "fields", "name", "notify", "destination", "disclosure", "as_of", "formats"];

@customElement("offtake-receipt")
export class ReceiptElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
      .whole { color: var(--_good); font-weight: 600; }
      dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 6px 16px; margin: 0; }
      @media (max-width: 560px) { dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-block-end: 8px; } }
      dt { color: var(--_quiet); } dd { margin: 0; overflow-wrap: anywhere; min-inline-size: 0; }
      pre { background: var(--_soft); border: 1px solid var(--_line); border-radius: var(--_radius); padding: 8px 12px; }
      summary { cursor: pointer; color: var(--_accent); }
      ul { margin: 0; padding-inline-start: 18px; }
      .verify { display: grid; gap: 6px; }
      .hash { font-size: 0.86em; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  /** The export whose receipt it is. */
  @property() job = "";
  @state() private receipt: Receipt | null = null;
  @state() private problem: Problem | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("job")) return;
    this.receipt = this.problem = null;
    void attempt(async () => (this.receipt = await this.client.receipt(this.job))).then((problem) => (this.problem = problem));
  }

  override render() {
    const { receipt, problem } = this;
    if (problem) return html`<offtake-problem .problem=${problem}></offtake-problem>`;
    if (!receipt) return html`<p class="quiet">${m.loading}</p>`;
    const rows = text.number(receipt.rows_written);
    const json = JSON.stringify(receipt, null, 2);
    const command = `offtake verify ${quoted(receipt.file_name)}`;
    const receiptName = `${receipt.file_name}.receipt.json`;
    return html`
      <p class="whole">${m.receipt.whole(rows, text.number(receipt.rows_expected))}</p>
      <dl>
        ${fact(m.receipt.file, html`${receipt.file_name} <span class="quiet">${text.bytes(receipt.bytes)}, ${m.receipt.exact(text.number(receipt.bytes))}</span>`)}
        ${fact(m.receipt.moment, html`${text.at(receipt.as_of)} <span class="quiet">${m.receipt.modes[receipt.mode] ?? receipt.mode}</span>`)}
        ${fact(m.receipt.of, html`${receipt.dataset} <ul>${asked(receipt).map(([name, value]) => html`<li><code>${name}</code>: ${value}</li>`)}</ul>`)}
        ${fact(m.receipt.columns, columns(receipt))}
        ${fact("SHA-256", html`<code class="hash">${receipt.sha256}</code> <offtake-copy .text=${receipt.sha256} .what=${"SHA-256"}></offtake-copy>`)}
        ${fact(m.receipt.changed, changes(receipt))}
        ${fact(m.receipt.made, m.receipt.madeIn(text.at(receipt.finished_at), text.seconds(took(receipt)), receipt.attempts, receipt.offtake_version))}
      </dl>
      <div class="verify">
        <div class="row"><strong>${m.receipt.verify}</strong><offtake-copy .text=${command} .what=${m.receipt.verify}></offtake-copy>
          <button @click=${() => saveText(json, "application/json", receiptName)}>${m.receipt.save}</button></div>
        <pre>${command}</pre>
        <p class="quiet">${m.receipt.verifyHint(receiptName)}</p>
      </div>
      <details><summary>${m.receipt.json}</summary><pre tabindex="0">${json}</pre></details>`;
  }
}

function fact(name: string, value: unknown) {
  return html`<dt>${name}</dt><dd>${value}</dd>`;
}

/** Filters, window and selection, as they were asked for. */
function asked({ spec }: Receipt): [string, string][] {
  return Object.entries(spec)
    .filter(([name]) => !NOT_ASKED.includes(name))
    .map(([name, value]) => [name, name === "selection" ? selected(value) : typeof value === "string" ? value : JSON.stringify(value)]);
}

function selected(selection: unknown): string {
  const { mode, ids = [] } = selection as { mode: string; ids?: readonly unknown[] };
  return m.receipt.selected(mode, text.number(ids.length));
}

function columns({ columns: all }: Receipt) {
  const names = all.map((column) => column.name).join(", ");
  return html`${text.number(all.length)}: <span class="quiet">${names}</span>`;
}

/** What in the file is not as it was in the rows. Nothing is kept back silently, so nothing is said as well. */
function changes(receipt: Receipt) {
  const masked = Object.entries(receipt.masked);
  const said = [
    receipt.limited ? m.receipt.limited(text.number(receipt.rows_written), text.number(receipt.rows_matching)) : null,
    ...masked.map(([column, cells]) => m.receipt.masked(column, cells, text.number(cells))),
    receipt.guarded_cells > 0 ? m.receipt.guarded(receipt.guarded_cells, text.number(receipt.guarded_cells)) : null,
    receipt.truncated_cells_count > 0 ? m.receipt.truncated(receipt.truncated_cells_count, text.number(receipt.truncated_cells_count)) : null,
  ].filter((one) => one !== null);
  if (said.length === 0) return m.receipt.unchanged;
  const cut = receipt.truncated_cells;
  return html`<ul>${said.map((one) => html`<li>${one}</li>`)}</ul>
    ${cut.length > 0 ? html`<details><summary>${m.receipt.whichCut}</summary><ul>${cut.map((one) => html`<li>${m.receipt.cut(one.sheet, one.cell, one.column, text.number(one.row), text.number(one.length))}</li>`)}</ul></details>` : nothing}`;
}

function took({ started_at: from, finished_at: to }: Receipt): number {
  return Math.max(0, (new Date(to).getTime() - new Date(from).getTime()) / 1000);
}
