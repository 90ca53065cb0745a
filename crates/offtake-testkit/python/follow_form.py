"""Opens a page, presses its one button as a browser without scripts does, and saves what that leads to.

usage: follow_form.py URL FILE
Prints the form's method, the status and the name of the file.
"""

import sys
import urllib.parse
import urllib.request
from html.parser import HTMLParser


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms, self.fields, self.buttons, self.scripts = [], {}, 0, 0

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append(attributes)
        elif tag == "input" and "name" in attributes:
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "button":
            self.buttons += 1
        elif tag == "script":
            self.scripts += 1


url, path = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with opener.open(url) as answer:
    page = Page()
    page.feed(answer.read().decode())
assert (len(page.forms), page.buttons, page.scripts) == (1, 1, 0), vars(page)
form = page.forms[0]
method = form.get("method", "get").lower()
target = urllib.parse.urljoin(url, form.get("action") or url)
data = urllib.parse.urlencode(page.fields).encode()
request = urllib.request.Request(target, data=data if method == "post" else None, method=method.upper())
request.add_header("Origin", "null")
request.add_header("Sec-Fetch-Site", "same-origin")
with opener.open(request) as answer:
    with open(path, "wb") as file:
        file.write(answer.read())
    print(method, answer.status, answer.headers.get_filename())
