/** What an endpoint was sent, try by try, and sending it once more. */
import { LitElement, html, nothing, type PropertyValues } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { attempt } from "../../core/attempt";
import type { Problem } from "../../core/client";
import type { Deliveries, Delivery, Sending } from "../../core/sending";
import * as text from "../../core/text";
import { options, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import "../../elements/when";
import { messages as m } from "../../i18n/pages";
import { sendingStyles } from "./sending-styles";

const PAGE = "20";
/** While something is on its way, it is looked at again this often. */
const AGAIN_MS = 2000;
const SOON_MS = 70_000;
const l = m.sending.webhooks.log;

@customElement("offtake-webhook-log")
export class WebhookLogElement extends LitElement {
  static override styles = [shared, sendingStyles];

  @property({ attribute: false }) sending!: Sending;
  @property() webhook = "";
  /** Another number is a reason to look again. */
  @property({ type: Number }) times = 0;
  @state() private page: Deliveries | null = null;
  @state() private shown: Delivery | null = null;
  @state() private of = "";
  @state() private cursor: string | null = null;
  @state() private problem: Problem | null = null;
  /** Why what was asked for did not work; looking again says nothing about that. */
  @state() private refused: Problem | null = null;
  @state() private said = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (["webhook", "times", "of", "cursor"].some((name) => changed.has(name as never))) void this.load();
  }

  override render() {
    const { page, problem } = this;
    return html`
      <div class="row">
        <label>${l.state} <select @change=${(event: Event) => this.chose(valueOf(event))}>${options([["", l.any], ...Object.entries(l.states)], this.of)}</select></label>
        <button @click=${() => void this.load()}>${m.sending.refresh}</button>
        <span role="status" class="quiet">${this.said}</span>
      </div>
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${this.refused ? html`<offtake-problem .problem=${this.refused}></offtake-problem>` : nothing}
      ${page ? this.table(page) : problem ? nothing : html`<p class="quiet">${m.loading}</p>`}`;
  }

  private table({ deliveries, next_cursor }: Deliveries) {
    if (deliveries.length === 0) return html`<p class="quiet">${this.of ? l.noneOf : l.none}</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${l.title}><table>
        <thead><tr><th scope="col">${l.event}</th><th scope="col">${l.state}</th><th scope="col">${l.asked}</th><th scope="col">${l.tries}</th>
          <th scope="col">${l.answer}</th><th scope="col">${l.next}</th><th scope="col"><span class="unseen">${l.actions}</span></th></tr></thead>
        <tbody>${repeat(deliveries, (one) => one.id, (one) => this.row(one))}</tbody>
      </table></div>
      ${this.cursor || next_cursor
        ? html`<div class="row">
            <button ?disabled=${!this.cursor} @click=${() => (this.cursor = null)}>${l.newest}</button>
            <button ?disabled=${!next_cursor} @click=${() => (this.cursor = next_cursor ?? null)}>${l.older}</button></div>`
        : nothing}`;
  }

  private row(one: Delivery) {
    const isShown = this.shown?.id === one.id;
    const named = (action: string) => m.sending.named(action, `${one.event_type} ${one.seq}`);
    return html`<tr data-delivery=${one.id} data-state=${one.state}>
        <td><code>${one.event_type}</code> <span class="quiet number">#${one.seq}</span></td>
        <td><span class="badge ${one.state === "delivered" ? "good" : one.state === "failed" ? "bad" : "quiet"}">${l.states[one.state]}</span></td>
        <td><offtake-when at=${one.created_at}></offtake-when></td>
        <td class="number">${text.number(one.tries)}</td>
        <td class="long">${one.last_answer ?? html`<span class="quiet">${l.noAnswer}</span>`}</td>
        <td>${one.due_at ? html`<offtake-when at=${one.due_at}></offtake-when>` : html`<span class="quiet">–</span>`}</td>
        <td><div class="row">
          <button aria-label=${named(l.open)} aria-expanded=${isShown} @click=${() => this.opened(one)}>${l.open}</button>
          ${one.state === "pending" ? nothing : html`<button aria-label=${named(l.replay)} @click=${() => this.replayed(one)}>${l.replay}</button>`}
        </div></td>
      </tr>
      ${isShown ? html`<tr><td colspan="7" class="long">${this.whole(this.shown!)}</td></tr>` : nothing}`;
  }

  private whole(one: Delivery) {
    const log = one.log ?? [];
    return html`<div class="inside" tabindex="0" role="region" aria-label=${l.message(one.id)}>
      <p class="quiet"><code>${l.message(one.id)}</code></p>
      ${log.length === 0
        ? html`<p class="quiet">${l.noTries}</p>`
        : html`<table aria-label=${l.attempts}>
            <thead><tr><th scope="col">${l.attempts}</th><th scope="col">${l.at}</th><th scope="col">${l.took}</th><th scope="col">${l.status}</th></tr></thead>
            <tbody>${log.map((tried) => html`<tr><td class="number">${l.attempt(text.number(tried.number))}</td><td><time datetime=${tried.at}>${text.exactly(tried.at)}</time></td>
              <td class="number">${text.milliseconds(tried.took_ms)}</td><td class="long">${tried.answer}</td></tr>`)}</tbody></table>`}
      <details><summary>${l.payload}</summary>
        ${one.payload ? html`<pre class="code" tabindex="0">${JSON.stringify(one.payload, null, 2)}</pre>` : html`<p class="quiet">${l.hidden}</p>`}
      </details>
    </div>`;
  }

  private chose(of: string): void {
    this.of = of;
    this.cursor = null;
    this.shown = null;
  }

  private async opened(one: Delivery): Promise<void> {
    if (this.shown?.id === one.id) {
      this.shown = null;
      return;
    }
    this.refused = await attempt(async () => {
      this.shown = await this.sending.delivery(this.webhook, one.id);
    });
  }

  private async replayed(one: Delivery): Promise<void> {
    this.refused = await attempt(() => this.sending.replay(this.webhook, one.id));
    if (this.refused) return;
    this.said = l.replayed;
    await this.load();
  }

  private async load(): Promise<void> {
    clearTimeout(this.#timer);
    const query = { limit: PAGE, ...(this.of && { state: this.of }), ...(this.cursor && { cursor: this.cursor }) };
    this.problem = await attempt(async () => {
      this.page = await this.sending.deliveries(this.webhook, query);
      if (this.shown) this.shown = await this.sending.delivery(this.webhook, this.shown.id);
    });
    // Whoever sends has taken it for a minute.
    const soon = Date.now() + SOON_MS;
    const isMoving = this.page?.deliveries.some((one) => one.due_at && new Date(one.due_at).getTime() < soon) ?? false;
    if (isMoving && this.isConnected) this.#timer = setTimeout(() => void this.load(), AGAIN_MS);
  }
}
