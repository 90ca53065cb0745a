/** The columns of a file: which, in what order, under what names. Fires `fields` with what they are to be. */
import { LitElement, css, html } from "lit";
import { customElement, property } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { DraftField } from "../../core/draft";
import * as text from "../../core/text";
import { messages as m } from "../../i18n";
import { valueOf } from "../field";
import { shared } from "../styles";
import { parts } from "./styles";

@customElement("offtake-export-columns")
export class ExportColumnsElement extends LitElement {
  static override styles = [
    shared,
    parts,
    css`
      ol { list-style: none; margin: 6px 0 0; padding: 0; max-block-size: 210px; overflow: auto; }
      li { display: grid; grid-template-columns: 1fr minmax(90px, 180px) auto; gap: 8px; align-items: center; padding: 2px; }
      li label { display: flex; gap: 8px; align-items: center; min-inline-size: 0; }
      li button { min-height: 28px; padding: 2px 8px; }
      @media (max-width: 560px) { li { grid-template-columns: 1fr auto; } li input[type="text"] { grid-row: 2; grid-column: 1 / -1; } li input[type="text"]:disabled { display: none; } }
    `,
  ];

  @property({ attribute: false }) fields: readonly DraftField[] = [];

  override render() {
    const wanted = this.fields.filter((field) => field.wanted).length;
    return html`<fieldset>
      <legend>${m.dialog.columns}</legend>
      <div class="row">
        <button type="button" @click=${() => this.want(true)}>${m.dialog.allColumns}</button>
        <button type="button" @click=${() => this.want(false)}>${m.dialog.noColumns}</button>
        <span class="quiet number" role="status">${wanted === 0 ? m.dialog.noneWanted : m.dialog.wanted(text.number(wanted), text.number(this.fields.length))}</span>
      </div>
      <ol>${repeat(this.fields, (field) => field.name, (field, index) => this.item(field, index))}</ol>
    </fieldset>`;
  }

  private item(field: DraftField, index: number) {
    return html`<li>
      <label><input type="checkbox" .checked=${field.wanted} @change=${(event: Event) => this.change(index, { wanted: (event.target as HTMLInputElement).checked })} />${field.label}</label>
      <input type="text" placeholder=${field.name} aria-label=${m.dialog.alias(field.label)} .value=${field.alias} ?disabled=${!field.wanted}
        @change=${(event: Event) => this.change(index, { alias: valueOf(event).trim() })} />
      <span>
        <button type="button" aria-label=${m.dialog.up(field.label)} ?disabled=${index === 0} @click=${() => this.move(index, -1)}>↑</button>
        <button type="button" aria-label=${m.dialog.down(field.label)} ?disabled=${index === this.fields.length - 1} @click=${() => this.move(index, 1)}>↓</button>
      </span>
    </li>`;
  }

  private want(wanted: boolean): void {
    this.tell(this.fields.map((field) => ({ ...field, wanted })));
  }

  private change(index: number, change: Partial<DraftField>): void {
    this.tell(this.fields.map((field, at) => (at === index ? { ...field, ...change } : field)));
  }

  private move(index: number, by: 1 | -1): void {
    const fields = [...this.fields];
    const [moved] = fields.splice(index, 1);
    if (moved) fields.splice(index + by, 0, moved);
    this.tell(fields);
  }

  private tell(fields: readonly DraftField[]): void {
    this.dispatchEvent(new CustomEvent("fields", { detail: fields }));
  }
}
