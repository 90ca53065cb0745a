/** Parts of the forms of alert rules and budgets. */
import { html, nothing } from "lit";
import type { Draft } from "../../core/alerts";
import { DURATION_UNITS } from "../../core/alerts";
import type { Problem } from "../../core/client";
import { control, field, options, refusal, valueOf } from "../../elements/field";
import { messages as m } from "../../i18n/pages";

const words = m.live.form;

/** What a form says, what is wrong with it, and how to say something else. */
export type Given = {
  readonly draft: Draft;
  /** What it said when it was opened. */
  readonly before: Draft;
  readonly problem: Problem | null;
  readonly put: (name: string, value: string) => void;
};

type More = { readonly hint?: unknown; readonly mode?: string; readonly list?: string };

export function input({ draft, problem, put }: Given, name: string, label: string, { hint, mode = "text", list }: More = {}) {
  const of = { id: name, label, hint, error: refusal(problem, `/${name}`) };
  return field(of, html`<input type="text" inputmode=${mode} autocomplete="off" list=${list ?? nothing} .value=${draft[name] ?? ""} @input=${(event: Event) => put(name, valueOf(event))} ${control(of)} />`);
}

export function choice({ draft, problem, put }: Given, name: string, label: string, all: readonly (readonly [string, string])[], hint?: unknown) {
  const of = { id: name, label, hint, error: refusal(problem, `/${name}`) };
  return field(of, html`<select @change=${(event: Event) => put(name, valueOf(event))} ${control(of)}>
    ${options(all, draft[name] ?? "")}</select>`);
}

/** A number and its unit. */
export function duration({ draft, problem, put }: Given, name: string, label: string, hint?: unknown) {
  const of = { id: name, label, hint, error: refusal(problem, `/${name}`) };
  const unit = `${name}_unit`;
  return field(of, html`<div class="duration">
    <input type="text" inputmode="decimal" autocomplete="off" .value=${draft[name] ?? ""} @input=${(event: Event) => put(name, valueOf(event))} ${control(of)} />
    <select aria-label=${words.unitOf(label)} @change=${(event: Event) => put(unit, valueOf(event))}>
      ${options(Object.keys(DURATION_UNITS).map((one) => [one, words.durations[one]]), draft[unit] ?? "")}</select></div>`);
}

export function enabled({ draft, put }: Given) {
  return html`<label class="check"><input type="checkbox" .checked=${draft.enabled === "true"} @change=${(event: Event) => put("enabled", String((event.target as HTMLInputElement).checked))} />${words.enabled}</label>`;
}
