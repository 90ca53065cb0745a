/** The form of a file: format, compression, name, and how values are written for people. Fires `draft` with what changes. */
import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { DELIMITERS, type Draft, isCompressible, isDelimited, isForPeople } from "../../core/draft";
import * as text from "../../core/text";
import { messages as m } from "../../i18n";
import { options, valueOf } from "../field";
import { shared } from "../styles";
import { parts } from "./styles";

/** Those the API writes for. */
const LOCALES =
  "cs-CZ da-DK de-AT de-CH de-DE el-GR en-AU en-CA en-GB en-IE en-IN en-NZ en-US en-ZA es-AR es-ES es-MX et-EE fi-FI fr-BE fr-CA fr-CH fr-FR he-IL hr-HR hu-HU id-ID it-CH it-IT ja-JP ko-KR lt-LT lv-LV nb-NO nl-BE nl-NL pl-PL pt-BR pt-PT ro-RO ru-RU sk-SK sl-SI sv-SE tr-TR uk-UA vi-VN zh-CN zh-TW".split(" ");

@customElement("offtake-export-form")
export class ExportFormElement extends LitElement {
  static override styles = [shared, parts, css`details .pair { margin-block-start: 8px; }`];

  @property({ attribute: false }) draft!: Draft;

  override render() {
    const { draft } = this;
    return html`<div class="pair">
        ${select(m.dialog.format, draft.format, Object.entries(m.dialog.formats), (format) => this.tell({ format }))}
        ${select(m.dialog.compression, draft.compression, Object.entries(m.dialog.compressions), (compression) => this.tell({ compression }), {
          disabled: !isCompressible(draft.format),
          hint: !isCompressible(draft.format) ? m.dialog.compressedInside : draft.compression === "none" ? "" : m.dialog.compressedHint,
        })}
        <label class="field">${m.dialog.name}
          <input type="text" maxlength="200" .value=${draft.name} @input=${(event: Event) => this.tell({ name: valueOf(event) })} />
          <span class="quiet">${m.dialog.nameHint}</span>
        </label>
      </div>
      ${isForPeople(draft.format) ? this.forPeople() : nothing}`;
  }

  private forPeople() {
    const { draft } = this;
    const isChanged = draft.delimiter !== "" || draft.locale !== "" || draft.timeZone !== "";
    return html`<details ?open=${isChanged}>
      <summary>${m.dialog.forPeople}</summary>
      <div class="pair">
        ${select(m.dialog.locale, draft.locale, [["", m.dialog.exact], ...LOCALES.map((tag): [string, string] => [tag, text.region(tag)])], (locale) => this.tell({ locale }), {
          hint: draft.locale ? m.dialog.localeHint : m.dialog.exactHint,
        })}
        ${select(m.dialog.zone, draft.timeZone, zones(), (timeZone) => this.tell({ timeZone }))}
        ${isDelimited(draft.format)
          ? select(m.dialog.delimiter, draft.delimiter, [["", m.dialog.usual], ...DELIMITERS.map((one): [string, string] => [one, m.dialog.delimiters[one]!])], (delimiter) => this.tell({ delimiter }))
          : nothing}
      </div>
    </details>`;
  }

  private tell(change: Partial<Draft>): void {
    this.dispatchEvent(new CustomEvent("draft", { detail: change }));
  }
}

/** The reader's own zone is the one that is asked for most. */
function zones(): [string, string][] {
  const own = text.timeZone();
  const others = Intl.supportedValuesOf("timeZone").filter((zone) => zone !== own && zone !== "UTC");
  return [["", m.dialog.utc], ...(own === "UTC" ? [] : [[own, own] as [string, string]]), ...others.map((zone): [string, string] => [zone, zone])];
}

type More = { readonly disabled?: boolean; readonly hint?: string };

function select(label: string, value: string, all: readonly (readonly [string, string])[], told: (value: string) => void, { disabled = false, hint = "" }: More = {}) {
  return html`<label class="field">${label}
    <select ?disabled=${disabled} @change=${(event: Event) => told(valueOf(event))}>
      ${options(all, value)}
    </select>
    ${hint ? html`<span class="quiet">${hint}</span>` : nothing}
  </label>`;
}
