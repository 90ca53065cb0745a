/** A moment, said from now: "in 5 minutes". The moment itself is its title. */
import { LitElement, css, html } from "lit";
import { customElement, property } from "lit/decorators.js";
import * as text from "../core/text";
import { shared } from "./styles";

const EVERY_MS = 15_000;

@customElement("offtake-when")
export class WhenElement extends LitElement {
  static override styles = [shared, css`:host { display: inline; font: inherit; color: inherit; }`];

  @property() at = "";
  #clock: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#clock = setInterval(() => this.requestUpdate(), EVERY_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#clock);
  }

  override render() {
    return html`<time datetime=${this.at} title=${text.at(this.at)}>${text.fromNow(this.at, Date.now())}</time>`;
  }
}
