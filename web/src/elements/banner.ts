/**
 * What is chosen, in words, and what can be done with it. Draws a `View`; fires `download`, `undo`, and `left` when
 * the button that was pressed is there no more.
 */
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
      .chosen { font-weight: 600; }
    `,
  ];

  @property({ attribute: false }) view!: View;
  @property({ type: Boolean }) mayExport = true;
  protected readonly watching = new Watching(this, () => this.view);

  override render() {
    const { state, chosen } = this.view;
    const isChosen = state.selection.mode !== "none";
    // What it says stands in one place all the time: a region that came with its words would not be heard.
    return html`<div class="row ${isChosen || state.dropped ? "bar" : ""}">
      <span role="status" class="number ${isChosen ? "chosen" : ""}">${isChosen ? this.said(chosen) : state.dropped ? m.banner.dropped : nothing}</span>
      ${isChosen ? this.actions(chosen) : state.dropped ? html`<button class="link" @click=${this.undone}>${m.banner.undo}</button>` : nothing}
    </div>`;
  }

  private actions(chosen: number | null) {
    const { state } = this.view;
    return html`
      ${state.countedAt ? html`<span class="quiet">${m.table.countedAt(text.at(state.countedAt.toISOString()))}</span>` : nothing}
      ${state.selection.mode === "partial" && state.count !== null && state.count > named(state.selection)
        ? html`<button class="link" @click=${this.allChosen}>${m.banner.selectAll(text.number(state.count), this.noun(state.count))}</button>`
        : nothing}
      <button class="link clear" @click=${this.cleared}>${m.banner.clear}</button>
      <span class="push"></span>
      ${isSayable(state.selection)
        ? html`<button class="primary" ?disabled=${!this.mayExport || chosen === null || chosen === 0} @click=${this.download}>
            ${m.banner.download(chosen === null ? "…" : text.number(chosen), this.noun(chosen ?? 0))}
          </button>`
        : html`<span role="alert">${m.banner.tooMany(text.number(MOST_IDENTITIES))}</span>`}`;
  }

  private said(chosen: number | null): string {
    const { selection, count: total } = this.view.state;
    const [count, noun] = [chosen === null ? "…" : text.number(chosen), this.noun(chosen ?? 0)];
    if (selection.mode === "all") return m.banner.all(count, noun);
    if (selection.mode !== "all_except") return m.banner.chosen(count, noun);
    return m.banner.allBut(count, total === null ? "…" : text.number(total), text.number(named(selection)), noun);
  }

  private noun(count: number): string {
    return m.noun(this.view.dataset.title, count);
  }

  /** Whoever pressed a button that is gone goes on at its neighbour. */
  private readonly allChosen = async (): Promise<void> => {
    this.view.chooseAll();
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".clear")?.focus();
  };

  private readonly cleared = (): void => {
    this.view.chooseNone();
    this.dispatchEvent(new Event("left"));
  };

  private readonly undone = (): void => {
    this.dispatchEvent(new Event("undo"));
    this.dispatchEvent(new Event("left"));
  };

  private readonly download = (): void => {
    this.dispatchEvent(new Event("download"));
  };
}
