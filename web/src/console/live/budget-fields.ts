/** What a budget is made of. */
import { html } from "lit";
import { PERIODS } from "../../core/alerts";
import { messages as m } from "../../i18n";
import { type Given, choice, enabled, input } from "./form-parts";

const words = m.live.form;
const ZONES = Intl.supportedValuesOf("timeZone");

/** Places of a request that have a field. */
export const BUDGET_PLACES = ["/name", "/provider", "/amount_usd", "/period", "/time_zone", "/percentages"];

export function budgetFields(given: Given) {
  return html`
    ${input(given, "name", words.name)}
    <div class="pair">
      ${input(given, "amount_usd", words.amount, { mode: "decimal" })}
      ${choice(given, "period", words.period, PERIODS.map((name) => [name, words.periods[name]!] as const))}
    </div>
    <div class="pair">
      ${input(given, "time_zone", words.zone, { hint: words.zoneHint, list: "zones" })}
      ${input(given, "provider", words.provider, { hint: words.providerHint })}
    </div>
    ${input(given, "percentages", words.percentages, { hint: words.percentagesHint })}
    ${enabled(given)}
    <datalist id="zones">${ZONES.map((zone) => html`<option value=${zone}></option>`)}</datalist>`;
}
