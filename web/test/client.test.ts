/** What comes of an answer that never comes, or not whole. */
import { afterEach, expect, test, vi } from "vitest";
import { Client } from "../src/core/client";

afterEach(() => vi.unstubAllGlobals());

test("an answer that breaks off in the middle is none", async () => {
  const broken = new ReadableStream({ pull: (body) => body.error(new TypeError("terminated")) });
  for (const fetch of [() => Promise.resolve(new Response(broken)), () => Promise.reject(new TypeError("no network"))]) {
    vi.stubGlobal("fetch", fetch);
    await expect(new Client().call("datasets")).rejects.toMatchObject({ status: 0, code: "offline" });
  }
});

test("what nobody waits for any more is no problem", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new DOMException("aborted", "AbortError")));
  await expect(new Client().call("datasets")).rejects.toMatchObject({ name: "AbortError" });
});
