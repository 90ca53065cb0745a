"""A foreign client of the S3 servers: s3_admin.py ENDPOINT BUCKET VERB [PREFIX]. Prints JSON."""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

endpoint, bucket, verb, *rest = sys.argv[1:]
s3 = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1",
    aws_access_key_id="offtake-test", aws_secret_access_key="offtake-test-secret",
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, connect_timeout=2, read_timeout=20),
)


def make_bucket():
    """Asks until the server is up."""
    deadline = time.monotonic() + 60
    while True:
        try:
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="ready", Body=b"ready")
            return True
        except s3.exceptions.BucketAlreadyOwnedByYou:
            return True
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def objects():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=rest[0])
    return sorted([one["Key"], one["Size"]] for page in pages for one in page.get("Contents", []))


def uploads():
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=rest[0])
    return sorted(one["Key"] for page in pages for one in page.get("Uploads", []))


verbs = {"make-bucket": make_bucket, "objects": objects, "uploads": uploads}
print(json.dumps(verbs[verb]()))
