/** Endpoints that are told of events: which there are, how it stands with them, and what they were sent. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { attempt } from "../../core/attempt";
import type { Client, Problem, Session } from "../../core/client";
import { Sending, type Webhook } from "../../core/sending";
import * as text from "../../core/text";
import "../../elements/confirm";
import type { ConfirmElement } from "../../elements/confirm";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { messages as m } from "../../i18n/pages";
import { may } from "../rows-page";
import { sendingStyles } from "./sending-styles";
import "./webhooks-form";
import type { WebhookFormElement } from "./webhooks-form";
import "./webhooks-log";
import "./webhooks-rotate";
import type { WebhookRotateElement } from "./webhooks-rotate";
import "./webhooks-secret";
import type { WebhookSecretElement } from "./webhooks-secret";

const NEEDS = "admin";
const w = m.sending.webhooks;

@customElement("offtake-webhooks")
export class WebhooksElement extends LitElement {
  static override styles = [shared, sendingStyles, css`.url { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.98em; }`];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) session!: Session;
  @state() private webhooks: readonly Webhook[] | null = null;
  @state() private problem: Problem | null = null;
  @state() private said = "";
  /** The endpoint whose log is open, and how often it was asked to look again. */
  @state() private open: { readonly id: string; readonly times: number } = { id: "", times: 0 };
  @query("offtake-webhook-form") private form!: WebhookFormElement;
  @query("offtake-webhook-secret") private secret!: WebhookSecretElement;
  @query("offtake-webhook-rotate") private rotation!: WebhookRotateElement;
  @query("offtake-confirm") private question!: ConfirmElement;

  override connectedCallback(): void {
    super.connectedCallback();
    if (may(this.session, NEEDS)) void this.load();
  }

  override render() {
    if (!may(this.session, NEEDS)) return html`<p class="note">${m.sending.needs(NEEDS)}</p>`;
    const { webhooks, problem } = this;
    return html`
      <div class="row"><p class="quiet">${w.lead}</p><span class="push"></span>
        <button class="primary" id="make" @click=${() => this.edit(null)}>${w.new}</button></div>
      <p role="status" class=${this.said ? "note" : "unseen"}>${this.said}</p>
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${webhooks === null
        ? problem ? nothing : html`<p class="quiet">${m.loading}</p>`
        : webhooks.length === 0
          ? html`<div class="nothing"><strong>${w.none}</strong><span class="quiet">${w.noneDetail}</span></div>`
          : html`<ul class="cards">${repeat(webhooks, (one) => one.id, (one) => this.card(one))}</ul>`}
      <offtake-webhook-form .sending=${this.sending} @saved=${this.saved}></offtake-webhook-form>
      <offtake-webhook-rotate .sending=${this.sending} @saved=${this.saved}></offtake-webhook-rotate>
      <offtake-webhook-secret></offtake-webhook-secret>
      <offtake-confirm></offtake-confirm>`;
  }

  private card(one: Webhook) {
    const named = (action: string) => m.sending.named(action, one.url);
    const button = (label: string, work: () => unknown) => html`<button aria-label=${named(label)} @click=${work}>${label}</button>`;
    return html`<li data-webhook=${one.id}>
      <div class="row"><span class="name url">${one.url}</span>${badge(one)}</div>
      ${one.description ? html`<p>${one.description}</p>` : nothing}
      ${one.disabled_reason ? html`<div class="why"><p>${one.disabled_reason}</p><p class="quiet">${w.cutHint}</p></div>` : nothing}
      ${!one.disabled_reason && one.given_up > 0 ? html`<div class="why">${w.givenUp(one.given_up, text.number(one.given_up))}</div>` : nothing}
      <div class="row">${one.events.map((event) => html`<span class="tag" translate="no" title=${w.events[event] ?? ""}>${event}</span>`)}</div>
      <p class="quiet">${w.signing[one.signing]}${one.previous_key_until ? `; ${w.previous(text.at(one.previous_key_until))}` : ""} · ${w.madeBy(one.created_by)}</p>
      <div class="row">
        ${button(w.test, () => this.act(one, () => this.sending.testWebhook(one.id), w.tested))}
        ${one.enabled
          ? button(w.disable, () => this.act(one, () => this.sending.changeWebhook(one.id, { enabled: false }), w.disabled))
          : button(w.enable, () => this.act(one, () => this.sending.changeWebhook(one.id, { enabled: true }), w.enabled))}
        ${button(m.sending.edit, () => this.edit(one.id))}
        ${button(w.rotate, () => this.rotation.open(one))}
        ${one.public_key ? html`<button class="key" aria-label=${named(w.secret.publicValue)} @click=${() => this.secret.open(one)}>${w.secret.publicValue}</button>` : nothing}
        ${button(m.sending.delete, () => this.deleted(one))}
      </div>
      <details ?open=${this.open.id === one.id} @toggle=${(event: Event) => this.toggled(one, (event.target as HTMLDetailsElement).open)}>
        <summary>${w.log.title}</summary>
        ${this.open.id === one.id
          ? html`<div class="inside"><offtake-webhook-log .sending=${this.sending} .webhook=${one.id} .times=${this.open.times}></offtake-webhook-log></div>`
          : nothing}
      </details>
    </li>`;
  }

  private get sending(): Sending {
    return new Sending(this.client);
  }

  private async load(): Promise<void> {
    this.problem = await attempt(async () => {
      this.webhooks = await this.sending.webhooks();
    });
  }

  private toggled(one: Webhook, isOpen: boolean): void {
    if (isOpen) this.open = { id: one.id, times: 0 };
    else if (this.open.id === one.id) this.open = { id: "", times: 0 };
  }

  private async edit(id: string | null): Promise<void> {
    this.problem = await this.form.open(id);
  }

  private async act(one: Webhook, work: () => Promise<unknown>, said: string): Promise<void> {
    this.problem = await attempt(work);
    if (this.problem) return;
    this.said = said;
    if (said === w.tested) this.open = { id: one.id, times: this.open.times + 1 };
    await this.load();
  }

  private deleted(one: Webhook): void {
    const work = () => this.sending.deleteWebhook(one.id).then(() => this.load());
    void this.question.ask({ title: w.deleteTitle, detail: w.deleteDetail(one.url), act: m.sending.delete, work, next: () => this.renderRoot.querySelector("#make") });
  }

  private readonly saved = (event: CustomEvent<Webhook>): void => {
    const webhook = event.detail;
    const before = this.webhooks?.find((one) => one.id === webhook.id);
    if (webhook.secret || webhook.public_key !== before?.public_key) void this.secret.open(webhook);
    void this.load();
  };
}

function badge(one: Webhook) {
  if (one.enabled) return html`<span class="badge good">${w.state.enabled}</span>`;
  return one.disabled_reason ? html`<span class="badge bad">${w.state.cut}</span>` : html`<span class="badge quiet">${w.state.disabled}</span>`;
}
