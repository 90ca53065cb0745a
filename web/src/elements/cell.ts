/** What stands in a cell. Never more than a line; the whole of it is in the row's own page and in the file. */
import { html, nothing } from "lit";
import type { Column } from "../core/client";
import * as text from "../core/text";

const LONGEST = 160;

export function cell(column: Column, value: unknown) {
  if (value === null || value === undefined) return html`<span class="quiet">–</span>`;
  if (column.shown !== "clear") return html`<span class="quiet">${String(value)}</span>`;
  if (column.type === "timestamp") return html`<time datetime=${String(value)} title=${String(value)}>${text.exactly(String(value))}</time>`;
  if (column.name.endsWith("_usd") && (typeof value === "string" || typeof value === "number")) return text.dollars(value);
  if (column.name === "duration_ms" && typeof value === "number") return text.milliseconds(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return text.number(value);
  if (column.name === "status_code" && value === "ERROR") return html`<span class="bad">ERROR</span>`;
  const said = typeof value === "string" ? value : JSON.stringify(value);
  const isCut = said.length > 24;
  return html`<span class=${isCut ? "cut" : nothing} title=${isCut ? said.slice(0, 1000) : nothing}>${said.slice(0, LONGEST)}</span>`;
}
