"""A small S3 client of our own, so that what the lanes put into a bucket is not put there by the program under test.

Signature version 4 in the header, path style, one connection.
"""
import datetime, hashlib, hmac, http.client, re, urllib.parse
from xml.etree import ElementTree


class S3:
    def __init__(self, upstream, key, secret, region="us-east-1"):
        self.upstream, self.host = upstream, "%s:%d" % upstream
        self.key, self.secret, self.region = key, secret, region
        self.connection = http.client.HTTPConnection(*upstream, timeout=60)

    def ask(self, method, path, body=b"", query=(), wanted=(200, 204), **headers):
        """(status, headers, body); another status than `wanted` raises."""
        path = urllib.parse.quote(path)
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(query))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": now,
                  **{name.replace("_", "-").lower(): value for name, value in headers.items()}}
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, path, query, *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names, digest])
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        mark = hmac.digest(key, text.encode(), "sha256").hex()
        signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={mark}"
        self.connection.request(method, f"{path}?{query}" if query else path, body, signed)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status not in wanted:
            raise OSError(f"{method} {path}: {answer.status} {data[:300]}")
        return answer.status, answer.headers, data

    def make_bucket(self, bucket):
        self.ask("PUT", f"/{bucket}", wanted=(200, 409))

    def put(self, bucket, key, body, **headers):
        return self.ask("PUT", f"/{bucket}/{key}", body, **headers)[1]

    def head(self, bucket, key):
        return self.ask("HEAD", f"/{bucket}/{key}")[1]

    def get(self, bucket, key):
        return self.ask("GET", f"/{bucket}/{key}")[2]

    def delete(self, bucket, key):
        self.ask("DELETE", f"/{bucket}/{key}")

    def keys(self, bucket, prefix=""):
        """Every key, page by page."""
        found, token = [], None
        while True:
            query = [("list-type", "2"), ("prefix", prefix), ("max-keys", "1000")]
            query += [("continuation-token", token)] if token else []
            tree = ElementTree.fromstring(re.sub(rb' xmlns="[^"]+"', b"", self.ask("GET", f"/{bucket}", query=query)[2]))
            found += [row.findtext("Key") for row in tree.iter("Contents")]
            token = tree.findtext("NextContinuationToken")
            if not token:
                return found

    def put_parts(self, bucket, key, body, part):
        """In parts of `part` bytes: its ETag is then no MD5 of the whole."""
        place = f"/{bucket}/{key}"
        made = ElementTree.fromstring(re.sub(rb' xmlns="[^"]+"', b"", self.ask("POST", place, query=[("uploads", "")])[2]))
        upload, rows = made.findtext("UploadId"), []
        for number, start in enumerate(range(0, len(body), part), 1):
            query = [("partNumber", str(number)), ("uploadId", upload)]
            tag = self.ask("PUT", place, body[start:start + part], query)[1]["ETag"]
            rows.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        whole = f"<CompleteMultipartUpload>{''.join(rows)}</CompleteMultipartUpload>".encode()
        self.ask("POST", place, whole, [("uploadId", upload)])


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")
