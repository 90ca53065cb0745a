/** The stream of events: what is listed, what comes twice, how much there is, and how it reads. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EventBuffer } from "../src/core/buffer";
import { lineOf } from "../src/console/live/event-line";
import type { LiveEvent } from "../src/core/live";
import { Position } from "../src/core/position";
import { Rate } from "../src/core/rate";
import { hashOf, wishOf } from "../src/console/live/wish";
import { inZoneOf } from "../src/console/route";
import { asked, EventStream, MOST_EVENTS, typesFor } from "../src/core/stream";

const told = (event_type: string, seq: number, data: Record<string, unknown> = {}): LiveEvent => ({ event_type, seq, data, timestamp: "2026-11-01T10:00:00Z" });
const created = (id: string, seq: number) => told("trace_created", seq, { trace_id: id });
const updated = (id: string, seq: number) => told("trace_updated", seq, { trace_id: id });
const progress = (id: string, seq: number, percent: number) => told("export_job_status", seq, { job_id: id, status: "processing", progress_percent: percent });
const seqs = (buffer: EventBuffer) => buffer.shown.map(({ event }) => event.seq);

describe("a buffer", () => {
  test("lists the newest first, so many and no more", () => {
    const buffer = new EventBuffer(3);
    for (const seq of [1, 2, 3, 4, 5]) buffer.add(created(String(seq), seq));
    expect(seqs(buffer)).toEqual([5, 4, 3]);
    expect(new Set(buffer.shown.map(({ key }) => key)).size).toBe(3);
  });

  test("holds and counts what comes while it is paused", () => {
    const buffer = new EventBuffer(3);
    buffer.add(created("a", 1));
    buffer.pause();
    for (const seq of [2, 3, 4, 5]) buffer.add(created(String(seq), seq));
    expect([seqs(buffer), buffer.heldCount, buffer.kept]).toEqual([[1], 4, 3]);
    buffer.release();
    expect([seqs(buffer), buffer.heldCount, buffer.isPaused]).toEqual([[5, 4, 3], 0, true]);
    buffer.add(created("f", 6));
    buffer.resume();
    expect([seqs(buffer), buffer.isPaused]).toEqual([[6, 5, 4], false]);
  });

  test("progress of an export is one line that moves, also across a pause", () => {
    const buffer = new EventBuffer(10);
    buffer.add(progress("a", 1, 10));
    buffer.add(progress("b", 2, 10));
    buffer.add(progress("a", 1, 20));
    expect(buffer.shown.map(({ event }) => event.data["progress_percent"])).toEqual([10, 20]);
    buffer.pause();
    buffer.add(progress("a", 1, 30));
    buffer.add(progress("a", 1, 40));
    expect(buffer.heldCount).toBe(1);
    buffer.resume();
    expect(buffer.shown.map(({ event }) => event.data["progress_percent"])).toEqual([40, 10]);
  });
});

describe("a position", () => {
  test("goes on from a number that is old enough, and leaves out what comes again", () => {
    const position = new Position();
    position.begun({ traces: 10, organization: 3 });
    expect(position.after(0)).toEqual({ traces: 10, organization: 3 });
    expect(position.takes(created("a", 11), 1000)).toBe(true);
    expect(position.takes(updated("a", 15), 2000)).toBe(true);
    expect(position.takes(created("b", 20), 5000)).toBe(true);
    expect(position.after(5000)).toEqual({ traces: 15, organization: 3 });
    // As it comes again: what is known, and what grew while nobody was told.
    expect(position.takes(created("b", 20), 6000)).toBe(false);
    expect(position.takes(updated("a", 15), 6000)).toBe(false);
    expect(position.takes(updated("a", 18), 6000)).toBe(true);
    expect(position.after(9000)).toEqual({ traces: 20, organization: 3 });
  });

  test("facts of an organization come once, and progress as often as it is told", () => {
    const position = new Position();
    expect(position.takes(told("metric_threshold", 7), 0)).toBe(true);
    expect(position.takes(told("metric_threshold", 7), 0)).toBe(false);
    expect(position.takes(told("cost_threshold", 6), 0)).toBe(false);
    expect(position.takes(progress("a", 6, 10), 0)).toBe(true);
    expect(position.after(0)).toEqual({ organization: 7 });
  });

  test("a server that lost its newest is believed", () => {
    const position = new Position();
    position.begun({ traces: 100, organization: 50 });
    position.begun({ traces: 40, organization: 20 });
    expect(position.after(0)).toEqual({ traces: 40, organization: 20 });
    expect(position.takes(told("system_alert", 21), 0)).toBe(true);
  });
});

test("a rate is of the last seconds, and its bars end now", () => {
  const rate = new Rate(1000, 4);
  for (const at of [500, 1500, 1600, 3100]) rate.add(at);
  expect(rate.bars(3500)).toEqual([1, 2, 0, 1]);
  expect(rate.bars(5500)).toEqual([0, 1, 0, 0]);
  expect(rate.perSecond(3500)).toBeCloseTo(1 / 1.5);
  expect(rate.perSecond(9000)).toBe(0);
});

describe("a line", () => {
  const line = (type: string, data: Record<string, unknown>) => lineOf(told(type, 1, data));

  test("of a trace says what is known of it, and leads there", () => {
    const { kind, words, tone, to } = line("trace_created", { trace_id: "ab", model: "gpt-4o", provider: "openai", environment: null, duration_ms: 812.5, cost_usd: 0.0042, status_code: "OK" });
    expect([kind, words, tone]).toEqual(["New trace", "gpt-4o · openai · 813 ms · $0.0042", "plain"]);
    expect(to?.href).toBe("#/traces?trace=ab");
    expect(line("trace_updated", { trace_id: "ab", status_code: "ERROR" })).toMatchObject({ words: "failed", tone: "bad" });
    expect(line("trace_created", { trace_id: "ab" }).words).toBe("without model, cost or duration yet");
  });

  test("of an export, a rule, a budget and the system", () => {
    expect(line("export_job_status", { job_id: "job_1", status: "processing", progress_percent: 12.9, row_count: 1250 }).words).toBe("Exporting · 12% · 1,250 rows · job_1");
    expect(line("export_job_status", { job_id: "job_1", status: "failed" }).tone).toBe("bad");
    const rule = { name: "slow", metric_name: "latency_p95", threshold_value: 2000, current_value: 2500, direction: "above" };
    expect(line("metric_threshold", { ...rule, state: "firing" })).toMatchObject({ words: "slow: latency P95 is 2.5 sec, above 2 sec", tone: "bad" });
    expect(line("metric_threshold", { ...rule, state: "resolved", current_value: null })).toMatchObject({ words: "slow is over: latency P95 has nothing left to judge", tone: "good" });
    expect(line("cost_threshold", { name: "November", percent: 80, amount_usd: "125.5", current_value: 100.4, period: "month" }).words)
      .toBe("November: 80% of $125.50 is spent ($100.40, this month)");
    expect(line("system_alert", { code: "storage", state: "over", message: "there is room again" })).toMatchObject({ words: "there is room again · storage · over", tone: "good" });
    expect(line("of_tomorrow", { any: 1 })).toMatchObject({ kind: "of_tomorrow", words: "", to: null });
  });
});

test("filters are sent as the protocol has them, and what is no number as it is", () => {
  expect(asked({ provider: " openai , anthropic,", model: "", min_cost: "0.5", min_duration_ms: "long" }))
    .toEqual({ provider: ["openai", "anthropic"], min_cost: 0.5, min_duration_ms: "long" });
});

test("wishes are kept in the address bar", () => {
  const offered = ["trace_created", "export_job_status", "system_alert"];
  expect(hashOf({ types: offered, filters: { provider: "" } }, offered)).toBe("#/live/events");
  const wish = { types: ["trace_created", "system_alert"], filters: { provider: "openai, anthropic", min_cost: "0.5" } };
  const hash = hashOf(wish, offered);
  expect(hash).toBe("#/live/events?f.min_cost=0.5&f.provider=openai%2C+anthropic&f.type=trace_created%2Csystem_alert");
  expect(wishOf(hash, offered)).toEqual(wish);
  expect(wishOf("#/live", offered)).toEqual({ types: offered, filters: {} });
  // What one may not be told of is not asked for, nor what is no filter.
  expect(wishOf("#/live/events?f.type=metric_threshold,trace_created&f.colour=red", offered)).toEqual({ types: ["trace_created"], filters: {} });
  const nothing = hashOf({ types: [], filters: {} }, offered);
  expect(wishOf(nothing, offered)).toEqual({ types: [], filters: {} });
  // In another zone it is the same.
  for (const each of [hash, nothing]) {
    expect(inZoneOf("#/live", each)).toBe(each);
    expect(wishOf(inZoneOf("#/live?tz=UTC", each), offered)).toEqual(wishOf(each, offered));
  }
});

test("only what one may be told of is offered", () => {
  const may = (permission: string) => ["exports:read_all", "costs:read"].includes(permission);
  expect(typesFor({} as never, (_, permission) => may(permission))).toEqual(["export_job_status", "cost_threshold"]);
});

/** A server of one's own. */
class Socket extends EventTarget {
  static readonly OPEN = 1;
  static all: Socket[] = [];
  readyState = 0;
  readonly said: Record<string, unknown>[] = [];

  constructor(readonly url: string) {
    super();
    Socket.all.push(this);
  }

  send(text: string): void {
    this.said.push(JSON.parse(text) as Record<string, unknown>);
  }

  open(after: object): void {
    this.readyState = Socket.OPEN;
    this.dispatchEvent(new Event("open"));
    this.tell({ type: "subscribed", after });
  }

  tell(message: object): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
  }

  close(): void {
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
  }
}

describe("a stream", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    vi.stubGlobal("WebSocket", Socket);
    Socket.all = [];
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  async function begun(): Promise<{ stream: EventStream; socket: Socket }> {
    const stream = new EventStream({ liveUrl: async () => "ws://x" }, ["trace_created", "system_alert"]);
    stream.start();
    await vi.advanceTimersByTimeAsync(0);
    const socket = Socket.all[0]!;
    socket.open({ traces: 5, organization: 2 });
    return { stream, socket };
  }

  test("goes on after a break where it was, without doubles", async () => {
    const { stream, socket } = await begun();
    expect(socket.said).toEqual([{ type: "subscribe", events: ["trace_created", "system_alert"], filters: {}, after: {} }]);
    socket.tell({ type: "event", ...created("a", 6) });
    await vi.advanceTimersByTimeAsync(3000);
    socket.tell({ type: "event", ...created("b", 7) });
    socket.close();
    expect(stream.connection).toBe("broken");
    await vi.advanceTimersByTimeAsync(1100);
    const next = Socket.all[1]!;
    next.open({ traces: 6, organization: 2 });
    expect(next.said[0]).toMatchObject({ after: { traces: 6, organization: 2 } });
    for (const event of [created("b", 7), created("c", 8)]) next.tell({ type: "event", ...event });
    expect(stream.buffer.shown.map(({ event }) => event.seq)).toEqual([8, 7, 6]);
    expect(stream.connection).toBe("open");
    stream.stop();
  });

  test("a connection that says nothing any more is given up", async () => {
    const { stream, socket } = await begun();
    await vi.advanceTimersByTimeAsync(16_000);
    expect(socket.said.at(-1)).toEqual({ type: "ping" });
    socket.tell({ type: "pong" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.readyState).toBe(3);
    expect(Socket.all.length).toBeGreaterThan(1);
    stream.stop();
  });

  test("stopped and started at once it has one connection, and hears nothing twice", async () => {
    const { stream, socket } = await begun();
    stream.stop();
    stream.start();
    stream.stop();
    stream.start();
    await vi.advanceTimersByTimeAsync(5000);
    expect(Socket.all).toHaveLength(2);
    Socket.all[1]!.open({ traces: 5, organization: 2 });
    for (const each of [socket, Socket.all[1]!]) each.tell({ type: "event", ...told("system_alert", each === socket ? 3 : 4) });
    expect(stream.buffer.shown.map(({ event }) => event.seq)).toEqual([4]);
    expect(stream.connection).toBe("open");
    stream.stop();
  });

  test("what was left out is fetched where the list has room for it, and not again and again", async () => {
    const { stream, socket } = await begun();
    socket.tell({ type: "event", ...created("a", 6) });
    socket.tell({ type: "lagged", missed: 7, after: { traces: 6 } });
    expect(stream.leftOut).toEqual({ missed: 7, isFetched: true });
    expect(socket.said.slice(-2)).toEqual([
      { type: "unsubscribe", events: ["trace_created", "system_alert"] },
      { type: "subscribe", events: ["trace_created", "system_alert"], filters: {}, after: { traces: 6, organization: 2 } },
    ]);
    // What still comes of the old subscription comes again with the new one.
    socket.tell({ type: "event", ...created("x", 20) });
    expect(stream.buffer.shown).toHaveLength(1);
    socket.tell({ type: "unsubscribed" });
    socket.tell({ type: "subscribed", after: { traces: 6, organization: 2 } });
    socket.tell({ type: "event", ...created("x", 20) });
    expect(stream.buffer.shown).toHaveLength(2);
    const said = socket.said.length;
    socket.tell({ type: "lagged", missed: 3, after: { traces: 20 } });
    await vi.advanceTimersByTimeAsync(11_000);
    socket.tell({ type: "lagged", missed: MOST_EVENTS + 1, after: { traces: 20 } });
    expect(socket.said.length).toBe(said);
    expect(stream.leftOut).toEqual({ missed: MOST_EVENTS + 4, isFetched: false });
    stream.stop();
  });

  test("what is too long ago is told and not asked for again", async () => {
    const { stream, socket } = await begun();
    const said = socket.said.length;
    socket.tell({ type: "lagged", missed: 7, after: { organization: 9 } });
    socket.tell({ type: "event", ...told("system_alert", 10) });
    expect(stream.leftOut).toEqual({ missed: 7, isFetched: false });
    expect([socket.said.length, stream.buffer.shown.length]).toEqual([said, 1]);
    stream.stop();
  });

  test("of two quick changes only what the last one asks for counts", async () => {
    const { stream, socket } = await begun();
    stream.ask(["trace_created", "system_alert"], {});
    stream.ask(["system_alert"], {});
    socket.tell({ type: "unsubscribed" });
    socket.tell({ type: "subscribed", after: { traces: 50, organization: 50 } });
    socket.tell({ type: "event", ...created("a", 51) });
    socket.tell({ type: "error", code: "invalid_request", detail: "no", errors: [] });
    expect([stream.buffer.shown, stream.refusal]).toEqual([[], null]);
    socket.tell({ type: "unsubscribed" });
    socket.tell({ type: "subscribed", after: { organization: 52 } });
    socket.tell({ type: "event", ...told("system_alert", 53) });
    expect(stream.buffer.shown.length).toBe(1);
    stream.stop();
  });

  test("other wishes begin anew, and a refusal is told", async () => {
    const { stream, socket } = await begun();
    socket.tell({ type: "event", ...created("a", 6) });
    stream.ask(["system_alert"], { min_cost: "x" });
    expect(stream.buffer.shown).toEqual([]);
    expect(socket.said.at(-1)).toEqual({ type: "subscribe", events: ["system_alert"], filters: { min_cost: "x" }, after: {} });
    socket.tell({ type: "unsubscribed" });
    socket.tell({ type: "error", code: "invalid_request", detail: "no", errors: [{ pointer: "/filters/min_cost", detail: "is a number" }] });
    expect(stream.refusal?.errors[0]?.pointer).toBe("/filters/min_cost");
    stream.ask([], {});
    expect(socket.said.at(-1)).toMatchObject({ type: "unsubscribe" });
    stream.stop();
  });

  test("stands as it does, also where nothing is ever told", async () => {
    const stream = new EventStream({ liveUrl: async () => "ws://x" }, ["system_alert"]);
    stream.ask(["system_alert"], { min_cost: "much" });
    stream.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(stream.standing).toBe("connecting");
    const refused = { type: "error", code: "invalid_request", detail: "no", errors: [] };
    Socket.all[0]!.tell(refused);
    expect(stream.standing).toBe("refused");
    Socket.all[0]!.close();
    expect(stream.standing).toBe("broken");
    await vi.advanceTimersByTimeAsync(1100);
    Socket.all[1]!.tell(refused);
    expect(stream.standing).toBe("refused");
    stream.ask([], {});
    expect(stream.standing).toBe("idle");
    stream.ask(["system_alert"], {});
    Socket.all[1]!.open({ organization: 2 });
    expect(stream.standing).toBe("open");
    stream.pause();
    expect(stream.standing).toBe("paused");
    stream.stop();
  });
});
