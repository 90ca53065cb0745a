// Chromium, driven by the DevTools protocol over a pipe. Answers in JSON.
//   save LIST PROFILE   under which name it saves a file with each Content-Disposition header of a JSON list
//   open URL PROFILE SELECTOR   what it complains of while it shows a page, until there is something that SELECTOR finds
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [verb, what, profile, selector] = process.argv.slice(2);

const browser = spawn(
  "chromium-headless-shell",
  ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-pipe", `--user-data-dir=${profile}`],
  // Names of files are in what the system says is its encoding.
  { env: { ...process.env, LC_ALL: "C.UTF-8" }, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
browser.on("error", (error) => {
  console.error(`${error.message}: run scripts/test-setup.sh`);
  process.exit(1);
});

const waiting = new Map();
const heard = new Map();
let next = 1;
let rest = "";
browser.stdio[4].setEncoding("utf8").on("data", (text) => {
  const messages = (rest + text).split("\0");
  rest = messages.pop();
  for (const message of messages.map((message) => JSON.parse(message))) {
    if (message.id) waiting.get(message.id)?.(message);
    else heard.get(message.method)?.(message.params);
  }
});
const call = (method, params = {}, sessionId = undefined) =>
  new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, (message) => (message.error ? reject(new Error(message.error.message)) : resolve(message.result)));
    browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  });
const { targetId } = await call("Target.createTarget", { url: "about:blank" });
const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });

async function save() {
  const headers = JSON.parse(readFileSync(what, "utf8"));
  const server = createServer((request, response) => {
    const header = headers[Number(request.url.slice(1))];
    if (header === undefined) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": "text/csv", "Content-Disposition": header }).end("a\n1\n");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await call("Browser.setDownloadBehavior", { behavior: "deny", eventsEnabled: true });
  const names = [];
  for (const number of headers.keys()) {
    const name = new Promise((resolve) => heard.set("Browser.downloadWillBegin", (begun) => resolve(begun.suggestedFilename)));
    await call("Page.navigate", { url: `http://127.0.0.1:${server.address().port}/${number}` }, sessionId);
    names.push(await name);
  }
  server.close();
  return names;
}

async function open() {
  const complaints = [];
  heard.set("Log.entryAdded", ({ entry }) => complaints.push(entry.text));
  heard.set("Runtime.exceptionThrown", ({ exceptionDetails }) => complaints.push(exceptionDetails.text));
  await call("Log.enable", {}, sessionId);
  await call("Runtime.enable", {}, sessionId);
  await call("Page.enable", {}, sessionId);
  await call("Page.navigate", { url: what }, sessionId);
  const found = `new Promise((resolve) => {
    const look = () => document.querySelector(${JSON.stringify(selector)}) ? resolve(true) : requestAnimationFrame(look);
    setTimeout(() => resolve(false), 60000);
    look();
  })`;
  const shown = await call("Runtime.evaluate", { expression: found, awaitPromise: true, returnByValue: true }, sessionId);
  return { shown: shown.result.value, complaints };
}

const answer = await (verb === "save" ? save() : open());
await call("Browser.close");
process.stdout.write(JSON.stringify(answer));
