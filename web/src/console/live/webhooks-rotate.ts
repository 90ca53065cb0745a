/** Gives an endpoint another key. Fires `saved` with it. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import type { Sending, Webhook } from "../../core/sending";
import { control, field, forms, options, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Submission } from "../../elements/submission";
import { messages as m } from "../../i18n/pages";
import { sendingStyles } from "./sending-styles";

const A_DAY = "86400";
const w = m.sending.webhooks;

@customElement("offtake-webhook-rotate")
export class WebhookRotateElement extends LitElement {
  static override styles = [shared, sendingStyles, forms];

  @property({ attribute: false }) sending!: Sending;
  @state() private webhook: Webhook | null = null;
  @state() private overlap = A_DAY;
  @state() private signing = "hmac";
  @query("dialog") private dialog!: HTMLDialogElement;
  readonly #form = new Submission(this);

  async open(webhook: Webhook): Promise<void> {
    this.#form.begin();
    this.webhook = webhook;
    this.overlap = A_DAY;
    this.signing = webhook.signing;
    await this.updateComplete;
    this.dialog.showModal();
  }

  override render() {
    const overlap = { id: "overlap", label: w.rotating.overlap };
    const signing = { id: "signing", label: w.form.signing };
    return html`<dialog aria-labelledby="title"><form method="dialog" @submit=${this.submitted}>
      <header><h2 id="title">${w.rotating.title}</h2></header>
      <div class="body">
        <p class="quiet">${w.rotating.lead}</p>
        ${this.#form.problem ? html`<offtake-problem .problem=${this.#form.problem}></offtake-problem>` : nothing}
        <div class="pair">
          ${field(overlap, html`<select ${control(overlap)} @change=${(event: Event) => (this.overlap = valueOf(event))}>${options(Object.entries(w.rotating.overlaps), this.overlap)}</select>`)}
          ${field(signing, html`<select ${control(signing)} @change=${(event: Event) => (this.signing = valueOf(event))}>${options(Object.entries(w.signing), this.signing)}</select>`)}
        </div>
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${m.sending.cancel}</button>
        <button class="primary" ?disabled=${this.#form.isBusy}>${w.rotating.rotate}</button>
      </footer>
    </form></dialog>`;
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    const work = () => this.sending.rotateWebhook(this.webhook!.id, { overlap: Number(this.overlap), signing: this.signing });
    await this.#form.send(work, this.dialog, (detail) => this.dispatchEvent(new CustomEvent<Webhook>("saved", { detail })));
  };
}
