// The token is the page's business: it asks its own server for one.
const token = async () => (await fetch("token")).text();
const server = await (await fetch("server")).text();

const elements = document.querySelectorAll("offtake-export-button, offtake-export-banner, offtake-downloads");
for (const element of elements) Object.assign(element, { server, token });
const banner = document.querySelector("offtake-export-banner");

async function two() {
  const answer = await fetch(`${server}/api/v1/datasets/spans/rows`, {
    method: "POST",
    headers: { authorization: `Bearer ${await token()}`, "content-type": "application/json" },
    body: JSON.stringify({ limit: 2 }),
  });
  return (await answer.json()).rows.map(({ trace_id, span_id }) => ({ trace_id, span_id }));
}

document.querySelector("#some").addEventListener("change", async ({ target }) => {
  banner.selection = target.checked ? { mode: "partial", ids: await two() } : { mode: "none" };
});
banner.addEventListener("clear", () => {
  banner.selection = { mode: "none" };
});
