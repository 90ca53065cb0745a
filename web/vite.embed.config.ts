/** The elements for anybody's page: one script under a name that stays. */
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "dist/embed", emptyOutDir: true, target: "es2023",
    lib: { entry: "src/embed/offtake.ts", formats: ["es"], fileName: () => "offtake.js" },
  },
});
