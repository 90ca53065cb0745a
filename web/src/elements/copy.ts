/** Puts a text into the clipboard, and says that it is there; where the browser refuses, shows it, selected. */
import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { intoClipboard } from "../core/clipboard";
import { messages as m } from "../i18n";
import { shared } from "./styles";

const SAID_MS = 2500;

@customElement("offtake-copy")
export class CopyElement extends LitElement {
  static override styles = [shared, css`
    :host { display: inline-flex; flex-wrap: wrap; gap: 4px; }
    button { min-height: 28px; padding: 2px 8px; font-size: 0.93em; }
    textarea { font: inherit; inline-size: min(100%, 60ch); }
  `];

  @property() text = "";
  /** What the button says. */
  @property() label = m.copy;
  /** What is copied, where the button alone does not say. */
  @property() what = "";
  @state() private isCopied = false;
  @state() private isRefused = false;
  @query("textarea") private shown!: HTMLTextAreaElement | null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("text")) this.isCopied = this.isRefused = false;
  }

  override render() {
    return html`<button type="button" aria-label=${this.what ? `${this.label}: ${this.what}` : this.label} @click=${this.copy}>${this.isCopied ? m.copied : this.label}</button>
      <span role="status" class="unseen">${this.isCopied ? m.copied : ""}</span>
      ${this.isRefused ? html`<textarea readonly aria-label=${m.copyRefused} title=${m.copyRefused} rows="2" .value=${this.text}></textarea>` : nothing}`;
  }

  private readonly copy = async (): Promise<void> => {
    this.isCopied = await intoClipboard(this.text);
    this.isRefused = !this.isCopied;
    if (this.isCopied) setTimeout(() => (this.isCopied = false), SAID_MS);
    await this.updateComplete;
    this.shown?.select();
  };
}
