/** How a file begins. */
import { LitElement, css, html } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Preview } from "../../core/client";
import { messages as m } from "../../i18n";
import { cell } from "../cell";
import { shared } from "../styles";
import { parts } from "./styles";

@customElement("offtake-export-sample")
export class ExportSampleElement extends LitElement {
  static override styles = [
    shared,
    parts,
    css`
      section { display: grid; grid-template-columns: minmax(0, 1fr); gap: 6px; }
      .scroll { overflow: auto; max-block-size: 220px; border: 1px solid var(--_line); border-radius: var(--_radius); }
      table { border-collapse: collapse; }
      th, td { padding: 3px 8px; text-align: start; white-space: nowrap; border-block-end: 1px solid var(--_line); }
      th { background: var(--_soft); position: sticky; inset-block-start: 0; }
      td .cut { display: block; max-inline-size: 240px; overflow: hidden; text-overflow: ellipsis; }
    `,
  ];

  @property({ attribute: false }) sample!: Preview;

  override render() {
    const { columns, rows } = this.sample;
    return html`<section>
      <h3>${m.dialog.preview}</h3>
      <div class="scroll" tabindex="0" role="region" aria-label=${m.dialog.preview}>
        <table>
          <thead><tr>${columns.map((column) => html`<th scope="col">${column.header}</th>`)}</tr></thead>
          <tbody>${rows.map((row) => html`<tr>${columns.map((column) => html`<td>${cell({ ...column, sensitive: false, shown: "clear" }, row[column.header] ?? row[column.name])}</td>`)}</tr>`)}</tbody>
        </table>
      </div>
    </section>`;
  }
}
