/** What went wrong, what is kept, and what can be done. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Problem } from "../core/client";
import * as text from "../core/text";
import { messages as m } from "../i18n";
import { shared } from "./styles";

@customElement("offtake-problem")
export class ProblemElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: block; border: 1px solid var(--_bad); border-radius: var(--_radius); padding: 12px 14px; }
      strong { color: var(--_bad); }
      ul { margin: 6px 0; padding-inline-start: 20px; }
    `,
  ];

  @property({ attribute: false }) problem: Problem | null = null;
  /** Whether trying again is offered. */
  @property({ type: Boolean }) again = false;

  override render() {
    const { problem } = this;
    if (!problem) return nothing;
    const said = problem.isOffline ? m.problem.offlineDetail : problem.detail;
    return html`<div role="alert">
      <strong>${problem.isOffline ? m.problem.offline : problem.title}</strong>
      <p>${said} ${problem.retryAfter ? m.problem.after(text.seconds(problem.retryAfter)) : nothing}</p>
      ${problem.errors.length > 0
        ? html`<ul>${problem.errors.map((error) => html`<li><code>${error.pointer}</code> ${error.detail}</li>`)}</ul>`
        : nothing}
      <div class="row">
        ${this.again ? html`<button @click=${() => this.dispatchEvent(new Event("again"))}>${m.retry}</button>` : nothing}
        ${problem.requestId ? html`<span class="quiet">${m.problem.requestId(problem.requestId)}</span>` : nothing}
      </div>
    </div>`;
  }
}
