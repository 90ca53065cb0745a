/** Puts a text into the clipboard, and says that it is there. */
import { LitElement, css, html } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { messages as m } from "../i18n";
import { shared } from "./styles";

const SAID_MS = 2500;

@customElement("offtake-copy")
export class CopyElement extends LitElement {
  static override styles = [shared, css`:host { display: inline-flex; } button { min-height: 28px; padding: 2px 8px; font-size: 0.93em; }`];

  @property() text = "";
  /** What the button says. */
  @property() label = m.copy;
  /** What is copied, where the button alone does not say. */
  @property() what = "";
  @state() private isCopied = false;

  override render() {
    return html`<button type="button" aria-label=${this.what ? `${this.label}: ${this.what}` : this.label} @click=${this.copy}>${this.isCopied ? m.copied : this.label}</button>
      <span role="status" class="unseen">${this.isCopied ? m.copied : ""}</span>`;
  }

  private readonly copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(this.text);
    this.isCopied = true;
    setTimeout(() => (this.isCopied = false), SAID_MS);
  };
}
