/** The form of an alert rule or a budget. What the server has against it stands at the field. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import type { AlertList } from "../../core/alert-list";
import { type Alert, type Draft, bodyOf, changedOf, draftOf } from "../../core/alerts";
import { attempt } from "../../core/attempt";
import type { Problem } from "../../core/client";
import { besides, forms, toRefused } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Turn } from "../../elements/turn";
import { messages as m } from "../../i18n/pages";
import { inZoneOf } from "../route";
import { BUDGET_PLACES, budgetFields } from "./budget-fields";
import { isConflict } from "./conflict";
import { RULE_PLACES, ruleFields } from "./rule-fields";

const words = m.live.form;

@customElement("offtake-alert-form")
export class AlertFormElement extends LitElement {
  static override styles = [
    shared,
    forms,
    css`
      form { display: grid; grid-template-columns: minmax(0, 1fr); }
      header { padding: 16px 20px 10px; }
      .body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; padding: 0 20px 16px; }
      footer { border-block-start: 1px solid var(--_line); padding: 12px 20px; display: flex; gap: 8px; justify-content: end; position: sticky; inset-block-end: 0; background: var(--_surface); }
      .duration { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 6px; }
      .conflict { border: 1px solid var(--_bad); border-radius: var(--_radius); padding: 10px 14px; display: grid; gap: 6px; }
      details { border: 1px solid var(--_line); border-radius: var(--_radius); }
      summary { padding: 8px 12px; cursor: pointer; font-weight: 600; }
      details > div { padding: 4px 12px 12px; display: grid; gap: 12px; }
    `,
  ];

  @property({ attribute: false }) list!: AlertList;
  @state() private draft: Draft | null = null;
  @state() private problem: Problem | null = null;
  @state() private isBusy = false;
  @query("dialog") private dialog!: HTMLDialogElement;
  /** What is changed, as it was when the form was opened; null where a new one is made. */
  #alert: Alert | null = null;
  #before: Draft | null = null;
  #version: string | null = null;
  readonly #turn = new Turn(this);

  /**
   * Opens with what a draft says. Of one that is there, with what it says by now: nobody's typing is taken away afterwards. Where
   * that cannot be had it stays closed, and says why.
   */
  async open(draft: Draft, alert: Alert | null): Promise<Problem | null> {
    const isStill = this.#turn.begin();
    this.isBusy = false;
    [this.draft, this.#before, this.#alert, this.#version, this.problem] = [draft, draft, alert, null, null];
    if (alert) await this.refresh();
    if (!isStill()) return null;
    if (this.problem) return this.problem;
    await this.updateComplete;
    this.dialog.showModal();
    return null;
  }

  override render() {
    const { draft } = this;
    if (!draft) return html`<dialog></dialog>`;
    const isBudget = draft["kind"] === "budget";
    const title = this.#alert ? words.change(this.#alert.name) : isBudget ? words.newBudget : words.newRule;
    const given = { draft, before: this.#before ?? draft, problem: this.problem, put: (name: string, value: string) => this.put(name, value) };
    const left = besides(this.problem, isBudget ? BUDGET_PLACES : RULE_PLACES);
    return html`<dialog aria-labelledby="title"><form novalidate @submit=${this.submitted}>
      <header><h2 id="title">${title}</h2></header>
      <div class="body">
        ${isConflict(this.problem) ? this.conflict : this.problem?.status === 404 ? html`<div class="conflict" role="alert"><p>${words.gone}</p></div>`
          : left ? html`<offtake-problem .problem=${left}></offtake-problem>` : nothing}
        ${isBudget ? budgetFields(given) : ruleFields(given)}
        <p class="hint">${words.tells} <code>${isBudget ? "cost_threshold" : "metric_threshold"}</code> ${words.tellsWhere}
          <a href=${inZoneOf(location.hash, "#/live/webhooks")} @click=${() => this.dialog.close()}>${words.webhooks}</a></p>
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${words.cancel}</button>
        <button class="primary" ?disabled=${this.isBusy}>${this.#alert ? words.save : words.make}</button>
      </footer>
    </form></dialog>`;
  }

  private get conflict() {
    return html`<div class="conflict" role="alert"><strong>${words.conflict}</strong><p>${words.conflictDetail}</p>
      <div class="row"><button type="button" @click=${() => void this.refresh()}>${words.theirs}</button>
        <button type="button" @click=${this.overwrite}>${words.mine}</button></div></div>`;
  }

  private put(name: string, value: string): void {
    this.draft = { ...this.draft!, [name]: value };
  }

  /** Fills the form with what is there by now. */
  private async refresh(): Promise<void> {
    const isStill = this.#turn.hold();
    const problem = await attempt(async () => {
      const { body, version } = await this.list.one(this.#alert!.id);
      if (!isStill()) return;
      this.#version = version;
      this.#before = this.draft = draftOf(body);
    });
    if (isStill()) this.problem = problem;
  }

  private readonly overwrite = async (): Promise<void> => {
    const isStill = this.#turn.hold();
    const problem = await attempt(async () => {
      const { version } = await this.list.one(this.#alert!.id);
      if (isStill()) this.#version = version;
    });
    if (!isStill()) return;
    this.problem = problem;
    if (!problem) await this.save();
  };

  private readonly submitted = (event: Event): void => {
    event.preventDefault();
    void this.save();
  };

  private async change({ id }: Alert, changed: Record<string, unknown>): Promise<void> {
    if (Object.keys(changed).length > 0) await this.list.change(id, changed, this.#version);
  }

  private async save(): Promise<void> {
    if (this.isBusy) return;
    const [draft, alert] = [this.draft!, this.#alert];
    const isStill = this.#turn.hold();
    this.isBusy = true;
    const problem = await attempt(() => (alert ? this.change(alert, changedOf(this.#before!, draft)) : this.list.make(bodyOf(draft))));
    if (!isStill()) return;
    this.problem = problem;
    this.isBusy = false;
    if (!problem) return this.dialog.close();
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".conflict button")?.focus();
    toRefused(this.renderRoot);
  }
}
