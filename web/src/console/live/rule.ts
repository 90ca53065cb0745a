/** How things stand with a rule on a metric. */
import { html, nothing } from "lit";
import { type Alert, type Standing, metricValue } from "../../core/alerts";
import * as text from "../../core/text";
import "../../elements/when";
import { messages as m } from "../../i18n/pages";
import { gauge } from "./gauge";

const words = m.live.rules;

export function rule(alert: Alert, standing: Standing) {
  const { state } = alert;
  const metric = alert.metric ?? "";
  return html`<p class="sentence">${sentenceOf(alert)}</p>
    ${state.value == null || standing === "off" ? html`<p class="quiet">${unknown(alert, standing)}</p>` : picture(alert, metric, state.value)}
    <dl>
      ${state.status === "firing" && state.since ? html`<dt>${words.since}</dt><dd><offtake-when at=${state.since}></offtake-when></dd>` : nothing}
      <dt>${words.fired}</dt><dd>${state.last_fired_at ? html`<offtake-when at=${state.last_fired_at}></offtake-when>` : words.never}</dd>
      ${standing === "cooling" ? html`<dt>${words.cool}</dt><dd><time datetime=${state.cool_down_until!}>${text.clock(state.cool_down_until!)}</time></dd>` : nothing}
    </dl>`;
}

function picture({ threshold = 0, state }: Alert, metric: string, value: number) {
  const [said, limit] = [metricValue(metric, value), metricValue(metric, threshold ?? 0)];
  return gauge({
    value, tone: state.status === "firing" ? "bad" : "plain", label: words.gauge(said, limit),
    ticks: [{ at: threshold ?? 0, label: words.threshold(limit) }],
  }, said);
}

function sentenceOf({ metric = "", direction, threshold, clear_threshold, window_seconds, min_traces, filters }: Alert): string {
  const said = (value: number | null | undefined) => metricValue(metric ?? "", value ?? 0);
  const what = m.live.metrics[metric ?? ""] ?? metric ?? "";
  const conditions = Object.entries((filters ?? {}) as Record<string, readonly string[]>)
    .map(([name, values]) => words.condition(words.dimensions[name] ?? name, text.either(values)));
  const parts = [
    words.sentence({ metric: what, direction: m.live.form.directions[direction ?? ""] ?? "", threshold: said(threshold), window: text.seconds(window_seconds ?? 0) }),
    conditions.length > 0 && words.where(conditions.join(", ")),
    clear_threshold !== threshold && words.clear(said(clear_threshold)),
    (min_traces ?? 0) > 0 && words.minTraces(min_traces!, text.number(min_traces!)),
  ];
  return parts.filter(Boolean).join(", ");
}

function unknown({ state, min_traces }: Alert, standing: Standing): string {
  if (standing === "off") return words.noValueOff;
  return state.judged_at && (min_traces ?? 0) > 1 ? words.noValueFew(text.number(min_traces!)) : words.noValue;
}
