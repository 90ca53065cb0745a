/** Makes or changes an endpoint. Fires `saved` with it; its secret, if there is one, is in there and nowhere else. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import type { Problem } from "../../core/client";
import { type Sending, type Webhook, differing } from "../../core/sending";
import { besides, control, type Field, field, forms, options, refusal, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Submission } from "../../elements/submission";
import { messages as m } from "../../i18n/pages";
import { sendingStyles } from "./sending-styles";

const PLACES = ["/url", "/events", "/description", "/signing"];
const w = m.sending.webhooks;

@customElement("offtake-webhook-form")
export class WebhookFormElement extends LitElement {
  static override styles = [shared, sendingStyles, forms];

  @property({ attribute: false }) sending!: Sending;
  @state() private present: Webhook | null = null;
  @state() private url = "";
  @state() private events: readonly string[] = [];
  @state() private description = "";
  @state() private signing = "hmac";
  @query("dialog") private dialog!: HTMLDialogElement;
  readonly #form = new Submission(this);

  /** Opens for a new one, or to change the one of this id, as it is now. Where that cannot be had it stays closed, and says why. */
  async open(id: string | null): Promise<Problem | null> {
    const isStill = this.#form.begin();
    this.fill(null);
    const problem = id && (await this.#form.load(() => this.sending.webhook(id), (present) => this.fill(present)));
    if (problem || !isStill()) return problem || null;
    await this.updateComplete;
    this.dialog.showModal();
    return null;
  }

  private fill(present: Webhook | null): void {
    this.present = present;
    this.url = present?.url ?? "";
    this.events = present?.events ?? ["export_job_status", "system_alert"];
    this.description = present?.description ?? "";
    this.signing = present?.signing ?? "hmac";
  }

  private get problem(): Problem | null {
    return this.#form.problem;
  }

  override render() {
    const { present, problem } = this;
    const at = (id: string, label: string, hint?: unknown): Field => ({ id, label, hint, error: refusal(problem, `/${id}`) });
    const [url, description, signing] = [at("url", w.form.url, w.form.urlHint), at("description", w.form.description, m.sending.optional), at("signing", w.form.signing)];
    const isMoved = present !== null && this.url.trim() !== present.url;
    const left = besides(problem, PLACES);
    const wrong = refusal(problem, "/events");
    return html`<dialog aria-labelledby="title"><form method="dialog" @submit=${this.submitted} novalidate>
      <header><h2 id="title">${present ? w.form.change : w.form.create}</h2></header>
      <div class="body">
        ${left ? html`<offtake-problem .problem=${left}></offtake-problem>` : nothing}
        ${field(url, html`<input ${control(url)} type="url" autocomplete="off" .value=${live(this.url)} @input=${(event: Event) => (this.url = valueOf(event))} />`)}
        ${isMoved ? html`<p class="note" role="status">${w.form.another}</p>` : nothing}
        <fieldset aria-describedby=${wrong ? "events-error" : nothing}>
          <legend>${w.form.events}</legend>
          ${Object.entries(w.events).map(([name, said]) => html`<label class="check">
            <input type="checkbox" aria-invalid=${wrong ? "true" : nothing} .checked=${live(this.events.includes(name))} @change=${() => this.toggled(name)} />
            <span>${said} <code class="quiet">${name}</code></span></label>`)}
          ${wrong ? html`<p class="error" id="events-error">${wrong}</p>` : nothing}
        </fieldset>
        ${field(description, html`<input ${control(description)} type="text" maxlength="500" .value=${live(this.description)} @input=${(event: Event) => (this.description = valueOf(event))} />`)}
        ${present
          ? nothing
          : field(signing, html`<select ${control(signing)} @change=${(event: Event) => (this.signing = valueOf(event))}>${options(Object.entries(w.signing), this.signing)}</select>`)}
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${m.sending.cancel}</button>
        <button class="primary" ?disabled=${this.#form.isBusy}>${present ? m.sending.save : w.form.make}</button>
      </footer>
    </form></dialog>`;
  }

  private toggled(name: string): void {
    this.events = this.events.includes(name) ? this.events.filter((one) => one !== name) : [...this.events, name];
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    const { present } = this;
    const body = { url: this.url.trim(), events: this.events, description: this.description.trim() };
    // What is not touched is not said again: another URL is another key.
    const work = () => (present ? this.sending.changeWebhook(present.id, differing(body, { ...present, description: present.description ?? "" }))
      : this.sending.createWebhook({ ...body, signing: this.signing }));
    await this.#form.send(work, this.dialog, (detail) => this.dispatchEvent(new CustomEvent<Webhook>("saved", { detail })));
  };
}
