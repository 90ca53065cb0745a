/** How things stand with a budget. */
import { html, nothing } from "lit";
import { type Alert, type Standing, projected } from "../../core/alerts";
import * as text from "../../core/text";
import "../../elements/when";
import { messages as m } from "../../i18n";
import { gauge } from "./gauge";

const words = m.live.budgets;

export function budget(alert: Alert, standing: Standing, now: number) {
  const { state, amount_usd, period, provider, time_zone } = alert;
  const amount = Number(amount_usd);
  const spending = standing === "off" ? null : state.spending;
  return html`<p class="sentence">${words.sentence(text.dollars(amount_usd ?? "0"), words.perPeriod[period ?? ""] ?? "", provider ?? null, time_zone ?? "UTC")}</p>
    ${spending ? picture(alert, Number(spending.spent_usd), amount, projected(alert, now)) : html`<p class="quiet">${standing === "off" ? m.live.rules.noValueOff : words.noSpending}</p>`}
    <dl>
      ${spending ? html`<dt>${words.ends}</dt><dd><offtake-when at=${spending.to}></offtake-when></dd>` : nothing}
      <dt>${words.told}</dt><dd>${state.last_fired_at ? html`<offtake-when at=${state.last_fired_at}></offtake-when>` : words.notTold}</dd>
    </dl>`;
}

function picture({ percentages, state }: Alert, spent: number, amount: number, ahead: number | null) {
  const share = (spent / amount) * 100;
  const said = words.spent(text.dollars(spent), text.dollars(amount), text.percent(share));
  const told = state.spending?.told ?? [];
  const ticks = (percentages ?? []).map((percent) => ({ at: (amount * percent) / 100, label: text.percent(percent) }));
  const rest = spent > amount ? words.beyond(text.dollars(spent - amount)) : words.left(text.dollars(amount - spent));
  return html`${gauge({ value: spent, ghost: ahead, ticks, tone: spent >= amount ? "bad" : told.length > 0 ? "near" : "plain", label: said }, said)}
    <p class="quiet">${rest}${ahead === null ? nothing : html` · ${words.projected(text.dollars(ahead))}`}</p>`;
}
