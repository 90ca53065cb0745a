/**
 * One-time links to the file of an export: makes one and shows it this once; lists those that were handed out, with how they
 * stand, and takes them back.
 */
import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { attempt } from "../../core/attempt";
import type { Client, Job, KeptToken, OneTimeToken, Problem } from "../../core/client";
import * as text from "../../core/text";
import "../../elements/confirm";
import type { ConfirmElement } from "../../elements/confirm";
import "../../elements/copy";
import { valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import "../../elements/when";
import { messages as m } from "../../i18n";

/** What the choices mean; as long as is usual is the server's to say. */
const SECONDS: Readonly<Record<string, number>> = { hour: 3600, hours: 14_400, day: 86_400 };

@customElement("offtake-links")
export class LinksElement extends LitElement {
  static override styles = [
    shared,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; }
      .made { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 10px 14px; display: grid; gap: 6px; background: var(--_soft); }
      code { overflow-wrap: anywhere; }
      label { display: inline-flex; gap: 6px; align-items: center; }
      .scroll { overflow: auto; }
      table { border-collapse: collapse; min-inline-size: 100%; }
      caption { text-align: start; color: var(--_quiet); padding-block: 4px; }
      th, td { padding: 4px 12px 4px 0; text-align: start; border-block-end: 1px solid var(--_line); white-space: nowrap; }
      th { font-weight: 600; }
      .live { color: var(--_good); }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) job!: Job;
  @state() private made: OneTimeToken | null = null;
  @state() private kept: readonly KeptToken[] = [];
  @state() private problem: Problem | null = null;
  @query("offtake-confirm") private confirm!: ConfirmElement;
  #lives = "";

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.looked);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.looked);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("job") as Job | undefined;
    if (!changed.has("job") || before?.job_id === this.job.job_id) return;
    this.made = this.problem = null;
    this.kept = [];
    void this.load();
  }

  override render() {
    const { made, kept } = this;
    return html`
      <p class="quiet">${m.links.lead}</p>
      <div class="row">
        <label>${m.links.lives}
          <select @change=${(event: Event) => (this.#lives = valueOf(event))}>
            ${Object.entries(m.links.times).map(([name, title]) => html`<option value=${name}>${title}</option>`)}
          </select>
        </label>
        <button id="make" @click=${this.make}>${made ? m.links.another : m.links.make}</button>
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
      ${kept.length > 0 ? this.table(kept) : nothing}
      ${this.problem ? html`<offtake-problem .problem=${this.problem}></offtake-problem>` : nothing}
      <offtake-confirm></offtake-confirm>`;
  }

  private table(kept: readonly KeptToken[]) {
    const { columns } = m.links;
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${m.links.handedOut}><table>
      <caption>${m.links.handedOut}</caption>
      <thead><tr><th scope="col">${columns.for}</th><th scope="col">${columns.how}</th><th scope="col">${columns.at}</th><th scope="col">${columns.state}</th><th scope="col"><span class="unseen">${columns.actions}</span></th></tr></thead>
      <tbody>${kept.map((token) => html`<tr data-state=${token.state}>
        <td>${token.made_for}</td><td>${m.links.purposes[token.purpose] ?? token.purpose}</td><td><offtake-when at=${token.created_at}></offtake-when></td>
        <td>${standing(token)}</td>
        <td>${token.state === "live" ? html`<button aria-label=${m.links.revokeNamed(token.made_for)} @click=${() => this.asksRevoke(token)}>${m.links.revoke}</button>` : nothing}</td>
      </tr>`)}</tbody>
    </table></div>`;
  }

  private async load(): Promise<void> {
    this.problem = await attempt(this.list);
  }

  private readonly list = async (): Promise<void> => {
    this.kept = await this.client.oneTimeTokens(this.job.job_id);
  };

  /** Somebody may have used one while nobody looked. */
  private readonly looked = (): void => {
    if (document.visibilityState === "visible" && this.kept.some(({ state }) => state === "live")) void attempt(this.list);
  };

  private readonly make = async (): Promise<void> => {
    this.problem = await attempt(async () => (this.made = await this.client.oneTimeToken(this.job.job_id, SECONDS[this.#lives])));
    if (!this.problem) await this.load();
  };

  private asksRevoke({ id, made_for: who }: KeptToken): void {
    void this.confirm.ask({
      title: m.links.revokeTitle,
      detail: m.links.revokeDetail(who),
      act: m.links.revoke,
      work: async () => {
        await this.client.revoke(this.job.job_id, id);
        this.made = null;
        await this.load();
      },
      next: () => this.renderRoot.querySelector("#make"),
    });
  }
}

function standing({ state, expires_at: end, spent_at: spent }: KeptToken) {
  if (state === "live") return html`<span class="live">${m.links.live}</span> ${text.at(end)}`;
  return html`${m.links.states[state] ?? state} <offtake-when at=${spent ?? end}></offtake-when>`;
}

function absolute({ url }: OneTimeToken): string {
  return new URL(url, location.href).href;
}
