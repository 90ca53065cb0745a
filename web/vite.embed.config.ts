/** The elements for anybody's page: one script under a name that stays. */
import { type Plugin, defineConfig } from "vite";

/** What the console alone says: its words are not in the script that other pages load. */
const unsaid: Plugin = {
  name: "unsaid",
  load: (id) => {
    const [, name] = /\/i18n\/en\/(live|sending)\.ts$/.exec(id) ?? [];
    return name ? `export const ${name} = {};` : null;
  },
};

export default defineConfig({
  plugins: [unsaid],
  build: {
    outDir: "dist/embed", emptyOutDir: true, target: "es2023",
    lib: { entry: "src/embed/offtake.ts", formats: ["es"], fileName: () => "offtake.js" },
  },
});
