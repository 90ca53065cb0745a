/** The console as it would be with other languages, in the place of the one that the server has. */
import type { Page } from "playwright-core";
import { build } from "vite";

const web = new URL("../../", import.meta.url).pathname;
const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };

export type Built = ReadonlyMap<string, string | Uint8Array>;

/** Builds it with the languages that `languages` names. */
export async function built(languages: string): Promise<Built> {
  const made = await build({
    root: web, base: "./", configFile: false, logLevel: "error",
    plugins: [{
      name: "other-languages", enforce: "pre",
      resolveId: (id, importer) => (id === "./languages" && importer?.endsWith("src/i18n/index.ts") ? languages : null),
    }],
    build: { write: false, target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  });
  const [output] = Array.isArray(made) ? made : [made];
  const parts = (output as { output: ({ fileName: string } & ({ code: string } | { source: string | Uint8Array }))[] }).output;
  return new Map(parts.map((part) => [part.fileName, "code" in part ? part.code : part.source]));
}

/** Puts it in the place of the server's own. */
export async function standIn(page: Page, files: Built, front: string): Promise<void> {
  await page.route(`${front}/**`, async (route) => {
    const path = new URL(route.request().url()).pathname.slice(1) || "index.html";
    const body = files.get(path);
    if (body === undefined) return route.continue();
    await route.fulfill({ body: Buffer.from(body), contentType: TYPES[path.split(".").at(-1)!]! });
  });
}

export const pseudo = new URL("pseudo/languages.ts", import.meta.url).pathname;
