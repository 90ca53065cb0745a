/** What to expect of an export before it is asked for: rows, size, time, until when it is kept, and what stands in its way. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Dataset, Preview } from "../../core/client";
import * as text from "../../core/text";
import { messages as m } from "../../i18n";
import { shared } from "../styles";
import { parts } from "./styles";

@customElement("offtake-export-terms")
export class ExportTermsElement extends LitElement {
  static override styles = [
    shared,
    parts,
    css`
      dl { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 0; }
      dt { color: var(--_quiet); font-size: 0.86em; }
      dd { margin: 0; font-weight: 600; }
      p { margin-block-start: 8px; }
      .warn { border-inline-start: 3px solid var(--_bad); padding: 6px 12px; background: var(--_soft); border-radius: var(--_radius); }
    `,
  ];

  @property({ attribute: false }) of!: Dataset;
  @property({ attribute: false }) sample!: Preview;
  @property({ type: Boolean }) isCompressed = false;

  override render() {
    const { sample, of } = this;
    const { refusal } = sample;
    const until = new Date(Date.now() + sample.kept_seconds * 1000).toISOString();
    const took = sample.estimated_seconds;
    return html`
      <dl>
        ${fact(m.dialog.rows, text.number(sample.expected_rows))}
        ${fact(m.dialog.size, m.dialog.about(text.bytes(sample.estimated_bytes)))}
        ${fact(m.dialog.time, took ? m.dialog.about(text.seconds(Math.max(1, took))) : m.dialog.timeUnknown)}
        ${fact(m.dialog.kept, text.day(until))}
      </dl>
      ${refusal ? html`<p class="warn" role="alert"><strong>${m.dialog.refused}</strong> ${sentence(refusal.detail)} ${m.problem.after(text.seconds(refusal.retry_after))}</p>` : nothing}
      ${sample.limited ? html`<p class="warn" role="status"><strong>${m.dialog.cut(text.number(sample.count - sample.expected_rows))}</strong>
        ${m.dialog.limited(text.number(sample.expected_rows), text.number(sample.count), of.key.join(", "))}</p>` : nothing}
      ${of.columns.some((column) => column.shown !== "clear") ? html`<p class="quiet">${m.dialog.sensitive}</p>` : nothing}
      <p class="quiet">${m.dialog.keptUntil(text.at(until))}</p>`;
  }
}

function fact(name: string, value: string) {
  return html`<div><dt>${name}</dt><dd class="number">${value}</dd></div>`;
}

function sentence(said: string): string {
  return `${said.slice(0, 1).toUpperCase()}${said.slice(1)}.`;
}
