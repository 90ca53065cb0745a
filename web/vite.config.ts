import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0, target: "es2023", modulePreload: { polyfill: false } },
  server: { proxy: { "/api": process.env["OFFTAKE_SERVER"] ?? "http://127.0.0.1:8080" } },
  test: {
    environment: "node",
    projects: [
      { extends: true, test: { name: "unit", include: ["test/*.test.ts"] } },
      // One after the other: each has a server and maybe a browser.
      { extends: true, test: { name: "house", include: ["test/house/*.test.ts"], fileParallelism: false, testTimeout: 30_000, hookTimeout: 60_000 } },
    ],
  },
});
