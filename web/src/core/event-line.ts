/** An event in words: what happened, how it is to be taken, and where there is more of it. */
import { messages as m } from "../i18n";
import { metricValue } from "./alerts";
import type { LiveEvent } from "./live";
import * as text from "./text";

export type Line = {
  /** What kind of event. */
  readonly kind: string;
  readonly words: string;
  readonly tone: "good" | "bad" | "plain";
  /** Where one sees it, and what that is called. */
  readonly to: { readonly href: string; readonly title: string } | null;
};

type Data = LiveEvent["data"];

export function lineOf({ event_type, data }: LiveEvent): Line {
  const kind = m.live.types[event_type] ?? event_type;
  const described = { trace_created: trace, trace_updated: trace, export_job_status: job, metric_threshold: metric, cost_threshold: cost, system_alert: system }[event_type];
  return { kind, tone: "plain", to: null, words: "", ...described?.(data) };
}

function trace(data: Data): Partial<Line> {
  const facts = [said(data, "model"), said(data, "provider"), said(data, "environment"), said(data, "user_id")];
  const duration = num(data, "duration_ms");
  const cost = num(data, "cost_usd");
  const hasFailed = data["status_code"] === "ERROR";
  const words = [...facts, duration !== null && text.milliseconds(duration), cost !== null && text.dollars(cost), hasFailed && m.live.failed].filter(Boolean);
  const id = said(data, "trace_id");
  return {
    words: words.length > 0 ? words.join(" · ") : m.live.bare,
    tone: hasFailed ? "bad" : "plain",
    to: id ? { href: `#/traces?trace=${encodeURIComponent(id)}`, title: m.live.openTrace(id) } : null,
  };
}

function job(data: Data): Partial<Line> {
  const status = said(data, "status") ?? "";
  const percent = num(data, "progress_percent");
  const rows = num(data, "row_count");
  const words = [
    m.downloads.status[status] ?? status,
    status === "processing" && percent !== null && text.percent(Math.floor(percent)),
    rows !== null && m.downloads.rows(rows, text.number(rows)),
    said(data, "job_id"),
  ].filter(Boolean);
  const tone = status === "failed" ? "bad" : status === "completed" ? "good" : "plain";
  return { words: words.join(" · "), tone, to: { href: "#/exports", title: m.live.openExports } };
}

function metric(data: Data): Partial<Line> {
  const name = said(data, "name") ?? "";
  const of = said(data, "metric_name") ?? "";
  const isFiring = data["state"] !== "resolved";
  const value = num(data, "current_value");
  const facts = {
    name,
    metric: m.live.metrics[of] ?? of,
    value: value === null ? null : metricValue(of, value),
    threshold: metricValue(of, num(data, "threshold_value") ?? 0),
    direction: said(data, "direction") ?? "above",
  };
  return {
    words: isFiring ? m.live.fired(facts) : m.live.resolved(facts),
    tone: isFiring ? "bad" : "good",
    to: { href: "#/live/alerts", title: m.live.openRule(name) },
  };
}

function cost(data: Data): Partial<Line> {
  const [name, percent] = [said(data, "name") ?? "", num(data, "percent") ?? 0];
  return {
    words: m.live.spentShare({
      name, percent: text.percent(percent), amount: text.dollars(String(data["amount_usd"] ?? data["threshold_value"])),
      spent: text.dollars(num(data, "current_value") ?? 0), period: m.live.budgets.periods[said(data, "period") ?? ""] ?? "",
    }),
    tone: percent >= 100 ? "bad" : "plain",
    to: { href: "#/live/budgets", title: m.live.openRule(name) },
  };
}

function system(data: Data): Partial<Line> {
  const isOver = data["state"] === "over";
  const words = [said(data, "message") ?? said(data, "detail"), said(data, "code"), isOver && m.live.over].filter(Boolean);
  return { words: words.join(" · "), tone: isOver ? "good" : "bad" };
}

function said(data: Data, name: string): string | null {
  const value = data[name];
  return typeof value === "string" && value !== "" ? value : null;
}

function num(data: Data, name: string): number | null {
  const value = data[name];
  return typeof value === "number" ? value : null;
}
