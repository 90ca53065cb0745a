/** A trace as a tree of spans, and the messages in it. Not responsible for drawing. */
import type { Row } from "./client";

export type Span = {
  readonly row: Row;
  readonly id: string;
  readonly depth: number;
  /** Milliseconds from the beginning of the trace. */
  readonly begins: number;
  readonly lasts: number;
};

export type Message = { readonly role: string; readonly text: string };

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** The spans in the order of the tree, children by their beginning. A span whose parent is missing stands at the top. */
export function treeOf(rows: readonly Row[]): { spans: Span[]; lasts: number } {
  const known = new Set(rows.map((row) => text(row["span_id"])));
  const children = new Map<string, Row[]>();
  for (const row of rows) {
    const parent = text(row["parent_span_id"]);
    const place = known.has(parent) && parent !== row["span_id"] ? parent : "";
    children.set(place, [...(children.get(place) ?? []), row]);
  }
  const at = (row: Row, column: string) => new Date(text(row[column])).getTime();
  const begin = Math.min(...rows.map((row) => at(row, "started_at")));
  const end = Math.max(...rows.map((row) => at(row, "started_at") + Number(row["duration_ms"] ?? 0)));
  const spans: Span[] = [];
  const seen = new Set<string>();
  const add = (parent: string, depth: number): void => {
    for (const row of (children.get(parent) ?? []).sort((a, b) => at(a, "started_at") - at(b, "started_at"))) {
      const id = text(row["span_id"]);
      if (seen.has(id)) continue;
      seen.add(id);
      spans.push({ row, id, depth, begins: at(row, "started_at") - begin, lasts: Number(row["duration_ms"] ?? 0) });
      add(id, depth + 1);
    }
  };
  add("", 0);
  // Spans that are each other's parents hang from nothing.
  for (const row of rows) {
    const id = text(row["span_id"]);
    if (!seen.has(id)) spans.push({ row, id, depth: 0, begins: at(row, "started_at") - begin, lasts: Number(row["duration_ms"] ?? 0) });
  }
  return { spans, lasts: Math.max(end - begin, 0) };
}

/** What was said in a span's input or output, if that is a conversation; else `null`. */
export function messagesOf(content: unknown): Message[] | null {
  const value = typeof content === "string" ? json(content) : content;
  const list = listOf(value);
  if (!list || list.length === 0) return null;
  // LangChain asks about several conversations at once, and mostly about one.
  const messages = list.flat().map(messageOf);
  return messages.every((message) => message !== null) ? messages : null;
}

function listOf(value: unknown): unknown[] | null {
  if (Array.isArray(value)) return value;
  if (!isObject(value)) return null;
  const list = value["messages"] ?? value["generations"];
  return Array.isArray(list) ? list : "role" in value ? [value] : null;
}

/** What LangChain calls who speaks. */
const SPEAKERS: Readonly<Record<string, string>> = {
  human: "user", HumanMessageChunk: "user", ai: "assistant", AIMessageChunk: "assistant", system: "system", SystemMessageChunk: "system",
  tool: "tool", ToolMessageChunk: "tool", function: "function",
};

function messageOf(value: unknown): Message | null {
  if (!isObject(value)) return null;
  const outer = isObject(value["message"]) ? value["message"] : value;
  const inner = isObject(outer["kwargs"]) ? outer["kwargs"] : outer;
  const role = inner["role"] ?? SPEAKERS[String(inner["type"])];
  if (typeof role !== "string") return null;
  const { content, parts, tool_calls: calls } = inner;
  // Who asks for tools mostly says nothing else.
  const said = content || parts || (Array.isArray(calls) && calls.length > 0 ? calls : "");
  return { role, text: contentOf(said) };
}

function contentOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2);
  return content.map((part) => (isObject(part) && typeof (part["text"] ?? part["content"]) === "string" ? String(part["text"] ?? part["content"]) : typeof part === "string" ? part : JSON.stringify(part, null, 2))).join("\n");
}

function json(said: string): unknown {
  if (!/^\s*[[{]/.test(said)) return null;
  try {
    return JSON.parse(said);
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
