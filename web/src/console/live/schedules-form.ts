/** Makes or changes a schedule: which rows, which file, when, and who gets it. Fires `saved`. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import type { Answer, Dataset, Problem } from "../../core/client";
import { isCompressible } from "../../core/draft";
import type { Query } from "../../core/filters";
import { type Destination, type Schedule, type Sending, withoutWindow } from "../../core/sending";
import * as text from "../../core/text";
import { besides, control, type Field, field, forms, options, refusal, valueOf } from "../../elements/field";
import "../../elements/filters";
import "../../elements/problem";
import { shared } from "../../elements/styles";
import { Submission } from "../../elements/submission";
import { messages as m } from "../../i18n/pages";
import { conflict, isConflict } from "./conflict";
import { type Draft, type Told, bodyOf, changeOf, draftOf, isMasked, newDraft } from "./schedules-draft";
import "./schedules-timing";
import type { TimingChange } from "./schedules-timing";
import { sendingStyles } from "./sending-styles";

const PLACES = ["/name", "/dataset", "/window", "/horizon_seconds", "/cron", "/time_zone", "/request/fields", "/request/destination", "/request/notify", "/request/format", "/request/compression"];
const f = m.sending.schedules.form;

@customElement("offtake-schedule-form")
export class ScheduleFormElement extends LitElement {
  static override styles = [
    shared,
    sendingStyles,
    forms,
    css`
      .columns { max-block-size: 210px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(200px, 100%), 1fr)); gap: 4px 12px; padding-block-start: 8px; }
      fieldset > .hint { margin-block-start: -4px; }
    `,
  ];

  @property({ attribute: false }) sending!: Sending;
  @property({ attribute: false }) datasets: readonly Dataset[] = [];
  /** Null: they may not be listed. */
  @property({ attribute: false }) destinations: readonly Destination[] | null = null;
  /** What is changed; null: one is made. */
  @state() private present: Schedule | null = null;
  @state() private draft: Draft = newDraft("", "UTC");
  @query("dialog") private dialog!: HTMLDialogElement;
  #version: string | null = null;
  readonly #form = new Submission(this);

  /** Opens for a new one, or to change the one of this id, as it is now. Where that cannot be had it stays closed, and says why. */
  async open(id: string | null): Promise<Problem | null> {
    const isStill = this.#form.begin();
    this.present = null;
    this.draft = newDraft(this.datasets[0]?.name ?? "", text.timeZone());
    const problem = id && (await this.#form.load(() => this.sending.schedule(id), this.take));
    if (problem || !isStill()) return problem || null;
    await this.updateComplete;
    this.dialog.showModal();
    return null;
  }

  private readonly take = ({ body, version }: Answer<Schedule>): void => {
    this.#version = version;
    this.present = body;
    this.draft = draftOf(body, this.datasets.find(({ name }) => name === body.dataset));
  };

  private get problem(): Problem | null {
    return this.#form.problem;
  }

  private get of(): Dataset | undefined {
    return this.datasets.find(({ name }) => name === this.draft.dataset);
  }

  override render() {
    const { draft, present, problem } = this;
    const title = present ? f.change(present.name) : f.create;
    const isHidden = present !== null && (isMasked(present.request) || !this.of);
    return html`<dialog aria-labelledby="title"><form method="dialog" @submit=${this.submitted} novalidate>
      <header><h2 id="title">${title}</h2></header>
      <div class="body">
        ${this.trouble()}
        <div class="pair">
          ${this.input("name", f.name, draft.name, (name) => ({ name }))}
          ${this.choice("dataset", f.dataset, draft.dataset, this.datasets.map(({ name, title: said }) => [name, said]), (dataset) => ({ dataset, filters: {}, columns: null }), present !== null)}
        </div>
        ${this.rows(isHidden)}
        <fieldset><legend>${f.timing}</legend>
          <offtake-schedule-timing .sending=${this.sending} .timing=${draft.timing} .zone=${draft.zone}
            .wrong=${{ cron: refusal(problem, "/cron"), zone: refusal(problem, "/time_zone") }}
            @timing=${(event: CustomEvent<TimingChange>) => this.changed(event.detail)}></offtake-schedule-timing>
        </fieldset>
        ${isHidden ? html`<p class="note">${f.masked}</p>` : html`${this.file()}${this.receivers()}`}
      </div>
      <footer>
        <button type="button" @click=${() => this.dialog.close()}>${m.sending.cancel}</button>
        <button class="primary" ?disabled=${this.#form.isBusy}>${present ? m.sending.save : f.make}</button>
      </footer>
    </form></dialog>`;
  }

  private trouble() {
    const { problem, present } = this;
    if (isConflict(problem) && present) return conflict(() => this.#form.renew(() => this.sending.schedule(present.id), this.take));
    const left = besides(problem, PLACES);
    return left ? html`<offtake-problem .problem=${left}></offtake-problem>` : nothing;
  }

  private rows(isHidden: boolean) {
    const { draft, present, of } = this;
    const isFixed = present !== null;
    const isIncremental = draft.window === "incremental";
    const radio = (value: string, said: string) => html`<label class="check"><input type="radio" name="window" value=${value} ?disabled=${isFixed}
      .checked=${live(draft.window === value)} @change=${() => this.changed({ window: value })} /><span>${said}</span></label>`;
    const wrong = refusal(this.problem, "/window");
    return html`<fieldset><legend>${f.which}</legend>
      ${radio("incremental", f.incremental)}${radio("full", f.full)}
      ${wrong ? html`<p class="error">${wrong}</p>` : nothing}
      ${isFixed ? html`<p class="hint">${f.fixed}</p>` : nothing}
      <div class="pair">
        ${isIncremental && !isFixed ? this.choice("start", f.start, draft.start, [["beginning", f.beginning], ["now", f.now]], (start) => ({ start: start as Draft["start"] })) : nothing}
        ${isIncremental && of?.rows !== "append_only" ? this.input("horizon_seconds", f.horizon, draft.horizon, (horizon) => ({ horizon }), f.horizonHint) : nothing}
      </div>
      ${of && !isHidden
        ? html`<div class="field"><strong>${f.filters}</strong>
            <offtake-filters .of=${withoutWindow(of)} .query=${{ filters: draft.filters, window: { kind: "all" } }}
              @query=${(event: CustomEvent<Query>) => this.changed({ filters: event.detail.filters })}></offtake-filters></div>`
        : nothing}
    </fieldset>`;
  }

  private file() {
    const { draft, of } = this;
    return html`<fieldset><legend>${f.file}</legend>
      <div class="pair">
        ${this.choice("format", m.dialog.format, draft.format, Object.entries(m.dialog.formats), (format) => ({ format }), false, "/request/format")}
        ${this.choice("compression", m.dialog.compression, isCompressible(draft.format) ? draft.compression : "none", Object.entries(m.dialog.compressions),
          (compression) => ({ compression }), !isCompressible(draft.format), "/request/compression")}
      </div>
      ${of ? this.columns(of) : nothing}
    </fieldset>`;
  }

  private columns(of: Dataset) {
    const { draft } = this;
    const chosen = draft.columns ?? of.default_columns;
    const shown = of.columns.filter((column) => column.shown !== "drop");
    const said = draft.columns ? f.columnsChosen(text.number(chosen.length), text.number(shown.length)) : f.columnsUsual(text.number(chosen.length));
    const wrong = refusal(this.problem, "/request/fields");
    const toggled = (name: string) => this.changed({ columns: chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name] });
    return html`<details ?open=${wrong !== undefined}><summary>${f.columns}: ${said}</summary>
      <div class="inside"><div class="row"><button type="button" @click=${() => this.changed({ columns: null })}>${f.usual}</button>
        <button type="button" @click=${() => this.changed({ columns: [] })}>${f.none}</button></div>
      <div class="columns" role="group" aria-label=${f.columns}>${shown.map(({ name, label }) => html`<label class="check"><input type="checkbox" .checked=${live(chosen.includes(name))} @change=${() => toggled(name)} />${label}</label>`)}</div></div>
      ${wrong ? html`<p class="error">${wrong}</p>` : nothing}</details>`;
  }

  private receivers() {
    const { draft, destinations } = this;
    const at = "/request/destination";
    const places: [string, string][] = [["", f.nowhere], ...(destinations ?? []).map(({ id, name }): [string, string] => [id, name])];
    const isKnown = destinations !== null && (draft.destination === "" || destinations.some(({ id }) => id === draft.destination));
    return html`<fieldset><legend>${f.receivers}</legend>
        ${isKnown
          ? this.choice("destination", f.destination, draft.destination, places, (destination) => ({ destination }), false, `${at}/id`)
          : this.input("destination", f.destination, draft.destination, (destination) => ({ destination }), destinations ? undefined : f.unlisted, `${at}/id`)}
        ${draft.destination ? this.input("key", f.key, draft.key, (key) => ({ key }), f.keyHint, `${at}/key`) : nothing}
      <div class="pair">
        ${this.choice("told", f.told, draft.told, [["nobody", f.nobody], ["me", f.me], ["others", f.others]], (told) => ({ told: told as Told }), false, draft.told === "others" ? undefined : "/request/notify")}
        ${draft.told === "others" ? this.input("addresses", f.addresses, draft.addresses, (addresses) => ({ addresses }), f.addressesHint, "/request/notify") : nothing}
      </div></fieldset>`;
  }

  private input(id: string, label: string, now: string, set: (value: string) => Partial<Draft>, hint?: string, pointer = `/${id}`) {
    const of: Field = { id, label, hint, error: refusal(this.problem, pointer) };
    return field(of, html`<input ${control(of)} type="text" autocomplete="off" .value=${live(now)} @input=${(event: Event) => this.changed(set(valueOf(event)))} />`);
  }

  private choice(id: string, label: string, now: string, all: readonly (readonly [string, string])[], set: (value: string) => Partial<Draft>, isFixed = false, pointer: string | undefined = `/${id}`) {
    const of: Field = { id, label, error: pointer && refusal(this.problem, pointer) };
    return field(of, html`<select ${control(of)} ?disabled=${isFixed} @change=${(event: Event) => this.changed(set(valueOf(event)))}>
      ${options(all, now)}</select>`);
  }

  private changed(change: Partial<Draft>): void {
    this.draft = { ...this.draft, ...change };
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    const { present, draft, of } = this;
    if (!present && !of) return;
    const work = (): Promise<unknown> => (present ? this.sending.changeSchedule(present.id, this.#version, changeOf(draft, present, of)) : this.sending.createSchedule(bodyOf(draft, of!)));
    await this.#form.send(work, this.dialog, () => this.dispatchEvent(new CustomEvent("saved")));
  };
}
