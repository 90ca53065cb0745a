/** Alert rules or budgets: how things stand with each, and, for who may, making, changing and deleting them. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { AlertList } from "../../core/alert-list";
import { type Alert, type Draft, type Kind, type Standing, draftOf, fresh, standingOf } from "../../core/alerts";
import { attempt } from "../../core/attempt";
import type { Client, Problem, Session } from "../../core/client";
import "../../elements/confirm";
import type { ConfirmElement } from "../../elements/confirm";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Watching } from "../../elements/watching";
import { messages as m } from "../../i18n/pages";
import { may } from "../rows-page";
import "./alert-form";
import type { AlertFormElement } from "./alert-form";
import { budget } from "./budget";
import { gaugeStyles } from "./gauge";
import { rule } from "./rule";

const words = m.live;
const FIRST: readonly Standing[] = ["firing", "near", "cooling", "ok", "unknown", "off"];

@customElement("offtake-alerts")
export class AlertsElement extends LitElement {
  static override styles = [
    shared,
    gaugeStyles,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; }
      .lead { flex: 1 1 320px; max-inline-size: 75ch; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(380px, 100%), 1fr)); gap: 14px; }
      article { border: 1px solid var(--_line); border-radius: calc(var(--_radius) * 2); padding: 14px 16px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; block-size: 100%; align-content: start; }
      li.firing article { border-color: var(--_bad); }
      .head { display: flex; gap: 6px 12px; align-items: baseline; flex-wrap: wrap; }
      h2 { overflow-wrap: anywhere; min-inline-size: 0; }
      .standing { border: 1px solid currentColor; border-radius: 10px; padding: 0 9px; font-size: 0.92em; white-space: nowrap; color: var(--_quiet); }
      .firing .standing { color: var(--_bad); font-weight: 600; }
      .ok .standing { color: var(--_good); }
      .near .standing, .cooling .standing { color: light-dark(#8a5a00, #e8be5a); }
      .sentence { overflow-wrap: anywhere; }
      dl { margin: 0; display: grid; grid-template-columns: fit-content(60%) minmax(0, 1fr); gap: 2px 12px; }
      dt { color: var(--_quiet); } dt, dd { margin: 0; overflow-wrap: anywhere; }
      .actions { margin-block-start: auto; padding-block-start: 4px; }
      .nothing { border: 1px dashed var(--_line); border-radius: calc(var(--_radius) * 2); padding: 28px 20px; display: grid; gap: 10px; justify-items: start; }
    `,
  ];

  @property() kind: Kind = "metric";
  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) session!: Session;
  /** Why what was asked for did not work. */
  @state() private refused: Problem | null = null;
  @query("offtake-alert-form") private form!: AlertFormElement;
  @query("offtake-confirm") private confirm!: ConfirmElement;
  #list: AlertList | undefined;
  protected readonly watching = new Watching(this, () => this.#list);

  override connectedCallback(): void {
    super.connectedCallback();
    this.#list?.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#list?.stop();
  }

  protected override willUpdate(): void {
    if (this.#list) return;
    this.#list = new AlertList(this.client);
    this.#list.start();
  }

  override render() {
    const { alerts, problem } = this.#list!;
    const own = alerts?.filter((alert) => alert.kind === this.kind);
    const isEmpty = own?.length === 0;
    return html`
      <div class="row"><p class="quiet lead">${this.words.lead}</p>
        ${this.mayChange ? (isEmpty ? nothing : this.making) : html`<span class="quiet">${words.readOnly}</span>`}</div>
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.#list!.look()}></offtake-problem>` : nothing}
      ${this.refused ? html`<offtake-problem .problem=${this.refused}></offtake-problem>` : nothing}
      ${own ? (isEmpty ? this.empty : this.cards(own)) : problem ? nothing : html`<p class="quiet">${m.loading}</p>`}
      <offtake-alert-form .list=${this.#list!}></offtake-alert-form>
      <offtake-confirm></offtake-confirm>`;
  }

  private get words() {
    return this.kind === "metric" ? words.rules : words.budgets;
  }

  private get mayChange(): boolean {
    return may(this.session, "admin");
  }

  private get making() {
    return html`<button id="make" class="primary push" @click=${() => void this.edit(fresh(this.kind), null)}>${this.words.make}</button>`;
  }

  private get empty() {
    return html`<div class="nothing"><h2>${this.words.none}</h2><p class="quiet">${this.words.noneDetail}</p>${this.mayChange ? this.making : nothing}</div>`;
  }

  private cards(alerts: readonly Alert[]) {
    const now = Date.now();
    const standing = new Map(alerts.map((alert) => [alert, standingOf(alert, now)]));
    const place = (alert: Alert) => FIRST.indexOf(standing.get(alert)!);
    const sorted = [...alerts].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
    return html`<ul>${repeat(sorted, ({ id }) => id, (alert) => this.card(alert, standing.get(alert)!, now))}</ul>`;
  }

  private card(alert: Alert, standing: Standing, now: number) {
    const said = (this.kind === "budget" ? words.budgets.standing[standing] : undefined) ?? words.standing[standing];
    return html`<li class=${standing}><article aria-labelledby="name-${alert.id}">
      <div class="head"><h2 id="name-${alert.id}" class="name">${alert.name}</h2><span class="standing">${said}</span></div>
      ${this.kind === "metric" ? rule(alert, standing) : budget(alert, standing, now)}
      ${this.mayChange ? this.actions(alert) : nothing}
    </article></li>`;
  }

  private actions(alert: Alert) {
    const turn = alert.enabled === false ? words.on : words.off;
    const act = (title: string, work: () => unknown) => html`<button aria-label=${words.named(title, alert.name)} @click=${work}>${title}</button>`;
    return html`<div class="row actions">
      ${act(words.edit, () => void this.edit(draftOf(alert), alert))}
      ${act(turn, () => void this.turn(alert))}
      ${act(words.remove, () => void this.forget(alert))}
    </div>`;
  }

  private async edit(draft: Draft, alert: Alert | null): Promise<void> {
    this.refused = await this.form.open(draft, alert);
  }

  private async turn(alert: Alert): Promise<void> {
    this.refused = await attempt(() => this.#list!.change(alert.id, { enabled: alert.enabled === false }, null));
  }

  private async forget(alert: Alert): Promise<void> {
    let version: string | null = null;
    this.refused = await attempt(async () => ({ version } = await this.#list!.one(alert.id)));
    if (this.refused) return;
    void this.confirm.ask({
      title: words.removing(alert.name),
      detail: this.kind === "metric" ? words.removingRule : words.removingBudget,
      act: words.remove,
      work: () => this.#list!.delete(alert.id, version),
      next: () => this.renderRoot.querySelector("#make"),
    });
  }
}
