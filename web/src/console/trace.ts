/** One trace: its spans as a tree with a time axis, and what was said in the one that is looked at. */
import { LitElement, css, html, nothing, svg } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { type Client, Problem, type Row } from "../core/client";
import * as text from "../core/text";
import { messagesOf, type Span, treeOf } from "../core/trace";
import "../elements/problem";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

/** Rows of a page, which is the most that is drawn. */
const MOST_SPANS = 1000;
const WIDTH = 1000;

@customElement("offtake-trace")
export class TraceElement extends LitElement {
  static override styles = [
    shared,
    css`
      dialog { inline-size: min(1180px, calc(100vw - 24px)); block-size: calc(100dvh - 24px); }
      .body { display: grid; gap: 12px; padding: 14px 20px 20px; }
      header { position: sticky; inset-block-start: 0; background: var(--_surface); z-index: 1; padding-block: 4px; }
      h2 { overflow-wrap: anywhere; }
      .halves { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 20px; }
      @media (max-width: 900px) { .halves { grid-template-columns: minmax(0, 1fr); } }
      ul { list-style: none; margin: 0; padding: 0; }
      li button {
        display: grid; grid-template-columns: minmax(150px, 2fr) minmax(80px, 3fr) 76px; gap: 8px; align-items: center; inline-size: 100%;
        border: 0; border-radius: 4px; text-align: start; padding: 2px 6px; background: none;
      }
      li button[aria-pressed="true"] { background: var(--_tint); }
      @media (max-width: 560px) { li button { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); } .time { display: none; } }
      .name { overflow: hidden; text-overflow: ellipsis; display: block; }
      .d1 { padding-inline-start: 14px; } .d2 { padding-inline-start: 28px; } .d3 { padding-inline-start: 42px; } .d4 { padding-inline-start: 56px; }
      .d5 { padding-inline-start: 70px; } .d6 { padding-inline-start: 84px; } .d7 { padding-inline-start: 98px; } .d8 { padding-inline-start: 112px; }
      svg { inline-size: 100%; block-size: 14px; background: var(--_soft); border-radius: 3px; }
      rect { fill: var(--_accent); } rect.bad { fill: var(--_bad); }
      .time { text-align: end; }
      article { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 8px 12px; margin-block: 6px; }
      article.assistant { background: var(--_tint); }
      article pre { font-family: inherit; font-size: inherit; max-block-size: 320px; overflow: auto; }
      h3 { margin-block-start: 10px; }
      dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 14px; margin: 0; }
      dt { color: var(--_quiet); } dd { margin: 0; overflow-wrap: anywhere; }
      summary { cursor: pointer; padding-block: 6px; font-weight: 600; }
      .bad { color: var(--_bad); }
      @media print {
        header { position: static; }
        .body { padding: 0; }
        .name { overflow: visible; overflow-wrap: anywhere; }
        li button { inline-size: 100%; }
      }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property() trace = "";
  @state() private rows: readonly Row[] = [];
  @state() private problem: Problem | null = null;
  @state() private chosen = "";
  @state() private isCut = false;
  @query("dialog") private dialog!: HTMLDialogElement;

  protected override firstUpdated(): void {
    this.dialog.showModal();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has("trace")) void this.load();
  }

  override render() {
    const { spans, lasts } = treeOf(this.rows);
    const span = spans.find((one) => one.id === this.chosen) ?? spans[0];
    const cost = spans.reduce((sum, { row }) => sum + Number(row["cost_usd"] ?? 0), 0);
    const tokens = spans.reduce((sum, { row }) => sum + Number(row["total_tokens"] ?? 0), 0);
    return html`<dialog aria-labelledby="title" @close=${() => this.dispatchEvent(new Event("close"))}><div class="body">
      <header class="row"><h2 id="title">${m.trace.title(this.trace)}</h2><span class="push"></span>
        <button @click=${() => this.dialog.close()}>${m.trace.close}</button></header>
      ${this.problem ? html`<offtake-problem again .problem=${this.problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${span
        ? html`<p class="number">${m.trace.spans(spans.length, text.number(spans.length))} · ${m.trace.duration} ${text.milliseconds(lasts)} ·
            ${m.trace.tokens} ${text.number(tokens)}${spans.some(({ row }) => row["cost_usd"] != null) ? html` · ${m.trace.cost} ${text.dollars(cost)}` : nothing}</p>
          ${this.isCut ? html`<p class="quiet">${m.trace.truncated(text.number(spans.length))}</p>` : nothing}
          <div class="halves">
            <ul aria-label=${m.trace.tree}>${spans.map((one) => this.bar(one, lasts, one === span))}</ul>
            ${this.details(span)}
          </div>`
        : this.problem ? nothing : html`<p class="quiet">${m.loading}</p>`}
    </div></dialog>`;
  }

  private bar(span: Span, lasts: number, isChosen: boolean) {
    const scale = lasts > 0 ? WIDTH / lasts : 0;
    const isBad = span.row["status_code"] === "ERROR";
    const x = Math.min(span.begins * scale, WIDTH - 4);
    return html`<li><button aria-pressed=${isChosen} @click=${() => (this.chosen = span.id)}>
      <span class="name d${Math.min(span.depth, 8)} ${isBad ? "bad" : ""}">${span.row["name"]}</span>
      <svg viewBox="0 0 ${WIDTH} 14" preserveAspectRatio="none" aria-hidden="true">
        ${svg`<rect class=${isBad ? "bad" : ""} x=${x} y="3" width=${Math.max(span.lasts * scale, 4)} height="8"></rect>`}
      </svg>
      <span class="number quiet time">${text.milliseconds(span.lasts)}</span>
    </button></li>`;
  }

  private details({ row }: Span) {
    const facts = ["type", "service", "provider", "model", "environment", "user_id", "session_id", "status_code", "status_message", "started_at", "total_tokens", "cost_usd", "span_id"];
    return html`<section aria-label=${m.trace.details}>
      <h3>${row["name"]}</h3>
      <dl>${facts.filter((fact) => row[fact] != null && row[fact] !== "").map((fact) => html`<dt>${fact}</dt><dd>${String(row[fact])}</dd>`)}</dl>
      ${this.content(m.trace.input, row["input"])}
      ${this.content(m.trace.output, row["output"])}
      ${this.raw(m.trace.attributes, row["attributes"])}
      ${this.raw(m.trace.events, row["events"])}
    </section>`;
  }

  private content(title: string, value: unknown) {
    if (value == null || value === "") return nothing;
    const said = messagesOf(value);
    return html`<h3>${title}</h3>${said
      ? said.map(({ role, text: words }) => html`<article class=${role}><strong>${m.trace.roles[role] ?? role}</strong><pre tabindex="0">${words}</pre></article>`)
      : html`<article><pre tabindex="0">${typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre></article>`}`;
  }

  private raw(title: string, value: unknown) {
    const isEmpty = value == null || JSON.stringify(value) === "[]" || JSON.stringify(value) === "{}";
    return isEmpty ? nothing : html`<details><summary>${title}</summary><pre tabindex="0">${JSON.stringify(value, null, 2)}</pre></details>`;
  }

  private async load(): Promise<void> {
    const { trace } = this;
    this.rows = [];
    this.problem = null;
    try {
      const page = await this.client.rows("spans", { trace_id: trace, limit: MOST_SPANS });
      if (trace !== this.trace) return;
      this.rows = page.rows;
      this.isCut = page.next_cursor !== null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    }
  }
}
