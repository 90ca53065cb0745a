/** What a rule on a metric is made of. */
import { html, nothing } from "lit";
import { DIMENSIONS, METRICS } from "../../core/alerts";
import { messages as m } from "../../i18n/pages";
import { type Given, choice, duration, enabled, input } from "./form-parts";

const words = m.live.form;

/** Places of a request that have a field. */
export const RULE_PLACES = ["/name", "/metric", "/direction", "/threshold", "/clear_threshold", "/window_seconds", "/cool_down_seconds", "/min_traces",
  ...DIMENSIONS.map((name) => `/filters/${name}`)];

export function ruleFields(given: Given) {
  const { draft, before, problem } = given;
  const metric = draft["metric"] ?? "";
  const unit = words.units[metric.startsWith("latency_") ? "latency" : metric];
  // As it was when the form was opened: nothing closes while somebody types in it.
  const isNarrowed = DIMENSIONS.some((name) => before[`filters/${name}`]);
  const isRefused = problem?.errors.some(({ pointer }) => pointer.startsWith("/filters"));
  const capital = (said: string) => said.charAt(0).toUpperCase() + said.slice(1);
  return html`
    ${input(given, "name", words.name)}
    <div class="pair">
      ${choice(given, "metric", words.metric, METRICS.map((name) => [name, capital(m.live.metrics[name] ?? name)] as const))}
      ${duration(given, "window_seconds", words.window, words.windowHint)}
    </div>
    <div class="pair">
      ${choice(given, "direction", words.direction, Object.entries(words.directions), draft["direction"] === "below" ? words.below : nothing)}
      ${input(given, "threshold", words.threshold, { hint: unit, mode: "decimal" })}
    </div>
    <div class="pair">
      ${input(given, "clear_threshold", words.clear, { hint: words.clearHint, mode: "decimal" })}
      ${duration(given, "cool_down_seconds", words.coolDown, words.coolDownHint)}
      ${input(given, "min_traces", words.minTraces, { hint: words.minTracesHint, mode: "numeric" })}
    </div>
    <details ?open=${isNarrowed || isRefused}><summary>${words.filters}</summary><div>
      <p class="hint">${words.filtersHint}</p>
      <div class="pair">${DIMENSIONS.map((name) => input(given, `filters/${name}`, words.dimensions[name]!))}</div>
    </div></details>
    ${enabled(given)}`;
}
