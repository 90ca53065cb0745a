/**
 * One-time links to the file of an export: makes one, shows it this once, and says until when it works. Not responsible for those
 * made elsewhere: nobody can read a link that was handed out.
 */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { attempt } from "../../core/attempt";
import type { Client, Job, OneTimeToken, Problem } from "../../core/client";
import * as text from "../../core/text";
import "../../elements/copy";
import { valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import "../../elements/when";
import { messages as m } from "../../i18n";

@customElement("offtake-links")
export class LinksElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; gap: 8px; }
      .made { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 10px 14px; display: grid; gap: 6px; background: var(--_soft); }
      code { overflow-wrap: anywhere; }
      label { display: inline-flex; gap: 6px; align-items: center; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) job!: Job;
  @state() private made: OneTimeToken | null = null;
  @state() private problem: Problem | null = null;
  #lives = "";

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("job") as Job | undefined;
    if (before && before.job_id !== this.job.job_id) this.made = this.problem = null;
  }

  override render() {
    const { made } = this;
    return html`
      <p class="quiet">${m.links.lead}</p>
      <div class="row">
        <label>${m.links.lives}
          <select @change=${(event: Event) => (this.#lives = valueOf(event))}>
            ${Object.entries(m.links.times).map(([seconds, title]) => html`<option value=${seconds}>${title}</option>`)}
          </select>
        </label>
        <button @click=${this.make}>${made ? m.links.another : m.links.make}</button>
      </div>
      ${made
        ? html`<div class="made" role="status">
            <code>${absolute(made)}</code>
            <div class="row"><offtake-copy .text=${absolute(made)} .label=${m.links.copy}></offtake-copy>
              <offtake-copy .text=${made.token} .label=${m.links.copyToken}></offtake-copy>
              <span class="quiet">${m.links.ends(text.at(made.expires_at))} <offtake-when at=${made.expires_at}></offtake-when></span></div>
            <p class="quiet">${m.links.once}</p>
          </div>`
        : nothing}
      ${this.problem ? html`<offtake-problem .problem=${this.problem}></offtake-problem>` : nothing}`;
  }

  private readonly make = async (): Promise<void> => {
    const seconds = Number(this.#lives);
    this.problem = await attempt(async () => (this.made = await this.client.oneTimeToken(this.job.job_id, seconds || undefined)));
  };
}

function absolute({ url }: OneTimeToken): string {
  return new URL(url, location.href).href;
}
