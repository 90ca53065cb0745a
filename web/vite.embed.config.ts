/** The elements for anybody's page: one script under a name that stays. */
import { type Plugin, defineConfig } from "vite";

const NOTHING = "\0no-words";

/** What only pages of the console say is no burden for other pages. */
const withoutPages: Plugin = {
  name: "without-pages",
  enforce: "pre",
  resolveId: (source, importer) => (/\/i18n\/[^/]+\/index\.ts$/.test(importer ?? "") && ["./live", "./sending"].includes(source) ? NOTHING : null),
  load: (id) => (id === NOTHING ? "export const live = {}, sending = {};" : null),
};

export default defineConfig({
  plugins: [withoutPages],
  build: {
    outDir: "dist/embed", emptyOutDir: true, target: "es2023",
    lib: { entry: "src/embed/offtake.ts", formats: ["es"], fileName: () => "offtake.js" },
  },
});
