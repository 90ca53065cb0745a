"""Opens a page in Chromium, with scripts switched off, presses its button with the mouse, and waits for the file that comes.

usage: press_button.py URL FOLDER
Prints a JSON object: the page's title, the proof that its style counts (`float` of the first dt), what the browser
complained about, the name of the file, and under what name it lies in FOLDER.
"""

import json
import sys
import tempfile
import time

from browser import PATIENCE, Browser, Page, is_event


def pressed(browser, url, folder):
    page = Page(browser)
    browser.ask("Browser.setDownloadBehavior", behavior="allowAndName", downloadPath=folder, eventsEnabled=True)
    for domain in ["Page", "Log", "DOM", "CSS"]:
        page.ask(f"{domain}.enable")
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    page.open(url)
    styles = page.ask("CSS.getComputedStyleForNode", nodeId=page.node("dt"))["computedStyle"]
    html = page.ask("DOM.getOuterHTML", nodeId=page.node("title"))["outerHTML"]
    page.press("button")
    until = time.monotonic() + PATIENCE
    while not any(is_event("Browser.downloadProgress", state="completed")(event) for event in browser.events):
        assert time.monotonic() < until and not page.complaints(), page.complaints()
        browser.events.append(browser.message(until))
    begun = browser.wait(is_event("Browser.downloadWillBegin"))
    return {
        "title": html.removeprefix("<title>").removesuffix("</title>"),
        "float": next(style["value"] for style in styles if style["name"] == "float"),
        "complaints": page.complaints(),
        "name": begun["suggestedFilename"],
        "saved": begun["guid"],
    }


url, folder = sys.argv[1:]
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = Browser(profile)
    try:
        print(json.dumps(pressed(browser, url, folder)))
    finally:
        browser.end()
