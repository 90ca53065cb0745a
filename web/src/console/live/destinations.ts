/** Buckets of the organization's own: how the last delivery to each went, which schedules use it, and whether it still takes files. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { attempt } from "../../core/attempt";
import type { Client, Problem, Session } from "../../core/client";
import { type Destination, type Schedule, Sending, destinationOf } from "../../core/sending";
import * as text from "../../core/text";
import "../../elements/confirm";
import type { ConfirmElement } from "../../elements/confirm";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import "../../elements/when";
import { messages as m } from "../../i18n/pages";
import { may } from "../rows-page";
import "./destinations-form";
import type { DestinationFormElement } from "./destinations-form";
import { sendingStyles } from "./sending-styles";

const NEEDS = "admin";
/** While a delivery is under way, it is looked at again this often. */
const AGAIN_MS = 2000;
const d = m.sending.destinations;

@customElement("offtake-destinations")
export class DestinationsElement extends LitElement {
  static override styles = [shared, sendingStyles];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) session!: Session;
  @state() private destinations: readonly Destination[] | null = null;
  /** As far as one may see them. */
  @state() private schedules: readonly Schedule[] = [];
  @state() private problem: Problem | null = null;
  /** Why a file is not delivered again or a form not opened; looking again says nothing about that. */
  @state() private undone: Problem | null = null;
  @state() private said = "";
  /** What is being probed, and what the last probe that failed said. */
  @state() private probing = "";
  @state() private refused: { readonly id: string; readonly problem: Problem } | null = null;
  @query("offtake-destination-form") private form!: DestinationFormElement;
  @query("offtake-confirm") private question!: ConfirmElement;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    if (may(this.session, NEEDS)) void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  override render() {
    if (!may(this.session, NEEDS)) return html`<p class="note">${m.sending.needs(NEEDS)}</p>`;
    const { destinations, problem } = this;
    return html`
      <div class="row"><p class="quiet">${d.lead}</p><span class="push"></span>
        <button class="primary" id="make" @click=${() => this.edit(null)}>${d.new}</button></div>
      <p role="status" class=${this.said ? "note" : "unseen"}>${this.said}</p>
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${this.undone ? html`<offtake-problem .problem=${this.undone}></offtake-problem>` : nothing}
      ${destinations === null
        ? problem ? nothing : html`<p class="quiet">${m.loading}</p>`
        : destinations.length === 0
          ? html`<div class="nothing"><strong>${d.none}</strong><span class="quiet">${d.noneDetail}</span></div>`
          : html`<ul class="cards">${repeat(destinations, (one) => one.id, (one) => this.card(one))}</ul>`}
      <offtake-destination-form .sending=${this.sending} @saved=${this.saved}></offtake-destination-form>
      <offtake-confirm></offtake-confirm>`;
  }

  private card(one: Destination) {
    const named = (action: string) => m.sending.named(action, one.name);
    const users = this.usersOf(one);
    const refused = this.refused?.id === one.id ? this.refused.problem : null;
    return html`<li data-destination=${one.id}>
      <div class="row"><span class="name">${one.name}</span><span class="quiet">${one.endpoint ? d.at(one.endpoint, one.region) : d.amazon(one.region)}</span></div>
      <p><code>s3://${one.bucket}/${one.prefix}</code> <span class="quiet">· ${d.key(one.access_key)}</span></p>
      <dl class="facts">
        <div><dt>${d.last}</dt><dd>${this.delivery(one)}</dd></div>
        <div><dt>${d.probed}</dt><dd><offtake-when at=${one.probed_at}></offtake-when></dd></div>
        <div><dt>${d.used}</dt><dd>${users.length > 0 ? users.map((schedule) => schedule.name).join(", ") : html`<span class="quiet">${d.unused}</span>`}</dd></div>
      </dl>
      ${this.probing === one.id ? html`<div role="status"><progress aria-label=${named(d.probe)}></progress><p class="quiet">${d.probing}</p></div>` : nothing}
      ${refused ? html`<div class="why" role="alert"><strong>${d.refused(one.name)}</strong> ${[refused.detail, ...refused.errors.map((error) => error.detail)].at(-1)}</div>` : nothing}
      <div class="row">
        <button aria-label=${named(d.probe)} ?disabled=${this.probing !== ""} @click=${() => this.probed(one)}>${d.probe}</button>
        ${one.last_delivery?.state === "failed"
          ? html`<button aria-label=${named(d.deliver)} @click=${() => this.delivered(one)}>${d.deliver}</button>`
          : nothing}
        <button aria-label=${named(m.sending.edit)} @click=${() => this.edit(one.id)}>${m.sending.edit}</button>
        <button aria-label=${named(m.sending.delete)} @click=${() => this.deleted(one)}>${m.sending.delete}</button>
      </div>
    </li>`;
  }

  private delivery({ last_delivery: last }: Destination) {
    if (!last) return html`<span class="quiet">${d.noDelivery}</span>`;
    const look = last.state === "delivered" ? "good" : last.state === "failed" ? "bad" : "quiet";
    return html`<span class="badge ${look}">${d.delivery[last.state]}</span>
      ${last.delivered_at ? html`<offtake-when at=${last.delivered_at}></offtake-when>` : html`<span class="quiet">${d.tries(last.tries, text.number(last.tries))}</span>`}
      ${last.key ? html`<br /><code>${last.key}</code>` : nothing}${last.error && last.state !== "delivered" ? html`<br />${last.error}` : nothing}`;
  }

  private get sending(): Sending {
    return new Sending(this.client);
  }

  private usersOf(one: Destination): Schedule[] {
    return this.schedules.filter((schedule) => destinationOf(schedule.request)?.id === one.id);
  }

  private async load(): Promise<void> {
    clearTimeout(this.#timer);
    this.problem = await attempt(async () => {
      this.destinations = await this.sending.destinations();
    });
    // Who may not see schedules sees destinations all the same.
    await attempt(async () => {
      this.schedules = await this.sending.schedules();
    });
    clearTimeout(this.#timer);
    const isMoving = this.destinations?.some(({ last_delivery: last }) => last?.state === "pending") ?? false;
    if (isMoving && this.isConnected) this.#timer = setTimeout(() => void this.load(), AGAIN_MS);
  }

  private async probed(one: Destination): Promise<void> {
    this.probing = one.id;
    this.refused = null;
    this.said = "";
    const problem = await attempt(() => this.sending.probe(one.id));
    this.probing = "";
    if (problem) {
      this.refused = { id: one.id, problem };
      return;
    }
    this.said = d.works(one.name);
    await this.load();
  }

  private async delivered(one: Destination): Promise<void> {
    this.undone = await attempt(() => this.sending.deliverAgain(one.last_delivery!.job_id));
    if (this.undone) return;
    this.said = d.delivering;
    await this.load();
  }

  private async edit(id: string | null): Promise<void> {
    this.undone = await this.form.open(id);
  }

  private deleted(one: Destination): void {
    const users = this.usersOf(one).map((schedule) => schedule.name).join(", ");
    const detail = `${d.deleteDetail}${users ? ` ${d.deleteUsed(users)}` : ""}`;
    const work = () => this.sending.deleteDestination(one.id).then(() => this.load());
    void this.question.ask({ title: d.deleteTitle(one.name), detail, act: m.sending.delete, work, next: () => this.renderRoot.querySelector("#make") });
  }

  private readonly saved = (event: CustomEvent<Destination>): void => {
    const { id, name, probed_at } = event.detail;
    const before = this.destinations?.find((one) => one.id === id);
    // Another name alone is not probed.
    this.said = before && before.probed_at === probed_at ? d.saved(name) : d.works(name);
    void this.load();
  };
}
