"use strict";

const said = document.getElementById("said");
const button = document.getElementById("sign-in");
// What stands behind the "#" is sent to no server by itself.
const ticket = location.hash.slice(1);

function say(text) {
  said.textContent = text;
}

async function signIn() {
  button.disabled = true;
  try {
    const answer = await fetch("api/v1/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ticket }),
    });
    const body = await answer.json();
    if (!answer.ok) {
      say(body.detail);
      return;
    }
    history.replaceState(null, "", location.pathname);
    say(`Signed in as ${body.sub} of ${body.org_id}.`);
    const onwards = Object.assign(document.createElement("a"), { href: ".", textContent: "Go on" });
    button.parentElement.replaceChildren(onwards);
    // The button that had it is gone.
    onwards.focus();
  } catch {
    say("The server does not answer. Try again in a moment.");
    button.disabled = false;
  }
}

if (ticket) {
  button.addEventListener("click", signIn);
} else {
  say("This page needs a sign-in link, which offtake sign-in prints.");
  button.hidden = true;
}
