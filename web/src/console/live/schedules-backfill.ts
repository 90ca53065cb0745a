/** Exports a window of the past once more. Fires `begun` with the schedule. */
import { LitElement, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import { attempt } from "../../core/attempt";
import type { Client, Dataset } from "../../core/client";
import { type Query, toBody } from "../../core/filters";
import { type Schedule, type Sending, filtersOf, withoutWindow } from "../../core/sending";
import * as text from "../../core/text";
import { besides, control, type Field, field, forms, refusal, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Submission } from "../../elements/submission";
import { messages as m } from "../../i18n/pages";
import { sendingStyles } from "./sending-styles";

/** What the ends of a window are called in an export. */
const ENDS: Record<string, string> = { from: "/start_time", to: "/end_time" };
const { backfilling: b } = m.sending.schedules;

@customElement("offtake-schedule-backfill")
export class ScheduleBackfillElement extends LitElement {
  static override styles = [shared, sendingStyles, forms];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) sending!: Sending;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  @state() private schedule: Schedule | null = null;
  /** As fields have them: in the reader's own time. */
  @state() private from = "";
  @state() private to = "";
  /** Rows in the window; null while that is not known. */
  @state() private count: number | null = null;
  @query("dialog") private dialog!: HTMLDialogElement;
  #counting = new AbortController();
  readonly #form = new Submission(this);

  async open(schedule: Schedule): Promise<void> {
    this.#form.begin();
    const today = new Date();
    today.setHours(0, 0, 0, 0);
    // A day is not always of 24 hours.
    const yesterday = new Date(today);
    yesterday.setDate(today.getDate() - 1);
    this.schedule = schedule;
    this.from = local(yesterday);
    this.to = local(today);
    await this.updateComplete;
    this.dialog.showModal();
    await this.counted();
  }

  override render() {
    const { problem } = this.#form;
    const at = (id: string, label: string): Field => ({ id, label, error: refusal(problem, `/${id}`) ?? refusal(problem, ENDS[id]!) });
    const [from, to] = [at("from", b.from), at("to", b.to)];
    const left = besides(problem, ["/from", "/to", ...Object.values(ENDS)]);
    const moment = (of: Field, now: string, set: (value: string) => void) =>
      field(of, html`<input ${control(of)} type="datetime-local" required .value=${live(now)} @input=${(event: Event) => { set(valueOf(event)); void this.counted(); }} />`);
    return html`<dialog aria-labelledby="title"><form method="dialog" @submit=${this.submitted} novalidate>
      <header><h2 id="title">${b.title(this.schedule?.name ?? "")}</h2><p class="quiet">${b.lead}</p></header>
      <div class="body">
        ${left ? html`<offtake-problem .problem=${left}></offtake-problem>` : nothing}
        <div class="pair">${moment(from, this.from, (value) => (this.from = value))}${moment(to, this.to, (value) => (this.to = value))}</div>
        <p class="quiet">${b.zone(text.ownTimeZone())}</p>
        <p role="status">${this.count === null ? b.makesOne : b.makes(text.number(this.count))}</p>
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${m.sending.cancel}</button>
        <button class="primary" ?disabled=${this.#form.isBusy}>${b.begin}</button>
      </footer>
    </form></dialog>`;
  }

  private async counted(): Promise<void> {
    this.#counting.abort();
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    this.count = null;
    const dataset = this.datasets.find(({ name }) => name === this.schedule?.dataset);
    const [from, to] = [moment(this.from), moment(this.to)];
    if (!dataset?.time || !from || !to || from >= to) return;
    const window: Query["window"] = { kind: "between", from, to };
    const body = toBody(dataset, { filters: filtersOf(withoutWindow(dataset), this.schedule!.request), window }, new Date());
    // That it cannot be counted says nothing about whether it can be exported.
    await attempt(async () => {
      const { count } = await this.client.count(dataset.name, body, signal).catch((error: unknown) => {
        if (signal.aborted) return { count: null };
        throw error;
      });
      if (!signal.aborted) this.count = count;
    });
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    const schedule = this.schedule!;
    const work = () => this.sending.backfill(schedule.id, moment(this.from) ?? this.from, moment(this.to) ?? this.to);
    await this.#form.send(work, this.dialog, () => this.dispatchEvent(new CustomEvent<Schedule>("begun", { detail: schedule })));
  };
}

/** A moment as a field has it. */
function local(date: Date): string {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function moment(field: string): string | null {
  const date = new Date(field);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
