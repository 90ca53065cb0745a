/** What is chosen, in words, and what can be done with it. Draws a `View`; fires `download` and `undo`. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { MOST_IDENTITIES, isSayable, named } from "../core/selection";
import * as text from "../core/text";
import type { View } from "../core/view";
import { messages as m } from "../i18n";
import { shared } from "./styles";
import { Watching } from "./watching";

@customElement("offtake-banner")
export class BannerElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; }
      .bar { background: var(--_tint); border-radius: var(--_radius); padding: 8px 12px; min-block-size: 48px; }
    `,
  ];

  @property({ attribute: false }) view!: View;
  @property({ type: Boolean }) mayExport = true;
  protected readonly watching = new Watching(this, () => this.view);

  override render() {
    const { state } = this.view;
    if (state.selection.mode === "none") return state.dropped ? this.droppedBar() : nothing;
    const { chosen } = this.view;
    const noun = this.noun(chosen ?? 0);
    const count = chosen === null ? "…" : text.number(chosen);
    return html`<div class="bar row">
      <strong role="status" class="number">${this.said(count, noun)}</strong>
      ${state.countedAt ? html`<span class="quiet">${m.table.countedAt(text.at(state.countedAt.toISOString()))}</span>` : nothing}
      ${state.selection.mode === "partial" && state.count !== null && state.count > named(state.selection)
        ? html`<button class="link" @click=${() => this.view.chooseAll()}>${m.banner.selectAll(text.number(state.count), this.noun(state.count))}</button>`
        : nothing}
      <button class="link" @click=${() => this.view.chooseNone()}>${m.banner.clear}</button>
      <span class="push"></span>
      ${isSayable(state.selection)
        ? html`<button class="primary" ?disabled=${!this.mayExport || chosen === null || chosen === 0} @click=${this.download}>
            ${m.banner.download(count, noun)}
          </button>`
        : html`<span role="alert">${m.banner.tooMany(text.number(MOST_IDENTITIES))}</span>`}
    </div>`;
  }

  private droppedBar() {
    return html`<div class="bar row" role="status">
      <span>${m.banner.dropped}</span>
      <button class="link" @click=${() => this.dispatchEvent(new Event("undo"))}>${m.banner.undo}</button>
    </div>`;
  }

  private said(count: string, noun: string): string {
    const { selection, count: total } = this.view.state;
    if (selection.mode === "all") return m.banner.all(count, noun);
    if (selection.mode !== "all_except") return m.banner.chosen(count, noun);
    return m.banner.allBut(count, total === null ? "…" : text.number(total), text.number(named(selection)), noun);
  }

  private noun(count: number): string {
    const title = this.view.dataset.title.toLowerCase();
    return count === 1 ? title.replace(/s$/, "") : title;
  }

  private readonly download = (): void => {
    this.dispatchEvent(new Event("download"));
  };
}
