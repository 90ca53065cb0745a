/**
 * Asks what the file is to be, shows how it begins, and asks for it. Fires `started` with the job's id.
 * Not responsible for which rows: it is given the body that says so.
 */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { type Client, type Dataset, type Preview, Problem } from "../core/client";
import * as text from "../core/text";
import { messages as m } from "../i18n";
import { cell } from "./cell";
import "./problem";
import { shared } from "./styles";

type Field = { readonly name: string; readonly label: string; readonly alias: string; readonly wanted: boolean };

const COMPRESSIBLE = ["csv", "jsonl", "json"];

@customElement("offtake-export-dialog")
export class ExportDialogElement extends LitElement {
  static override styles = [
    shared,
    css`
      form, section { display: grid; grid-template-columns: minmax(0, 1fr); }
      section { gap: 6px; }
      header, footer { padding: 14px 20px; }
      footer { border-block-start: 1px solid var(--_line); display: flex; gap: 8px; justify-content: end; position: sticky; inset-block-end: 0; background: var(--_surface); }
      .body { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; padding: 0 20px 16px; min-inline-size: 0; }
      .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(220px, 100%), 1fr)); gap: 12px; }
      label.field { display: grid; gap: 3px; min-inline-size: 0; }
      select, input[type="text"] { inline-size: 100%; min-inline-size: 0; }
      fieldset { border: 1px solid var(--_line); border-radius: var(--_radius); padding: 8px 12px; margin: 0; min-inline-size: 0; }
      ol { list-style: none; margin: 6px 0 0; padding: 0; max-block-size: 210px; overflow: auto; }
      li { display: grid; grid-template-columns: 1fr minmax(90px, 180px) auto; gap: 8px; align-items: center; padding: 2px; }
      li label { display: flex; gap: 8px; align-items: center; min-inline-size: 0; }
      li button { min-height: 28px; padding: 2px 8px; }
      @media (max-width: 560px) { li { grid-template-columns: 1fr auto; } li input[type="text"] { grid-row: 2; grid-column: 1 / -1; } }
      .scroll { overflow: auto; max-block-size: 220px; border: 1px solid var(--_line); border-radius: var(--_radius); }
      table { border-collapse: collapse; }
      th, td { padding: 3px 8px; text-align: start; white-space: nowrap; border-block-end: 1px solid var(--_line); }
      th { background: var(--_soft); position: sticky; inset-block-start: 0; }
      td .cut { display: block; max-inline-size: 240px; overflow: hidden; text-overflow: ellipsis; }
    `,
  ];

  @property({ attribute: false }) client!: Client;
  @state() private of: Dataset | null = null;
  @state() private fields: readonly Field[] = [];
  @state() private format = "csv";
  @state() private compression = "none";
  @state() private sample: Preview | null = null;
  @state() private problem: Problem | null = null;
  @state() private isAsking = false;
  @query("dialog") private dialog!: HTMLDialogElement;

  #rows: Record<string, unknown> = {};
  #count = 0;
  #countedAt: Date | null = null;
  #name = "";
  /** One for each thing that is asked for, however often the button is pressed. */
  #key = "";
  #looking = new AbortController();

  /** Opens with the rows that `rows` names, which are `count`. */
  async open(dataset: Dataset, rows: Record<string, unknown>, count: number, countedAt: Date | null): Promise<void> {
    this.of = dataset;
    this.#rows = rows;
    this.#count = count;
    this.#countedAt = countedAt;
    this.#name = "";
    this.#key = crypto.randomUUID();
    this.problem = null;
    this.fields = dataset.columns
      .filter((column) => column.shown !== "drop")
      .map(({ name, label }) => ({ name, label, alias: "", wanted: dataset.default_columns.includes(name) }));
    await this.updateComplete;
    this.dialog.showModal();
    await this.look();
  }

  override render() {
    const { of } = this;
    if (!of) return html`<dialog></dialog>`;
    const noun = this.#count === 1 ? of.title.toLowerCase().replace(/s$/, "") : of.title.toLowerCase();
    const count = text.number(this.#count);
    return html`<dialog aria-labelledby="title">
      <form method="dialog" @submit=${this.submitted}>
        <header><h2 id="title">${m.dialog.title(count, noun)}</h2>
          ${this.#countedAt ? html`<p class="quiet">${m.dialog.moment(text.at(this.#countedAt.toISOString()))}</p>` : nothing}
        </header>
        <div class="body">
          ${this.problem ? html`<offtake-problem .problem=${this.problem}></offtake-problem>` : nothing}
          <div class="pair">
            <label class="field">${m.dialog.format}
              <select @change=${(event: Event) => this.changed({ format: valueOf(event) })}>
                ${Object.entries(m.dialog.formats).map(([value, label]) => html`<option value=${value} ?selected=${value === this.format}>${label}</option>`)}
              </select>
            </label>
            <label class="field">${m.dialog.compression}
              <select ?disabled=${!this.isCompressible} @change=${(event: Event) => this.changed({ compression: valueOf(event) })}>
                ${Object.entries(m.dialog.compressions).map(([value, label]) => html`<option value=${value} ?selected=${value === this.compression}>${label}</option>`)}
              </select>
              ${this.isCompressible && this.compression !== "none" ? html`<span class="quiet">${m.dialog.compressedHint}</span>` : nothing}
            </label>
            <label class="field">${m.dialog.name}
              <input type="text" maxlength="200" @input=${(event: Event) => { this.#name = valueOf(event); this.#key = crypto.randomUUID(); }} />
              <span class="quiet">${m.dialog.nameHint}</span>
            </label>
          </div>
          <fieldset>
            <legend>${m.dialog.columns}</legend>
            <div class="row">
              <button type="button" @click=${() => this.want(true)}>${m.dialog.allColumns}</button>
              <button type="button" @click=${() => this.want(false)}>${m.dialog.noColumns}</button>
            </div>
            <ol>${repeat(this.fields, (field) => field.name, (field, index) => this.fieldRow(field, index))}</ol>
          </fieldset>
          ${this.begins()}
        </div>
        <footer>
          <button type="button" @click=${() => this.dialog.close()}>${m.dialog.cancel}</button>
          <button class="primary" ?disabled=${this.isAsking || !this.fields.some((field) => field.wanted)}>${m.dialog.start}</button>
        </footer>
      </form>
    </dialog>`;
  }

  private fieldRow(field: Field, index: number) {
    return html`<li>
      <label><input type="checkbox" .checked=${field.wanted} @change=${(event: Event) => this.field(index, { wanted: (event.target as HTMLInputElement).checked })} />${field.label}</label>
      <input type="text" placeholder=${field.name} aria-label=${m.dialog.alias(field.label)} .value=${field.alias} ?disabled=${!field.wanted}
        @change=${(event: Event) => this.field(index, { alias: valueOf(event).trim() })} />
      <span>
        <button type="button" aria-label=${m.dialog.up(field.label)} ?disabled=${index === 0} @click=${() => this.move(index, -1)}>↑</button>
        <button type="button" aria-label=${m.dialog.down(field.label)} ?disabled=${index === this.fields.length - 1} @click=${() => this.move(index, 1)}>↓</button>
      </span>
    </li>`;
  }

  private begins() {
    const { sample } = this;
    if (!sample) return this.problem ? nothing : html`<p class="quiet">${m.loading}</p>`;
    const columns = sample.columns;
    return html`<section>
      <h3>${m.dialog.preview}</h3>
      <div class="scroll" tabindex="0" role="region" aria-label=${m.dialog.preview}>
        <table>
          <thead><tr>${columns.map((column) => html`<th scope="col">${column.header}</th>`)}</tr></thead>
          <tbody>${sample.rows.map((row) => html`<tr>${columns.map((column) => html`<td>${cell({ ...column, sensitive: false, shown: "clear" }, row[column.header] ?? row[column.name])}</td>`)}</tr>`)}</tbody>
        </table>
      </div>
      <p class="quiet">
        ${m.dialog.estimate(text.bytes(sample.estimated_bytes))}${sample.estimated_seconds ? `, ${m.dialog.estimateTime(text.seconds(sample.estimated_seconds))}` : ""}.
        ${sample.limited ? m.dialog.limited(text.number(sample.expected_rows)) : nothing}
        ${this.of?.columns.some((column) => column.shown !== "clear") ? m.dialog.sensitive : nothing}
      </p>
    </section>`;
  }

  private get isCompressible(): boolean {
    return COMPRESSIBLE.includes(this.format);
  }

  private get body(): Record<string, unknown> {
    const isExcel = this.format === "excel";
    const fields = this.fields.filter((field) => field.wanted).map((field) => (field.alias ? { name: field.name, as: field.alias } : field.name));
    return {
      ...this.#rows,
      format: isExcel ? "csv" : this.format,
      ...(isExcel && { dialect: "excel" }),
      ...(this.isCompressible && this.compression !== "none" && { compression: this.compression }),
      ...(this.#name.trim() && { name: this.#name.trim() }),
      fields,
    };
  }

  private changed(change: { format?: string; compression?: string }): void {
    this.format = change.format ?? this.format;
    this.compression = change.compression ?? this.compression;
    this.anew();
  }

  private field(index: number, change: Partial<Field>): void {
    this.fields = this.fields.map((field, at) => (at === index ? { ...field, ...change } : field));
    this.anew();
  }

  private want(wanted: boolean): void {
    this.fields = this.fields.map((field) => ({ ...field, wanted }));
    this.anew();
  }

  private move(index: number, by: 1 | -1): void {
    const fields = [...this.fields];
    const [moved] = fields.splice(index, 1);
    if (moved) fields.splice(index + by, 0, moved);
    this.fields = fields;
    this.anew();
  }

  /** What is asked for is something else now. */
  private anew(): void {
    this.#key = crypto.randomUUID();
    void this.look();
  }

  private async look(): Promise<void> {
    this.#looking.abort();
    this.#looking = new AbortController();
    const { signal } = this.#looking;
    if (!this.of || !this.fields.some((field) => field.wanted)) return;
    try {
      const sample = await this.client.preview(this.of.name, this.body, signal);
      if (signal.aborted) return;
      this.sample = sample;
      this.problem = null;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this.sample = null;
      this.problem = error;
    }
  }

  private readonly submitted = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!this.of || this.isAsking) return;
    this.isAsking = true;
    try {
      const { job_id: id } = await this.client.create(this.of.name, this.body, this.#key);
      this.dialog.close();
      this.dispatchEvent(new CustomEvent<string>("started", { detail: id }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    } finally {
      this.isAsking = false;
    }
  };
}

function valueOf(event: Event): string {
  return (event.target as HTMLInputElement | HTMLSelectElement).value;
}
