/** Values to tick, with how many rows have them. Draws `Facets`; fires `query` with what is asked then. */
import { LitElement, css, html, nothing, svg } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import type { Facet, Filter } from "../core/client";
import { type Choice, choices, Facets } from "../core/facets";
import { type Query, ticked } from "../core/filters";
import * as text from "../core/text";
import type { View } from "../core/view";
import { messages as m } from "../i18n";
import { opened } from "./opened";
import { shared } from "./styles";
import { Watching } from "./watching";

/** Values that are shown of a facet before somebody asks for more. */
const SHOWN = 6;
/** Facets that are open at first. */
const OPEN = 4;
/** Screens that have room beside the table. */
const WIDE = "(min-width: 1000px)";

@customElement("offtake-facets")
export class FacetsElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; min-inline-size: 0; }
      details details { border-block-start: 1px solid var(--_line); }
      summary { cursor: pointer; padding: 6px 2px; font-weight: 600; }
      ul { list-style: none; margin: 0 0 6px; padding: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: 2px; }
      label { position: relative; display: flex; gap: 8px; align-items: center; padding: 3px 6px; border-radius: var(--_radius); overflow: hidden; min-block-size: 26px; }
      label:hover { background: var(--_soft); }
      label > * { position: relative; flex: none; }
      label > .value { flex: 1; min-inline-size: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
      label > svg { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; pointer-events: none; }
      rect { fill: var(--_tint); }
      .rest { display: flex; gap: 8px; padding: 1px 6px; justify-content: space-between; }
    `,
  ];

  @property({ attribute: false }) view!: View;
  @state() private whole: readonly string[] = [];
  protected readonly watching = new Watching(this, () => this.#facets);
  #facets: Facets | undefined;
  #isOpen = matchMedia(WIDE).matches;

  protected override willUpdate(): void {
    if (this.#facets?.view === this.view) return;
    this.#facets?.want(false);
    this.#facets = new Facets(this.view);
    this.#facets.want(this.#isOpen && this.isConnected);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#facets?.want(this.#isOpen);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#facets?.want(false);
  }

  override render() {
    const facets = this.#facets!;
    const { state } = facets;
    if (facets.filters.length === 0) return nothing;
    return html`<details ?open=${this.#isOpen} @toggle=${this.toggled}>
      <summary>${m.facets.title}</summary>
      ${state.problem
        ? html`<p role="status" class="quiet">${m.facets.problem(state.problem.title)}
            <button class="link" @click=${() => void facets.again()}>${m.retry}</button></p>`
        : nothing}
      ${state.exact ? nothing : html`<p class="quiet">${m.facets.inexact}</p>`}
      <div aria-busy=${state.isLoading}>
        ${repeat(facets.filters, (filter) => `${this.view.dataset.name} ${filter.name}`, (filter, index) => this.facet(filter, state.facets.find((one) => one.column === filter.columns[0]), index))}
      </div>
    </details>`;
  }

  private facet(filter: Filter, facet: Facet | undefined, index: number) {
    const label = this.view.dataset.columns.find(({ name }) => name === filter.columns[0])?.label ?? filter.name;
    const all = choices(facet, this.view.state.query, filter.name);
    const isTicked = all.some((one) => one.isTicked);
    // What has no values to choose from takes no room.
    if (facet && all.length === 0) return nothing;
    const isWhole = this.whole.includes(filter.name);
    const shown = isWhole ? all : all.filter((one, place) => place < SHOWN || one.isTicked);
    const total = (facet?.nulls ?? 0) + (facet?.others ?? 0) + all.reduce((sum, one) => sum + one.count, 0);
    return html`<details ${opened(index < OPEN || isTicked)}>
      <summary>${label}</summary>
      <div role="group" aria-label=${label}>
        <ul>${repeat(shown, (one) => one.value, (one) => this.choice(filter, one, total))}</ul>
      </div>
      ${all.length > shown.length || isWhole
        ? html`<button class="link" @click=${() => this.more(filter.name, !isWhole)}>
            ${isWhole ? m.facets.fewer(label) : m.facets.more(text.number(all.length - shown.length), label)}
          </button>`
        : nothing}
      ${this.rest(m.facets.none, facet?.nulls ?? 0)}
      ${this.rest(m.facets.others, facet?.others ?? 0)}
    </details>`;
  }

  private choice(filter: Filter, { value, count, isTicked }: Choice, total: number) {
    const share = total > 0 ? (count / total) * 100 : 0;
    return html`<li><label title=${value}>
      ${share > 0 ? html`<svg aria-hidden="true" focusable="false">${svg`<rect width="${share.toFixed(1)}%" height="100%"></rect>`}</svg>` : nothing}
      <input type="checkbox" .checked=${live(isTicked)} @change=${(event: Event) => this.chose(filter, value, event)} />
      <span class="value">${value === "" ? m.facets.empty : value}</span>
      <span class="number quiet">${this.counted(count)}</span>
    </label></li>`;
  }

  private rest(what: string, rows: number) {
    return rows === 0 ? nothing : html`<p class="rest quiet"><span>${what}</span><span class="number">${this.counted(rows)}</span></p>`;
  }

  private counted(count: number): string {
    return this.#facets!.state.exact ? text.number(count) : m.facets.atLeast(text.number(count));
  }

  private chose(filter: Filter, value: string, event: Event): void {
    const isWanted = (event.target as HTMLInputElement).checked;
    const query = ticked(this.view.state.query, filter.name, value, isWanted);
    this.dispatchEvent(new CustomEvent<Query>("query", { detail: query }));
  }

  private more(name: string, isWhole: boolean): void {
    this.whole = isWhole ? [...this.whole, name] : this.whole.filter((one) => one !== name);
  }

  private readonly toggled = (event: Event): void => {
    if (event.target !== event.currentTarget) return;
    this.#isOpen = (event.currentTarget as HTMLDetailsElement).open;
    this.#facets?.want(this.#isOpen);
  };
}
