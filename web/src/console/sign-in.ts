/** What a stranger sees. */
import { LitElement, css, html } from "lit";
import { customElement, property } from "lit/decorators.js";
import { shared } from "../elements/styles";
import { messages as m } from "../i18n";

@customElement("offtake-sign-in")
export class SignInElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; gap: 14px; max-inline-size: 560px; margin: 12dvh auto 0; }
      pre { background: var(--_soft); padding: 10px 14px; border-radius: var(--_radius); border: 1px solid var(--_line); }
    `,
  ];

  /** Whether there was a session a moment ago. */
  @property({ type: Boolean }) ended = false;

  override render() {
    return html`<h1>${m.signIn.title}</h1>
      <p>${this.ended ? m.signIn.ended : m.signIn.lead}</p>
      <pre>${m.signIn.command}</pre>
      <div><button class="primary" @click=${() => this.dispatchEvent(new Event("again"))}>${m.signIn.again}</button></div>`;
  }
}
