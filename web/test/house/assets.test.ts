/** What a browser loads: by names that say what is in them, kept for ever, packed beforehand, and nothing from elsewhere. */
import { get, type IncomingHttpHeaders } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { House } from "./house";

let house: House;
beforeAll(async () => {
  house = await House.open({ spans: false });
});
afterAll(() => house?.close());

/** As it comes over the wire. */
async function raw(path: string, accepted: string): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
  return new Promise((resolve, reject) => {
    get(`${house.url}/${path}`, { headers: { "accept-encoding": accepted } }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => pieces.push(piece));
      answer.on("end", () => resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(pieces) }));
    }).on("error", reject);
  });
}

test("the page asks each time, and allows nothing that is not its own", async () => {
  const { status, headers, body } = await raw("", "identity");
  expect([status, headers["cache-control"]]).toEqual([200, "no-cache"]);
  const policy = headers["content-security-policy"] as string;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  expect(body.toString()).not.toMatch(/(src|href)="(https?:)?\/\//);
});

test("assets are kept for ever under names that hold their hash, and come as small as they can", async () => {
  const page = (await raw("", "identity")).body.toString();
  const names = [...page.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name]) => name!);
  expect(names.map((name) => name.split(".").at(-1)).sort()).toEqual(["css", "js", "svg"]);
  for (const name of names) {
    expect(name).toMatch(/-[\w-]{8}\.\w+$/);
    const plain = await raw(name, "identity");
    expect([plain.status, plain.headers["content-encoding"], plain.headers["cache-control"]]).toEqual([200, undefined, "public, max-age=31536000, immutable"]);
    expect(plain.headers["vary"]).toContain("accept-encoding");
    for (const [accepted, encoding, unpack] of [["gzip, deflate, br", "br", brotliDecompressSync], ["gzip", "gzip", gunzipSync]] as const) {
      const packed = await raw(name, accepted);
      expect(packed.headers["content-encoding"], `${name} ${accepted}`).toBe(encoding);
      expect(packed.body.length).toBeLessThan(plain.body.length);
      expect(unpack(packed.body).equals(plain.body)).toBe(true);
    }
  }
});

test("the script for other pages keeps its name, and is not kept for long", async () => {
  const { headers } = await raw("embed/offtake.js", "br");
  expect([headers["content-encoding"], headers["cache-control"], headers["content-type"]]).toEqual(["br", "public, max-age=3600", "text/javascript; charset=utf-8"]);
});

test.each(["assets/none-00000000.js", "assets/../index.html", "assets/%2e%2e%2findex.html", "embed/offtake.js.br"])("there is no %s", async (path) => {
  expect((await raw(path, "identity")).status).not.toBe(200);
});
