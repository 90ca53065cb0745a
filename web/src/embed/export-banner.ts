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
    const { selection, total, noun } = this;
    if (selection.mode === "none") return nothing;
    const named = selection.mode === "all" ? 0 : selection.ids.length;
    const chosen = selection.mode === "partial" ? named : Math.max(0, total - named);
    const [count, all] = [text.number(chosen), text.number(total)];
    const said = selection.mode === "all" ? m.banner.all(count, noun) : selection.mode === "partial" ? m.banner.chosen(count, noun) : m.banner.allBut(count, all, text.number(named), noun);
    return html`<div class="bar row" part="banner">
      <strong role="status" class="number">${said}</strong>
      ${selection.mode === "partial" && total > named ? html`<button class="link" @click=${() => this.fire("all")}>${m.banner.selectAll(all, noun)}</button>` : nothing}
      <button class="link" @click=${() => this.fire("clear")}>${m.banner.clear}</button>
      <span class="push"></span>
      <offtake-export-button exportparts="button" of=${this.of} server=${this.server} .token=${this.token} .filters=${this.filters} .selection=${selection}
        ?disabled=${chosen === 0}>${m.banner.download(count, noun)}</offtake-export-button>
    </div>`;
  }

  private fire(type: string): void {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true }));
  }
}
