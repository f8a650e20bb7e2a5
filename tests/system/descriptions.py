"""Replies of the API are as its description says."""

import datetime
import json

from harness import Failure, Sluice, expect, steering, test

NAME = "www.shop.example"
CONFIG = (steering(NAME, {"v1": (1, ["127.0.1.1", "127.0.1.2"]), "v2": (0, ["127.0.2.1"])}, ttl="1h") +
          steering("api.shop.example", {"plain": (1, ["127.0.3.1", "127.0.3.2"])}, ttl="1h"))
TYPES = {"object": dict, "array": list, "string": str, "null": type(None)}


class Description:
    """Of JSON Schema, what the description uses for replies."""

    def __init__(self, document):
        self.document = document

    def reply(self, method, path):
        operation = self.document["paths"][path][method.lower()]
        return operation["responses"]["200"]["content"]["application/json"]["schema"]

    def resolved(self, schema):
        value = self.document
        for part in schema.get("$ref", "").split("/")[1:]:
            value = value[part]
        return value if "$ref" in schema else schema

    def expect_fit(self, where, value, schema):
        schema = self.resolved(schema)
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        expect(isinstance(value, tuple(TYPES[name] for name in types)), f"{where}: {value!r} is not {types}")
        if isinstance(value, str) and schema.get("format") == "date-time":
            datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
        if isinstance(value, list):
            for number, element in enumerate(value):
                self.expect_fit(f"{where}[{number}]", element, schema["items"])
        if isinstance(value, dict):
            self.expect_members_fit(where, value, schema)

    def expect_members_fit(self, where, value, schema):
        properties = schema.get("properties", {})
        missing = set(schema.get("required", [])) - set(value)
        expect(not missing, f"{where} lacks {missing}")
        unknown = set(value) - set(properties)
        expect(schema.get("additionalProperties", True) or not unknown, f"{where} has {unknown}")
        for name in set(value) & set(properties):
            self.expect_fit(f"{where}.{name}", value[name], properties[name])


@test
def replies_that_tell_of_leases_are_as_described(sandbox):
    sluice = Sluice(sandbox, CONFIG)
    sluice.start()
    api = sluice.api()
    description = Description(api.call("GET", "/v1/openapi.json")[1])
    for method, path, body, leases in (
            ("PUT", "/v1/endpoint/{address}/drain", {"reason": "a test"}, 1),
            ("PUT", "/v1/endpoint/{address}/down", {"at": "+1h"}, 0),
            ("POST", "/v1/steer/{name}/canary", {"to": "v2", "ttl": "1s"}, 0),
            ("POST", "/v1/pool/{pool}/rolling", {"hook": "true", "ttl": "1h"}, 0),
            ("GET", "/v1/status", None, 2), ("GET", "/v1/rollouts", None, 1), ("GET", "/v1/rollings", None, 1),
            ("GET", "/v1/steer/{name}/rollouts", None, 0), ("GET", "/v1/rollings/history", None, 0)):
        filled = path.format(address="127.0.1.1", name=NAME, pool="plain")
        status, reply = api.call(method, filled, body)
        expect(status == 200, f"{method} {filled} has status {status}: {reply}")
        description.expect_fit(f"{method} {filled}", reply, description.reply(method, path))
        told = json.dumps(reply).count('"certain"')
        expect(told >= leases, f"{method} {filled} tells of {told} leases, less than {leases}")
    for bad in ({"leases": {"p50": "2026-01-01T00:00:00Z"}}, {"leases": 7}, {"leases": {"p50": 7, "p90": 7, "p99": 7, "certain": 7}}):
        expect_unfit(description, bad)


def expect_unfit(description, reply):
    try:
        description.expect_fit("a bad reply", reply, description.reply("PUT", "/v1/endpoint/{address}/drain"))
    except Failure:
        return
    raise Failure(f"{reply} fits the description")
