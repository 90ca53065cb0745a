"""Posts a large body as Python's http.client does, whole before the answer is read: send_large.py URL PATH TOKEN MEDIA_TYPE MEBIBYTES

Prints the status.
"""
import http.client
import sys
import urllib.parse


def main():
    url, path, token, media_type, mebibytes = sys.argv[1:6]
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("POST", path, b"x" * (int(mebibytes) << 20), {"authorization": f"Bearer {token}", "content-type": media_type})
    print(connection.getresponse().status)


main()
