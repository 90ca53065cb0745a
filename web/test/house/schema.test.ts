/** The client's types are those of the API as it is. `WRITE_SCHEMA=1` writes them. */
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { House } from "./house";

const file = new URL("../../src/core/schema.d.ts", import.meta.url);

let house: House;
beforeAll(async () => {
  house = await House.open({ spans: false });
});
afterAll(() => house?.close());

test("the types are made from the document", async () => {
  const made = `// Made from /openapi.json: WRITE_SCHEMA=1 npm test -- schema\n\n${astToString(await openapiTS(new URL("/openapi.json", house.url)))}`;
  if (process.env["WRITE_SCHEMA"]) writeFileSync(file, made);
  expect(readFileSync(file, "utf8") === made, "the API has changed: WRITE_SCHEMA=1 npm test -- schema").toBe(true);
});
