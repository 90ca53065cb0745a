/**
 * Alert rules and budgets: how things stand with them in the words of the page, and forms and bodies of requests made of each other.
 * Not responsible for judging: the server does that, and refuses what is wrong.
 */
import type { components } from "./schema";
import * as text from "./text";

export type Alert = components["schemas"]["AlertResponse"];
export type Kind = "metric" | "budget";

/** In the order of the API's documentation. */
export const METRICS = ["latency_avg", "latency_p50", "latency_p95", "latency_p99", "error_rate", "tokens", "cost", "traces_per_minute"] as const;
export const DIMENSIONS = ["provider", "model", "environment", "user_id", "service", "project_id"] as const;
export const PERIODS = ["day", "week", "month"] as const;

/** A value of a metric, with its unit. */
export function metricValue(metric: string, value: number): string {
  if (metric.startsWith("latency_")) return text.milliseconds(value);
  if (metric === "error_rate") return text.share(value);
  if (metric === "cost") return text.dollars(value);
  return metric === "tokens" ? text.number(Math.round(value)) : text.about(value);
}

/** How things stand. */
export type Standing = "off" | "firing" | "cooling" | "unknown" | "near" | "ok";

export function standingOf({ enabled, kind, state }: Alert, now: number): Standing {
  if (enabled === false) return "off";
  if (state.status === "firing") return "firing";
  if (state.judged_at == null || state.value == null) return "unknown";
  if (kind === "budget") return (state.spending?.told.length ?? 0) > 0 ? "near" : "ok";
  return state.cool_down_until && new Date(state.cool_down_until).getTime() > now ? "cooling" : "ok";
}

/** What will be spent by the end of the period at the pace so far; null while there is too little of it to say. */
export function projected({ state }: Alert, now: number): number | null {
  const { spending } = state;
  if (!spending) return null;
  const [from, to] = [new Date(spending.from).getTime(), new Date(spending.to).getTime()];
  const passed = (now - from) / (to - from);
  return passed >= LEAST_PASSED && passed < 1 ? Number(spending.spent_usd) / passed : null;
}

const LEAST_PASSED = 0.1;

/** A form: what stands in its fields. */
export type Draft = Readonly<Record<string, string>> & { readonly enabled: string };

export const DURATION_UNITS = { seconds: 1, minutes: 60, hours: 3600 } as const;
type DurationUnit = keyof typeof DURATION_UNITS;

/** The largest unit in which it is whole. */
function durationOf(name: string, seconds: number): Record<string, string> {
  const unit = (["hours", "minutes"] as const).find((one) => seconds > 0 && seconds % DURATION_UNITS[one] === 0) ?? "seconds";
  return { [name]: String(seconds / DURATION_UNITS[unit]), [`${name}_unit`]: unit };
}

/** What a new one says. */
export function fresh(kind: Kind): Draft {
  const common = { kind, name: "", enabled: "true" };
  if (kind === "budget") return { ...common, provider: "", amount_usd: "", period: "month", time_zone: text.timeZone(), percentages: "50, 80, 100" };
  return {
    ...common, metric: "latency_p95", direction: "above", threshold: "", clear_threshold: "", min_traces: "0",
    ...durationOf("window_seconds", 900), ...durationOf("cool_down_seconds", 300),
  };
}

/** The form of one that is there. */
export function draftOf(alert: Alert): Draft {
  const common = { kind: alert.kind, name: alert.name, enabled: String(alert.enabled ?? true) };
  if (alert.kind === "budget") {
    const { provider, amount_usd, period, time_zone, percentages } = alert;
    return { ...common, provider: provider ?? "", amount_usd: amount_usd ?? "", period: period ?? "", time_zone: time_zone ?? "", percentages: (percentages ?? []).join(", ") };
  }
  const metric = alert.metric ?? "";
  const filters = Object.entries((alert.filters ?? {}) as Record<string, readonly string[]>);
  const isOwn = alert.clear_threshold !== alert.threshold;
  return {
    ...common, metric, direction: alert.direction ?? "",
    threshold: shownNumber(metric, alert.threshold), clear_threshold: isOwn ? shownNumber(metric, alert.clear_threshold) : "",
    min_traces: String(alert.min_traces ?? 0),
    ...durationOf("window_seconds", alert.window_seconds ?? 0), ...durationOf("cool_down_seconds", alert.cool_down_seconds ?? 0),
    ...Object.fromEntries(filters.map(([name, values]) => [`filters/${name}`, values.join(", ")])),
  };
}

/** People say 5 %, and the API 0.05. */
function shownNumber(metric: string, value: number | null | undefined): string {
  if (value == null) return "";
  return String(metric === "error_rate" ? Number((value * 100).toPrecision(12)) : value);
}

/** The body that asks for what a form says. What makes no sense goes along as it is: the server says what is wrong with it. */
export function bodyOf(draft: Draft): Record<string, unknown> {
  const common = { kind: draft["kind"], name: draft["name"]!.trim(), enabled: draft.enabled === "true" };
  if (draft["kind"] === "budget") {
    const [provider, zone] = [draft["provider"]!.trim(), draft["time_zone"]!.trim()];
    return {
      ...common, provider: provider === "" ? null : provider, amount_usd: draft["amount_usd"]!.trim() || null, period: draft["period"],
      time_zone: zone === "" ? null : zone, percentages: listOf(draft["percentages"]!.replaceAll("%", "")).map(numberOr),
    };
  }
  const isShare = draft["metric"] === "error_rate";
  const scaled = (name: string) => {
    const value = numberOr(draft[name]!);
    return isShare && typeof value === "number" ? Number((value / 100).toPrecision(12)) : value;
  };
  const duration = (name: string) => {
    const value = numberOr(draft[name]!);
    return typeof value === "number" ? value * DURATION_UNITS[draft[`${name}_unit`] as DurationUnit] : value;
  };
  const filters = DIMENSIONS.map((name) => [name, listOf(draft[`filters/${name}`] ?? "")] as const).filter(([, values]) => values.length > 0);
  return {
    ...common, metric: draft["metric"], direction: draft["direction"], threshold: scaled("threshold"), clear_threshold: scaled("clear_threshold"),
    window_seconds: duration("window_seconds"), cool_down_seconds: duration("cool_down_seconds"), min_traces: numberOr(draft["min_traces"]!),
    filters: Object.fromEntries(filters),
  };
}

/** Only what is said differently from before: what others changed meanwhile stays. */
export function changedOf(before: Draft, after: Draft): Record<string, unknown> {
  const [was, is] = [bodyOf(before), bodyOf(after)];
  return Object.fromEntries(Object.entries(is).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(was[name])));
}

/** A number; null where nothing stands, and otherwise what stands there. */
function numberOr(said: string): number | string | null {
  const trimmed = said.trim();
  if (trimmed === "") return null;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

function listOf(said: string): string[] {
  return said.split(",").map((one) => one.trim()).filter(Boolean);
}
