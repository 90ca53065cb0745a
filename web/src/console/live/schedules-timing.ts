/** When something is to happen, again and again, and when that would be. Fires `timing` with `{ timing, zone }`. */
import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import { Problem } from "../../core/client";
import { STEPS, type Timing, as, print } from "../../core/cron";
import type { Sending } from "../../core/sending";
import * as text from "../../core/text";
import { besides, control, type Field, field, forms, options, valueOf } from "../../elements/field";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { messages as m } from "../../i18n/pages";
import { dayName, inZone } from "./schedules-words";

/** Those that have a time of day. */
type Clocked = Extract<Timing, { hour: number }>;
export type TimingChange = { readonly timing: Timing; readonly zone: string };

const KINDS = ["minutes", "hourly", "daily", "weekly", "monthly", "written"] as const;
/** Who types is left in peace for so long. */
const PAUSE_MS = 250;
const WEEK = [1, 2, 3, 4, 5, 6, 0];
const f = m.sending.schedules.form;

@customElement("offtake-schedule-timing")
export class ScheduleTimingElement extends LitElement {
  static override styles = [
    shared,
    forms,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; min-inline-size: 0; }
      .days { display: flex; flex-wrap: wrap; gap: 6px 14px; }
      .days legend { float: inline-start; margin-inline-end: 4px; }
      .days label { display: inline-flex; gap: 6px; align-items: center; }
      fieldset.days { border: 0; padding: 0; }
      .ahead { background: var(--_soft); border-radius: var(--_radius); padding: 8px 12px; }
      ol { margin: 4px 0 0; padding-inline-start: 20px; display: grid; gap: 1px; }
    `,
  ];

  @property({ attribute: false }) sending!: Sending;
  @property({ attribute: false }) timing!: Timing;
  @property() zone = "UTC";
  /** What the server has against a schedule that was sent to it. */
  @property({ attribute: false }) wrong: { readonly cron?: string | undefined; readonly zone?: string | undefined } = {};
  @state() private ahead: readonly string[] | null = null;
  @state() private problem: Problem | null = null;
  @state() private isAsking = false;
  #asking = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asking.abort();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("timing") || changed.has("zone")) void this.ask();
  }

  override render() {
    const at = (pointer: string): string | undefined => this.problem?.errors.find((error) => error.pointer === pointer)?.detail;
    const left = besides(this.problem, ["/cron", "/time_zone"]);
    const kind: Field = { id: "kind", label: f.repeats };
    const zone: Field = { id: "zone", label: f.zone, error: this.wrong.zone ?? at("/time_zone") };
    return html`<div class="pair">
        ${field(kind, html`<select ${control(kind)} @change=${(event: Event) => this.changed(as(valueOf(event) as Timing["kind"], this.timing))}>
          ${options(KINDS.map((name) => [name, f.kinds[name]]), this.timing.kind)}</select>`)}
        ${this.details(this.wrong.cron ?? at("/cron"))}
        ${field(zone, html`<select translate="no" ${control(zone)} @change=${(event: Event) => this.changed(this.timing, valueOf(event))}>
          ${options(zones(this.zone).map((name) => [name, name]), this.zone)}</select>`)}
      </div>
      ${this.timing.kind === "weekly" ? this.days(this.timing) : nothing}
      <div class="ahead" role="status"><strong>${f.ahead}</strong>
        ${this.ahead ? html`<ol>${this.ahead.map((run) => html`<li><time datetime=${run}>${inZone(run, this.zone)}</time></li>`)}</ol>` : this.isAsking ? html` <span class="quiet">${f.asking}</span>` : nothing}
      </div>
      ${left ? html`<offtake-problem again .problem=${left} @again=${() => void this.ask()}></offtake-problem>` : nothing}`;
  }

  private details(wrong: string | undefined) {
    const { timing } = this;
    const select = (of: Field, now: number, all: readonly number[], say: (value: number) => string, set: (value: number) => Timing) =>
      field(of, html`<select ${control(of)} @change=${(event: Event) => this.changed(set(Number(valueOf(event))))}>
        ${options(all.map((value) => [String(value), say(value)]), String(now))}</select>`);
    if (timing.kind === "minutes") return select({ id: "every", label: f.every, error: wrong }, timing.every, STEPS, (n) => f.step(text.number(n)), (every) => ({ ...timing, every }));
    if (timing.kind === "hourly") return select({ id: "minute", label: f.minute, error: wrong }, timing.minute, upTo(0, 59), text.number, (minute) => ({ ...timing, minute }));
    if (timing.kind === "written") {
      const cron: Field = { id: "cron", label: f.cron, hint: f.cronHint, error: wrong };
      return field(cron, html`<input ${control(cron)} type="text" spellcheck="false" autocomplete="off" .value=${live(timing.cron)} @input=${(event: Event) => this.changed({ kind: "written", cron: valueOf(event) })} />`);
    }
    const time: Field = { id: "time", label: f.time, error: wrong };
    const clock = `${String(timing.hour).padStart(2, "0")}:${String(timing.minute).padStart(2, "0")}`;
    return html`${timing.kind === "monthly" ? select({ id: "day", label: f.day }, timing.day, upTo(1, 31), text.number, (day) => ({ ...timing, day })) : nothing}
      ${field(time, html`<input ${control(time)} type="time" required .value=${live(clock)} @change=${(event: Event) => this.clock(timing, valueOf(event))} />`)}`;
  }

  private days(timing: Timing & { kind: "weekly" }) {
    const toggled = (day: number) => {
      const days = timing.days.includes(day) ? timing.days.filter((one) => one !== day) : [...timing.days, day];
      // Never is no time.
      if (days.length > 0) this.changed({ ...timing, days });
      else this.requestUpdate();
    };
    return html`<fieldset class="days"><legend>${f.days}</legend>
      ${WEEK.map((day) => html`<label><input type="checkbox" .checked=${live(timing.days.includes(day))} @change=${() => toggled(day)} />${dayName(day)}</label>`)}</fieldset>`;
  }

  private clock(timing: Clocked, value: string): void {
    const [hour, minute] = value.split(":").map(Number);
    if (hour !== undefined && minute !== undefined && !Number.isNaN(hour)) this.changed({ ...timing, hour, minute });
  }

  private changed(timing: Timing, zone = this.zone): void {
    this.dispatchEvent(new CustomEvent<TimingChange>("timing", { detail: { timing, zone } }));
  }

  private async ask(): Promise<void> {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.isAsking = true;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (signal.aborted) return;
    try {
      const ahead = await this.sending.ahead(print(this.timing), this.zone, signal);
      if (signal.aborted) return;
      [this.ahead, this.problem] = [ahead, null];
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      [this.ahead, this.problem] = [null, error];
    } finally {
      if (!signal.aborted) this.isAsking = false;
    }
  }
}

const upTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** The zones there are, the reader's own and the plain one first, and the chosen one even if this browser does not know it. */
function zones(now: string): string[] {
  return [...new Set([text.timeZone(), "UTC", ...Intl.supportedValuesOf("timeZone"), now])];
}
