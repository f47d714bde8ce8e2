"""What every answer of the API must keep, whatever was asked: loaded by Schemathesis.

What it is not: a list of questions. Schemathesis makes those from the description that is served.

What surprises: the site of the tests is put into the description here, or nearly every question would
be about a site that does not exist.
"""

import json
import os

import schemathesis

SITE = os.environ["FUZZED_SITE"]
TOKEN = os.environ["FUZZED_TOKEN"]
SEEN = os.environ["FUZZED_SEEN"]
counts = {}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    schemas["Query"]["properties"]["site_id"] = {"type": "string", "enum": [SITE]}
    raw_schema["components"]["parameters"]["site"]["schema"] = {"type": "string", "enum": [SITE]}


@schemathesis.check
def no_second_attribute(ctx, response, case):
    """One attribute at most, never with a page, and nothing of another site."""
    key = f"{case.operation.label} {response.status_code}"
    counts[key] = counts.get(key, 0) + 1
    with open(SEEN, "w", encoding="utf-8") as file:
        json.dump(counts, file, indent=1, sort_keys=True)
    assert TOKEN not in response.text, "the token is repeated"
    if response.status_code != 200 or not case.path.endswith(("query", "export.json")):
        return
    query = response.json()["query"]
    dimensions = query["dimensions"]
    attributes = [word for word in dimensions if word.startswith("visit:")]
    assert len(attributes) <= 1, "two attributes"
    if attributes:
        assert not any(word.startswith("event:") for word in dimensions), "an attribute by page"
        assert not query["filters"], "an attribute of chosen pages"
        assert "time:hour" not in dimensions, "an attribute by the hour"
        assert "clicks" not in query["metrics"], "clicks by attribute"
    assert query.get("site_id", SITE) == SITE, "another site"
