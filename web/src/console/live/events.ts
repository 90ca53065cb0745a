/** Events as they happen: which, since when, how many, and each in words. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { Listed } from "../../core/buffer";
import type { Client, Session } from "../../core/client";
import { lineOf } from "./event-line";
import { EventStream, MOST_EVENTS, NUMBER_FILTERS, TEXT_FILTERS, typesFor } from "../../core/stream";
import * as text from "../../core/text";
import { control, field, forms } from "../../elements/field";
import { opened } from "../../elements/opened";
import { shared } from "../../elements/styles";
import { Watching } from "../../elements/watching";
import { messages as m } from "../../i18n/pages";
import { inZoneOf, parse } from "../route";
import { may } from "../rows-page";
import { eventStyles } from "./event-styles";
import "./first-event";
import { pace, paceStyles } from "./pace";
import { type Wish, hashOf, isSame, wishOf } from "./wish";

const words = m.live.events;
/** The rate and its picture move although nothing comes. */
const TICK_MS = 1000;
/** Whoever leaves the page and comes back goes on where he was. */
const streams = new WeakMap<Client, EventStream>();

@customElement("offtake-events")
export class EventsElement extends LitElement {
  static override styles = [shared, forms, paceStyles, eventStyles, css`:host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }`];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) session!: Session;
  @state() private opened: ReadonlySet<number> = new Set();
  #stream: EventStream | undefined;
  #ticks: ReturnType<typeof setInterval> | undefined;
  protected readonly watching = new Watching(this, () => this.#stream);

  override connectedCallback(): void {
    super.connectedCallback();
    this.#ticks = setInterval(() => this.requestUpdate(), TICK_MS);
    addEventListener("hashchange", this.moved);
    this.#stream?.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#ticks);
    removeEventListener("hashchange", this.moved);
    this.#stream?.stop();
  }

  protected override willUpdate(): void {
    if (this.#stream) return;
    const known = streams.get(this.client);
    this.#stream = known ?? new EventStream(this.client, typesFor(this.session, may));
    streams.set(this.client, this.#stream);
    // An address that says nothing leaves what was wanted before.
    const said = wishOf(location.hash, this.#stream.offered);
    const isSaid = !isSame(said, { types: this.#stream.offered, filters: {} }, this.#stream.offered);
    if (isSaid && !isSame(said, this.#stream, this.#stream.offered)) this.#stream.ask(said.types, said.filters);
    else this.keep();
    this.#stream.start();
  }

  override render() {
    const stream = this.#stream!;
    return html`
      ${this.choice(stream)}
      ${this.controls(stream)}
      ${this.notices(stream)}
      ${stream.types.length === 0
        ? html`<div class="nothing"><h2>${words.nothingChosen}</h2><p class="quiet">${words.nothingChosenDetail}</p></div>`
        : stream.buffer.shown.length === 0 ? this.waiting(stream) : this.list(stream)}`;
  }

  private choice(stream: EventStream) {
    const isFiltered = Object.values(stream.filters).some(Boolean);
    const refused = stream.refusal;
    const at = (name: string) => refused?.errors.filter(({ pointer }) => pointer.startsWith(`/filters/${name}`)).map(({ detail }) => detail).join("; ") || undefined;
    const input = (name: string, hint?: string) => {
      const of = { id: name, label: words.fields[name]!, hint, error: at(name) };
      return field(of, html`<input type="text" name=${name} autocomplete="off" inputmode=${hint ? "text" : "decimal"} .value=${stream.filters[name] ?? ""} ${control(of)} />`);
    };
    return html`
      <fieldset class="types"><legend>${words.types}</legend>
        ${stream.offered.map((type) => html`<label><input type="checkbox" .checked=${stream.types.includes(type)} @change=${(event: Event) => this.chose(type, event)} />
          <span class="dot ${type}"></span>${m.live.types[type]}</label>`)}
      </fieldset>
      <details class="filters" ${opened(isFiltered || refused !== null)}><summary>${words.filters}${isFiltered ? html` <span class="badge">${text.number(Object.values(stream.filters).filter(Boolean).length)}</span>` : nothing}</summary>
        <form novalidate @submit=${this.filtered}>
          ${refused && refused.errors.length === 0 ? html`<div role="alert" class="notice bad"><strong>${words.refused}</strong> ${refused.detail}</div>` : nothing}
          <div class="grid">${TEXT_FILTERS.map((name) => input(name, words.several))}${NUMBER_FILTERS.map((name) => input(name))}</div>
          <p class="hint">${words.filtersHint}</p>
          <div class="row"><button class="primary">${words.apply}</button>
            <button type="button" ?disabled=${!isFiltered} @click=${this.cleared}>${words.clearFilters}</button></div>
        </form>
      </details>`;
  }

  private controls(stream: EventStream) {
    const { buffer } = stream;
    const { standing } = stream;
    return html`<div class="controls">
      <div class="row">
        <button id="pause" class=${buffer.isPaused ? "primary" : ""} @click=${() => (buffer.isPaused ? stream.resume() : stream.pause())}>${buffer.isPaused ? words.resume : words.pause}</button>
        ${buffer.heldCount > 0 ? html`<button @click=${() => this.leaving(() => stream.release())}>${words.more(buffer.heldCount, text.number(buffer.heldCount))}</button>` : nothing}
        <button ?disabled=${buffer.shown.length === 0} @click=${() => this.leaving(() => stream.clear())}>${words.clear}</button>
        ${buffer.heldCount > buffer.kept ? html`<span class="quiet">${words.moreKept(text.number(buffer.kept))}</span>` : nothing}
      </div>
      <div class="standing">
        <span role="status" class=${standing}><span class="lamp"></span>${words.connection[standing]}</span>
        ${standing === "broken" ? html`<button class="link" @click=${() => stream.hurry()}>${words.hurry}</button>` : nothing}
      </div>
      ${pace(stream.rate, Date.now())}
    </div>`;
  }

  private notices({ leftOut }: EventStream) {
    if (!leftOut) return nothing;
    const said = leftOut.isFetched ? words.fetched : words.leftOut;
    return html`<div role="status" class="notice"><p>${said(leftOut.missed, text.number(leftOut.missed))}</p>
      <button class="link" @click=${() => this.leaving(() => this.#stream!.dismiss())}>${words.dismiss}</button></div>`;
  }

  private waiting(stream: EventStream) {
    const isNarrowed = Object.values(stream.filters).some(Boolean) || stream.types.length < stream.offered.length;
    return html`<div class="nothing"><h2>${words.none}</h2>
      ${isNarrowed ? html`<p class="quiet">${words.noneFiltered}</p>` : nothing}
      <p class="quiet">${words.noneDetail}</p>
      <offtake-first-event .org=${this.session.org_id}></offtake-first-event></div>`;
  }

  private list({ buffer }: EventStream) {
    const count = buffer.shown.length;
    return html`<div role="log" aria-live="off" aria-label=${words.list} class="log"><ul>
        ${repeat(buffer.shown, ({ key }) => key, (one) => guard([one, this.opened.has(one.key)], () => this.row(one)))}
      </ul></div>
      <p class="quiet number">${words.listed(count, text.number(count))}${count === MOST_EVENTS ? ` · ${words.most(text.number(MOST_EVENTS))}` : ""}</p>`;
  }

  private row({ key, event }: Listed) {
    const { kind, words: what, tone, to } = lineOf(event);
    const time = text.clock(event.timestamp);
    const isOpen = this.opened.has(key);
    return html`<li class=${tone}>
      <time datetime=${event.timestamp} title=${text.exactly(event.timestamp)}>${time}</time>
      <span class="kind"><span class="dot ${event.event_type}"></span>${kind}</span>
      ${to ? html`<a class="what" href=${inZoneOf(location.hash, to.href)} aria-description=${to.title}>${what}</a>` : html`<span class="what">${what}</span>`}
      <details ?open=${isOpen} @toggle=${(toggle: Event) => this.toggled(key, toggle)}><summary aria-label=${words.jsonOf(kind, time)}>${words.json}</summary>
        ${isOpen ? html`<pre tabindex="0">${JSON.stringify({ ...event, type: undefined }, null, 2)}</pre>` : nothing}</details>
    </li>`;
  }

  /** Does what takes its own button away, and leaves the focus where one goes on. */
  private leaving(act: () => void): void {
    act();
    this.renderRoot.querySelector<HTMLElement>("#pause")?.focus();
  }

  private chose(type: string, event: Event): void {
    const stream = this.#stream!;
    const isWanted = (event.target as HTMLInputElement).checked;
    this.want({ types: stream.offered.filter((one) => (one === type ? isWanted : stream.types.includes(one))), filters: stream.filters });
  }

  private readonly filtered = (event: Event): void => {
    event.preventDefault();
    const said = new FormData(event.target as HTMLFormElement);
    this.want({ types: this.#stream!.types, filters: Object.fromEntries([...said].map(([name, value]) => [name, String(value).trim()])) });
  };

  private readonly cleared = (): void => {
    this.want({ types: this.#stream!.types, filters: {} });
    // The button is of no use then.
    this.renderRoot.querySelector<HTMLInputElement>(".filters input")?.focus();
  };

  private want({ types, filters }: Wish): void {
    this.#stream!.ask(types, filters);
    this.keep();
  }

  /** Keeps what is wanted in the address bar, for a reload and for others. */
  private keep(): void {
    const hash = inZoneOf(location.hash, hashOf(this.#stream!, this.#stream!.offered));
    const isBare = location.hash.replace(/\/$/, "") === "#/live" && hash === "#/live/events";
    if (hash !== location.hash && !isBare) history.replaceState(null, "", hash);
  }

  private readonly moved = (): void => {
    const { page, tab } = parse(location.hash);
    if (page !== "live" || (tab !== "" && tab !== "events")) return;
    const stream = this.#stream;
    if (!stream) return;
    const said = wishOf(location.hash, stream.offered);
    if (!isSame(said, stream, stream.offered)) stream.ask(said.types, said.filters);
  };

  private toggled(key: number, event: Event): void {
    const isOpen = (event.target as HTMLDetailsElement).open;
    if (isOpen === this.opened.has(key)) return;
    const opened = new Set(this.opened);
    if (isOpen) opened.add(key);
    else opened.delete(key);
    this.opened = opened;
  }
}
