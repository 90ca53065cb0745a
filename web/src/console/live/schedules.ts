/** Exports that are asked for again and again: when, how the last run went, and what can be done with each. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { attempt } from "../../core/attempt";
import type { Client, Dataset, Problem, Session } from "../../core/client";
import { type Destination, type Run, type Schedule, Sending, destinationOf } from "../../core/sending";
import * as text from "../../core/text";
import "../../elements/confirm";
import type { ConfirmElement } from "../../elements/confirm";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import "../../elements/when";
import { messages as m } from "../../i18n/pages";
import { jobFrom } from "../exports/list";
import { may } from "../rows-page";
import "./schedules-backfill";
import type { ScheduleBackfillElement } from "./schedules-backfill";
import "./schedules-form";
import type { ScheduleFormElement } from "./schedules-form";
import "./schedules-runs";
import { inWords, inZone } from "./schedules-words";
import { sendingStyles } from "./sending-styles";

const [LOOK, CHANGE, EVERYBODYS] = ["exports:read", "exports:create", "admin"];
/** While a run is under way or due, it is looked at again this often. */
const AGAIN_MS = 2000;
/** At the latest: a longer time is none to a timer. */
const LATEST_MS = 3_600_000;
const s = m.sending.schedules;

@customElement("offtake-schedules")
export class SchedulesElement extends LitElement {
  static override styles = [shared, sendingStyles, css`.cron { white-space: nowrap; }`];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) session!: Session;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  @state() private schedules: readonly Schedule[] | null = null;
  /** As far as one may see them. */
  @state() private destinations: readonly Destination[] | null = null;
  @state() private problem: Problem | null = null;
  /** Why what was asked for did not work; looking again says nothing about that. */
  @state() private refused: Problem | null = null;
  @state() private said = "";
  /** Whose runs are shown, and how often they were asked to be looked at again. */
  @state() private open: { readonly id: string; readonly times: number } = { id: "", times: 0 };
  @query("offtake-schedule-form") private form!: ScheduleFormElement;
  @query("offtake-schedule-backfill") private backfill!: ScheduleBackfillElement;
  @query("offtake-confirm") private question!: ConfirmElement;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    if (may(this.session, LOOK!)) void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  override render() {
    if (!may(this.session, LOOK!)) return html`<p class="note">${m.sending.needs(LOOK!)}</p>`;
    const { schedules, problem } = this;
    const mayChange = may(this.session, CHANGE!);
    return html`
      <div class="row"><p class="quiet">${s.lead}</p><span class="push"></span>
        <button class="primary" id="make" ?disabled=${!mayChange} @click=${() => this.edit(null)}>${s.new}</button></div>
      ${mayChange ? nothing : html`<p class="note">${m.sending.needs(CHANGE!)}</p>`}
      <p role="status" class=${this.said ? "note" : "unseen"}>${this.said}</p>
      ${problem ? html`<offtake-problem again .problem=${problem} @again=${() => void this.load()}></offtake-problem>` : nothing}
      ${this.refused ? html`<offtake-problem .problem=${this.refused}></offtake-problem>` : nothing}
      ${schedules === null
        ? problem ? nothing : html`<p class="quiet">${m.loading}</p>`
        : schedules.length === 0
          ? html`<div class="nothing"><strong>${s.none}</strong><span class="quiet">${s.noneDetail}</span></div>`
          : html`<ul class="cards">${repeat(schedules, (one) => one.id, (one) => this.card(one))}</ul>`}
      <offtake-schedule-form .sending=${this.sending} .datasets=${this.datasets} .destinations=${this.destinations} @saved=${() => void this.load()}></offtake-schedule-form>
      <offtake-schedule-backfill .client=${this.client} .sending=${this.sending} .datasets=${this.datasets} @begun=${this.begun}></offtake-schedule-backfill>
      <offtake-confirm></offtake-confirm>`;
  }

  private card(one: Schedule) {
    const dataset = this.datasets.find(({ name }) => name === one.dataset);
    const to = destinationOf(one.request);
    const place = to && (this.destinations?.find(({ id }) => id === to.id)?.name ?? to.id);
    const isPaused = one.state === "paused";
    return html`<li data-schedule=${one.id}>
      <div class="row"><span class="name">${one.name}</span>
        <span class="badge ${isPaused ? (one.pause_reason === "asked" ? "quiet" : "bad") : "good"}">${s.state[one.state]}</span></div>
      <p>${inWords(one.cron)} <span class="quiet" translate="no">${s.zone(one.time_zone)}</span> <code class="tag cron">${one.cron}</code></p>
      <p class="quiet">${[dataset?.title ?? one.dataset, s.rows[one.window], place && s.to(place), s.owner(one.owner)].filter(Boolean).join(" · ")}</p>
      ${isPaused && one.pause_reason !== "asked"
        ? html`<div class="why"><strong>${s.reason[one.pause_reason ?? ""]}</strong> ${one.pause_detail}</div>`
        : one.last_error ? html`<div class="why">${one.errors > 0 ? html`<strong>${s.errors(one.errors, text.number(one.errors))}</strong> ` : nothing}${one.last_error}</div>` : nothing}
      <dl class="facts">
        <div><dt>${s.next}</dt><dd>${one.next_run_at
          ? html`<offtake-when at=${one.next_run_at}></offtake-when> <span class="quiet">${inZone(one.next_run_at, one.time_zone)}</span>`
          : html`<span class="quiet">${s.never}</span>`}</dd></div>
        <div><dt>${s.last}</dt><dd>${one.last_run ? this.last(one.last_run) : html`<span class="quiet">${s.noRun}</span>`}</dd></div>
      </dl>
      ${this.actions(one, isPaused)}
      <details ?open=${this.open.id === one.id} @toggle=${(event: Event) => this.toggled(one, (event.target as HTMLDetailsElement).open)}>
        <summary>${s.runs.title}</summary>
        ${this.open.id === one.id
          ? html`<div class="inside"><offtake-schedule-runs .client=${this.client} .sending=${this.sending} .schedule=${one.id} .times=${this.open.times} .zone=${one.time_zone} .mayDownload=${this.mayDownload}></offtake-schedule-runs></div>`
          : nothing}
      </details>
    </li>`;
  }

  private last(run: Run) {
    const look = run.status === "completed" ? "good" : run.status === "failed" ? "bad" : "quiet";
    return html`<span class="badge ${look}">${m.downloads.status[run.status]}</span> <offtake-when at=${run.created_at}></offtake-when>
      <a href=${jobFrom(location.hash, run.job_id)}>${s.export}</a>
      ${run.status === "completed" && this.mayDownload
        ? html` <a href=${this.client.downloadPath(run.job_id)} download>${s.download}</a>`
        : nothing}`;
  }

  private actions(one: Schedule, isPaused: boolean) {
    const isMine = one.owner === this.session.sub || may(this.session, EVERYBODYS!);
    if (!isMine || !may(this.session, CHANGE!)) return nothing;
    const button = (label: string, work: () => unknown) => html`<button aria-label=${m.sending.named(label, one.name)} @click=${work}>${label}</button>`;
    return html`<div class="row">
      ${button(s.runNow, () => this.act(one, () => this.sending.run(one.id), s.started(one.name)))}
      ${isPaused
        ? button(s.resume, () => this.act(one, () => this.sending.resume(one.id), s.resumed(one.name)))
        : button(s.pause, () => this.act(one, () => this.sending.pause(one.id), s.paused(one.name)))}
      ${button(m.sending.edit, () => this.edit(one.id))}
      ${button(s.backfill, () => this.backfill.open(one))}
      ${button(m.sending.delete, () => this.deleted(one))}
    </div>`;
  }

  private get mayDownload(): boolean {
    return may(this.session, "exports:download");
  }

  private get sending(): Sending {
    return new Sending(this.client);
  }

  private async load(): Promise<void> {
    clearTimeout(this.#timer);
    this.problem = await attempt(async () => {
      this.schedules = await this.sending.schedules();
    });
    if (this.destinations === null && may(this.session, EVERYBODYS!)) {
      await attempt(async () => {
        this.destinations = await this.sending.destinations();
      });
    }
    clearTimeout(this.#timer);
    const wait = untilMoved(this.schedules ?? []);
    if (wait !== null && this.isConnected) this.#timer = setTimeout(() => void this.load(), wait);
  }

  private async act(one: Schedule, work: () => Promise<unknown>, said: string): Promise<void> {
    this.said = "";
    this.refused = await attempt(work);
    if (this.refused) return;
    this.said = said;
    if (this.open.id === one.id) this.open = { id: one.id, times: this.open.times + 1 };
    await this.load();
  }

  private async edit(id: string | null): Promise<void> {
    this.refused = await this.form.open(id);
  }

  private toggled(one: Schedule, isOpen: boolean): void {
    if (isOpen && this.open.id !== one.id) this.open = { id: one.id, times: 0 };
    else if (!isOpen && this.open.id === one.id) this.open = { id: "", times: 0 };
  }

  private deleted(one: Schedule): void {
    const work = () => this.sending.deleteSchedule(one.id).then(() => this.load());
    void this.question.ask({ title: s.deleteTitle(one.name), detail: s.deleteDetail, act: m.sending.delete, work, next: () => this.renderRoot.querySelector("#make") });
  }

  private readonly begun = (event: CustomEvent<Schedule>): void => {
    this.refused = null;
    this.said = s.started(event.detail.name);
    this.open = { id: event.detail.id, times: this.open.times + 1 };
    void this.load();
  };
}

/** How long until something of them is another: a run goes on, or the next one is due. */
function untilMoved(schedules: readonly Schedule[]): number | null {
  const waits = schedules.map(({ last_run: run, next_run_at: next }) => {
    if (run?.status === "pending" || run?.status === "processing") return AGAIN_MS;
    return next ? Date.parse(next) - Date.now() + AGAIN_MS : Infinity;
  });
  const soonest = Math.min(...waits);
  return soonest === Infinity ? null : Math.min(Math.max(soonest, AGAIN_MS), LATEST_MS);
}
