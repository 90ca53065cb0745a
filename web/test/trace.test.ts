/** A trace as a tree. */
import { expect, test } from "vitest";
import { messagesOf, treeOf } from "../src/core/trace";

const span = (id: string, parent: string | null, second: number, duration = 1000) =>
  ({ span_id: id, parent_span_id: parent, started_at: `2026-11-01T00:00:${String(second).padStart(2, "0")}Z`, duration_ms: duration });

test("children follow their parents, by their beginning", () => {
  const { spans, lasts } = treeOf([span("c", "a", 3), span("a", null, 0, 5000), span("b", "a", 1), span("d", "b", 2)]);
  expect(spans.map(({ id, depth }) => `${depth}${id}`)).toEqual(["0a", "1b", "2d", "1c"]);
  expect(spans.map(({ begins }) => begins)).toEqual([0, 1000, 2000, 3000]);
  expect(lasts).toBe(5000);
});

test("nobody is lost: a missing parent, a span that is its own, and two that are each other's", () => {
  const { spans } = treeOf([span("a", "gone", 0), span("b", "b", 1), span("c", "d", 2), span("d", "c", 3)]);
  expect(spans.map(({ id }) => id).sort()).toEqual(["a", "b", "c", "d"]);
});

test("a conversation is told from what is none", () => {
  expect(messagesOf('[{"role":"user","content":"hi"},{"role":"assistant","parts":[{"type":"text","content":"ho"}]}]')).toEqual([
    { role: "user", text: "hi" }, { role: "assistant", text: "ho" },
  ]);
  expect(messagesOf('{"messages":[{"message":{"role":"tool","content":[{"text":"x"}]}}]}')).toEqual([{ role: "tool", text: "x" }]);
  for (const other of ["just words", "[1, 2]", "{broken", null, 7, "[]"]) expect(messagesOf(other)).toBeNull();
});

test("a conversation is told from what LangChain writes of one", () => {
  const kwargs = (type: string, content: string, more: object = {}) => ({ lc: 1, type: "constructor", id: ["langchain"], kwargs: { type, content, ...more } });
  expect(messagesOf({ messages: [[kwargs("system", "be brief"), kwargs("human", "hi")]] })).toEqual([
    { role: "system", text: "be brief" }, { role: "user", text: "hi" },
  ]);
  const generations = [[{ text: "", type: "ChatGenerationChunk", message: kwargs("AIMessageChunk", "", { tool_calls: [{ name: "get_weather" }] }) }]];
  const [answer] = messagesOf({ generations, llm_output: null })!;
  expect(answer).toMatchObject({ role: "assistant" });
  expect(answer!.text).toContain("get_weather");
  expect(messagesOf({ generations: [[{ text: "a completion", type: "Generation" }]] })).toBeNull();
});
