import "offtake";
import { createApp, h, ref } from "vue";

const token = async () => (await fetch("token")).text();
const server = await (await fetch("server")).text();

createApp({
  setup() {
    const said = ref("");
    const selection = ref({ mode: "all" });
    return () =>
      h("main", [
        h("h1", "Spans"),
        h("offtake-export-button", {
          of: "spans", ".server": server, ".token": token, ".filters": { provider: "openai" },
          onStarted: () => (said.value = "started"),
          onReady: ({ detail }) => (said.value = `ready: ${detail.row_count}`),
        }, "Export OpenAI"),
        h("p", { role: "status", id: "said" }, said.value),
        h("offtake-export-banner", { of: "spans", noun: "spans", ".server": server, ".token": token, ".selection": selection.value, ".total": 1000, onClear: () => (selection.value = { mode: "none" }) }),
        h("offtake-downloads", { ".server": server, ".token": token }),
      ]);
  },
}).mount("#page");
