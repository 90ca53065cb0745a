import "offtake";
import { useState } from "react";
import { createRoot } from "react-dom/client";

const token = async () => (await fetch("token")).text();
const server = await (await fetch("server")).text();

function Page() {
  const [said, say] = useState("");
  const [selection, choose] = useState({ mode: "all" });
  return (
    <main>
      <h1>Spans</h1>
      <offtake-export-button of="spans" server={server} token={token} filters={{ provider: "openai" }}
        onstarted={() => say("started")} onready={({ detail }) => say(`ready: ${detail.row_count}`)}>
        Export OpenAI
      </offtake-export-button>
      <p role="status" id="said">{said}</p>
      <offtake-export-banner of="spans" noun="spans" server={server} token={token} selection={selection} total={1000} onclear={() => choose({ mode: "none" })} />
      <offtake-downloads server={server} token={token} />
    </main>
  );
}

createRoot(document.querySelector("#page")).render(<Page />);
