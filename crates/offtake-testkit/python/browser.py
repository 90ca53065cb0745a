"""Drives Chromium by the DevTools protocol over a pipe, so nothing but Chromium and Python's own library is needed."""

import json
import os
import select
import subprocess
import time

PATIENCE = 60


class Browser:
    def __init__(self, profile):
        reads, theirs_out = os.pipe()
        theirs_in, self.out = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = ["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
        command += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", script, "browser", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.reads, self.rest, self.events, self.number = reads, b"", [], 0

    def message(self, until):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.reads], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser says nothing more"
            piece = os.read(self.reads, 1 << 16)
            assert piece, "the browser is gone"
            self.rest += piece
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.message(until)
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def wait(self, found):
        until = time.monotonic() + PATIENCE
        while True:
            for event in self.events:
                if found(event):
                    return event["params"]
            self.events.append(self.message(until))

    def end(self):
        self.process.kill()
        self.process.wait()


def is_event(name, **values):
    def found(event):
        return event.get("method") == name and all(event["params"].get(key) == value for key, value in values.items())

    return found


class Page:
    """A page of its own, and what the browser says about it."""

    def __init__(self, browser):
        self.browser = browser
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def open(self, url):
        self.ask("Page.navigate", url=url)
        self.browser.wait(is_event("Page.loadEventFired"))

    def node(self, selector):
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        return self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]

    def press(self, selector):
        box = self.ask("DOM.getBoxModel", nodeId=self.node(selector))["model"]["content"]
        x, y = (box[0] + box[4]) / 2, (box[1] + box[5]) / 2
        for kind in ["mousePressed", "mouseReleased"]:
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def complaints(self):
        return [e["params"]["entry"]["text"] for e in self.browser.events if e.get("method") == "Log.entryAdded"]
