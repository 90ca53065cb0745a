/** Shows what an endpoint verifies messages with, and how. A secret is here this once. */
import { LitElement, css, html } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import type { Webhook } from "../../core/sending";
import "../../elements/copy";
import { forms } from "../../elements/field";
import { shared } from "../../elements/styles";
import { messages as m } from "../../i18n/pages";
import { sendingStyles } from "./sending-styles";
import { snippets } from "./webhooks-snippets";

const w = m.sending.webhooks;

@customElement("offtake-webhook-secret")
export class WebhookSecretElement extends LitElement {
  static override styles = [
    shared,
    sendingStyles,
    forms,
    css`.copy { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 8px; } .copy input { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; } pre.code { white-space: pre; overflow-wrap: normal; }`,
  ];

  @state() private webhook: Webhook | null = null;
  @query("dialog") private dialog!: HTMLDialogElement;

  async open(webhook: Webhook): Promise<void> {
    this.webhook = webhook;
    await this.updateComplete;
    this.dialog.showModal();
  }

  override render() {
    const { secret, public_key } = this.webhook ?? {};
    const isSecret = secret !== undefined && secret !== null;
    const value = secret ?? public_key ?? "";
    return html`<dialog aria-labelledby="title" closedby=${isSecret ? "none" : "closerequest"} @close=${this.forgotten} @cancel=${(event: Event) => isSecret && event.preventDefault()}><div class="form">
      <header><h2 id="title">${isSecret ? w.secret.title : w.secret.publicTitle}</h2>
        <p class="quiet">${isSecret ? w.secret.lead : w.secret.publicLead}</p></header>
      <div class="body">
        <div class="field"><label for="value">${isSecret ? w.secret.value : w.secret.publicValue}</label>
          <div class="copy"><input id="value" readonly .value=${value} @focus=${(event: Event) => (event.target as HTMLInputElement).select()} />
            <offtake-copy .text=${value}></offtake-copy></div></div>
        <h3>${w.secret.verify}</h3>
        <p class="quiet">${w.secret.bytes}</p>
        ${Object.entries(snippets(isSecret ? "hmac" : "ed25519")).map(([language, code], index) => html`<details name="language" ?open=${index === 0}>
          <summary translate="no">${language}</summary><pre class="code" tabindex="0">${code}</pre></details>`)}
      </div>
      <footer><button class="primary" @click=${() => this.dialog.close()}>${isSecret ? w.secret.done : m.sending.close}</button></footer>
    </div></dialog>`;
  }

  /** It is shown once, and kept nowhere. */
  private readonly forgotten = (): void => {
    this.webhook = null;
  };
}
