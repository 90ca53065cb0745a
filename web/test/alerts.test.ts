/** Alert rules and budgets: forms and requests made of each other, and how things stand in words. */
import { describe, expect, test } from "vitest";
import { type Alert, bodyOf, changedOf, draftOf, fresh, metricValue, projected, standingOf } from "../src/core/alerts";

const NOW = Date.parse("2026-11-16T00:00:00Z");
const state = (more: object) => ({ status: "ok", since: null, value: null, judged_at: null, last_fired_at: null, cool_down_until: null, spending: null, ...more });
const common = { id: "alr_1", name: "slow", enabled: true, created_by: "ada", created_at: "", updated_at: "" };
const rule = (more: object = {}, stands: object = {}): Alert => ({
  ...common, kind: "metric", metric: "latency_p95", direction: "above", threshold: 2000, clear_threshold: 2000, window_seconds: 900,
  cool_down_seconds: 90, min_traces: 20, filters: { model: ["a", "b"], user_id: ["u"] }, state: state(stands), ...more,
} as unknown as Alert);
const budget = (more: object = {}, stands: object = {}): Alert => ({
  ...common, kind: "budget", provider: null, amount_usd: "125.50", period: "month", time_zone: "UTC", percentages: [50, 80], state: state(stands), ...more,
} as unknown as Alert);
const without = ({ id: _i, created_by: _b, created_at: _c, updated_at: _u, state: _s, ...said }: Alert) => said;

describe("a form", () => {
  test("says what the rule says, and asks for the same again", () => {
    const share = rule({ metric: "error_rate", threshold: 0.07, clear_threshold: 0.05, window_seconds: 7200 });
    expect(draftOf(share)).toMatchObject({ threshold: "7", clear_threshold: "5", window_seconds: "2", window_seconds_unit: "hours", cool_down_seconds: "90", cool_down_seconds_unit: "seconds", "filters/model": "a, b" });
    for (const one of [share, budget(), budget({ provider: "openai", enabled: false })]) expect(bodyOf(draftOf(one))).toEqual(without(one));
    // What is nothing of its own stays the threshold, whatever that becomes.
    expect(bodyOf(draftOf(rule()))).toEqual({ ...without(rule()), clear_threshold: null });
  });

  test("sends only what was changed", () => {
    const before = draftOf(rule());
    expect(changedOf(before, before)).toEqual({});
    expect(changedOf(before, { ...before, threshold: "2500", window_seconds: "15.0" })).toEqual({ threshold: 2500 });
    expect(changedOf({ ...before, clear_threshold: "1500" }, { ...before, clear_threshold: "1500", threshold: "2500" })).toEqual({ threshold: 2500 });
    expect(changedOf(before, { ...before, "filters/user_id": "" })).toEqual({ filters: { model: ["a", "b"] } });
  });

  test("leaves what makes no sense to the server", () => {
    const draft = { ...fresh("metric"), threshold: "much", window_seconds: "", min_traces: "-1" };
    expect(bodyOf(draft)).toMatchObject({ name: "", threshold: "much", window_seconds: null, min_traces: -1, clear_threshold: null, filters: {} });
    expect(bodyOf({ ...fresh("budget"), amount_usd: " ", percentages: "50 %, x" })).toMatchObject({ amount_usd: null, percentages: [50, "x"], provider: null });
  });
});

test("how things stand", () => {
  const judged = { judged_at: "2026-11-15T23:59:58Z", value: 10 };
  expect(standingOf(rule({ enabled: false }, { status: "firing", ...judged }), NOW)).toBe("off");
  expect(standingOf(rule({}, { status: "firing", ...judged }), NOW)).toBe("firing");
  expect(standingOf(rule({}, { judged_at: judged.judged_at }), NOW)).toBe("unknown");
  expect(standingOf(rule({}, { ...judged, cool_down_until: "2026-11-16T00:00:01Z" }), NOW)).toBe("cooling");
  expect(standingOf(rule({}, { ...judged, cool_down_until: "2026-11-15T23:59:59Z" }), NOW)).toBe("ok");
  const spending = { from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z", spent_usd: "80.25", told: [50] };
  expect(standingOf(budget({}, { ...judged, spending }), NOW)).toBe("near");
  expect(standingOf(budget({}, { ...judged, spending: { ...spending, told: [] } }), NOW)).toBe("ok");
});

test("a projection goes on at the pace so far, and is none too early or too late", () => {
  const spending = { from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z", spent_usd: "80.25", told: [] };
  const at = (moment: string) => projected(budget({}, { spending }), Date.parse(moment));
  expect(at("2026-11-16T00:00:00Z")).toBe(160.5);
  expect(at("2026-11-02T00:00:00Z")).toBeNull();
  expect(at("2026-12-01T00:00:00Z")).toBeNull();
  expect(projected(budget(), NOW)).toBeNull();
});

test("values have their units", () => {
  expect(["latency_avg", "error_rate", "cost", "tokens", "traces_per_minute"].map((metric) => metricValue(metric, 0.256))).toEqual(["0.256 ms", "25.6%", "$0.256", "0", "0.256"]);
});
