/**
 * A banner for anybody's table: says how many rows are chosen, and exports them. The page says which: `selection` as a request
 * has it, and `total`, how many pass its filters. Events are those of the button, and `clear` and `all`.
 */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { ClientOptions } from "../core/client";
import type { SelectionRequest } from "../core/selection";
import * as text from "../core/text";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";
import "./export-button";

@customElement("offtake-export-banner")
export class ExportBannerElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; }
      .bar { background: var(--_tint); border-radius: var(--_radius); padding: 8px 12px; min-block-size: 48px; }
      .said { font-weight: 600; }
    `,
  ];

  /** The dataset whose rows are chosen. */
  @property() of = "";
  @property() server = "";
  @property({ attribute: false }) token: ClientOptions["token"];
  @property({ attribute: false }) filters: Readonly<Record<string, unknown>> = {};
  /** What is chosen; nothing by default, and then there is no banner. */
  @property({ attribute: false }) selection: SelectionRequest | { mode: "none" } = { mode: "none" };
  /** How many rows pass the filters. */
  @property({ type: Number }) total = 0;
  /** What the rows are called. */
  @property() noun = m.embed.rows;

  override render() {
    const isChosen = this.selection.mode !== "none";
    // What it says stands in one place all the time: a region that came with its words would not be heard.
    return html`<div class="row ${isChosen ? "bar" : ""}" part=${isChosen ? "banner" : nothing}>
      <span role="status" class="number said">${this.selection.mode === "none" ? nothing : this.said(this.selection)}</span>
      ${this.selection.mode === "none" ? nothing : this.actions(this.selection)}
    </div>`;
  }

  private chosen(selection: SelectionRequest): number {
    return selection.mode === "partial" ? selection.ids.length : Math.max(0, this.total - left(selection));
  }

  private said(selection: SelectionRequest): string {
    const { noun } = this;
    const count = text.number(this.chosen(selection));
    if (selection.mode === "all") return m.banner.all(count, noun);
    if (selection.mode === "partial") return m.banner.chosen(count, noun);
    return m.banner.allBut(count, text.number(this.total), text.number(left(selection)), noun);
  }

  private actions(selection: SelectionRequest) {
    const { total, noun } = this;
    const chosen = this.chosen(selection);
    return html`
      ${selection.mode === "partial" && total > chosen ? html`<button class="link" @click=${() => this.fire("all")}>${m.banner.selectAll(text.number(total), noun)}</button>` : nothing}
      <button class="link" @click=${() => this.fire("clear")}>${m.banner.clear}</button>
      <span class="push"></span>
      <offtake-export-button exportparts="button" of=${this.of} server=${this.server} .token=${this.token} .filters=${this.filters} .selection=${selection}
        ?disabled=${chosen === 0}>${m.banner.download(text.number(chosen), noun)}</offtake-export-button>`;
  }

  private fire(type: string): void {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true }));
  }
}

/** How many rows are left out by name. */
function left(selection: SelectionRequest): number {
  return selection.mode === "all_except" ? selection.ids.length : 0;
}
