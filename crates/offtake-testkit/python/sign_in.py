"""Opens a sign-in link in Chromium, presses its button with the mouse, and looks who one is then.

usage: sign_in.py LINK
Prints a JSON object: what the page says before and after, the address it is at then, what the browser complained about,
what the server says of the session, the status of a request that changes nothing but needs our own page
(`DELETE /api/v1/session`), and whether a script can read the cookie.
"""

import json
import sys
import tempfile
import time

from browser import PATIENCE, Browser, Page


def signed_in(browser, link):
    page = Page(browser)
    for domain in ["Page", "Log", "DOM", "Runtime"]:
        page.ask(f"{domain}.enable")

    def run(script):
        answer = page.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    text = 'document.getElementById("said").textContent'
    page.open(link)
    before = run(text)
    page.press("button")
    until = time.monotonic() + PATIENCE
    while run(text) == before:
        assert time.monotonic() < until, "the button does nothing"
    return {
        "before": before,
        "after": run(text),
        "at": run("location.href"),
        "session": run('fetch("api/v1/session").then(answer => answer.json())'),
        "cookie": run("document.cookie"),
        "out": run('fetch("api/v1/session", {method: "DELETE"}).then(answer => answer.status)'),
        # Before the last question, whose answer it reports as well.
        "complaints": page.complaints(),
        "later": run('fetch("api/v1/session").then(answer => answer.status)'),
    }


(link,) = sys.argv[1:]
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = Browser(profile)
    try:
        print(json.dumps(signed_in(browser, link)))
    finally:
        browser.end()
