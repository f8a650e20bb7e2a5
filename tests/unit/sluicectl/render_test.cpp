#include "render.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// As the daemon writes it, with a change of weights, a dead endpoint, a drained one, and one that nobody
// checks.
const char* const status_reply = R"({
  "version": "0.1.0", "started": "2026-01-28T11:00:00.000Z", "config": "zones/sluice.toml", "now": "2026-01-31T12:00:00.250Z",
  "listen": ["127.0.0.1:5300", "[::1]:5300"], "zones": [{"apex": "shop.example.", "serial": 7, "names": 9, "records": 14}],
  "warnings": ["the last reload was refused"],
  "steers": [
    {"name": "www.shop.example.", "method": "random", "ttl_s": 30, "answers": 1, "overridden": true, "by": "root",
     "since": "2026-01-31T11:55:00.000Z", "rule": "weights",
     "pools": [
       {"pool": "v1", "weight": 90, "config_weight": 95, "set_share": 0.9, "now_share": 0.9, "answers": 12345, "answered_share": 0.8991, "up": 1, "total": 2},
       {"pool": "canary", "weight": 10, "config_weight": 5, "set_share": 0.1, "now_share": 0.1, "answers": 1385, "answered_share": 0.1009, "up": 1, "total": 1}]},
    {"name": "api.shop.example.", "method": "sticky", "ttl_s": 5, "answers": 2, "overridden": false, "by": null, "since": null,
     "rule": "dead pools' shares moved",
     "pools": [
       {"pool": "v1", "weight": 0.5, "config_weight": 0.5, "set_share": 0.5, "now_share": 1, "answers": 0, "answered_share": null, "up": 1, "total": 2},
       {"pool": "gone", "weight": 0.5, "config_weight": 0.5, "set_share": 0.5, "now_share": 0, "answers": 0, "answered_share": null, "up": 0, "total": 1}]}],
  "pools": [
    {"pool": "v1", "check": "web", "alive": true, "endpoints": [
      {"address": "127.0.1.1", "weight": 1, "serving": true, "health": "up", "since": "2026-01-31T11:57:00.000Z", "word": null,
       "last": {"success": true, "detail": "200 OK", "took_ms": 1, "at": "2026-01-31T11:59:59.000Z"}, "successes": 9, "failures": 0, "rise": 2, "fall": 3},
      {"address": "2001:db8::10", "weight": 2, "serving": false, "health": "up", "since": "2026-01-30T11:57:00.000Z",
       "word": {"word": "drain", "by": "alice", "reason": "kernel \u001b[31mupgrade", "since": "2026-01-31T11:59:20.000Z", "until": "2026-01-31T12:09:20.000Z"},
       "last": {"success": false, "detail": "timed out", "took_ms": 1000, "at": "2026-01-31T11:59:57.000Z"}, "successes": 0, "failures": 1, "rise": 2, "fall": 3}]},
    {"pool": "gone", "check": "web", "alive": false, "endpoints": [
      {"address": "127.0.1.9", "weight": 1, "serving": false, "health": "down", "since": "2026-01-31T11:59:48.000Z", "word": null,
       "last": {"success": false, "detail": "connection refused", "took_ms": 0, "at": "2026-01-31T11:59:59.000Z"}, "successes": 0, "failures": 5, "rise": 2, "fall": 3}]},
    {"pool": "canary", "check": null, "alive": true, "endpoints": [
      {"address": "127.0.1.3", "weight": 1, "serving": true, "health": "up", "since": null, "word": null, "last": null, "successes": 0, "failures": 0, "rise": 0, "fall": 0}]}]
})";

TEST_CASE("status") {
  CHECK(render_status(json::parse(status_reply), {}) ==
        R"(sluiced 0.1.0  up 3d  on 127.0.0.1:5300 [::1]:5300
zones/sluice.toml  shop.example. (serial 7)
warning: the last reload was refused

www.shop.example.  random  TTL 30s  weights set by root 5m ago
  POOL    WEIGHT                 SET    NOW  ANSWERED           UP
  v1          90  (config 95)  90.0%  90.0%     89.9%  (12345)  1/2
  canary      10  (config 5)   10.0%  10.0%     10.1%  (1385)   1/1

api.shop.example.  sticky  TTL 5s  2 answers
  dead pools' shares moved
  POOL  WEIGHT    SET     NOW  ANSWERED       UP
  v1       0.5  50.0%  100.0%         -  (0)  1/2
  gone     0.5  50.0%    0.0%         -  (0)  0/1

POOL    ADDRESS                STATE         SINCE  LAST CHECK
v1      127.0.1.1              up               3m  200 OK, 1ms, 1s ago
        2001:db8::10 weight 2  drained (up)    40s  timed out, 1000ms, 3s ago, 1 of 3 failures
                                                    by alice, 9m left: kernel ?[31mupgrade
gone    127.0.1.9              down            12s  connection refused, 0ms, 1s ago
canary  127.0.1.3              up                   not checked
)");
}

TEST_CASE("an endpoint's state") {
  struct Row {
    const char* health;
    bool serving;
    const char* word;
    const char* expected;
  };
  const Row rows[] = {{"up", true, "", "up"},
                      {"up", false, "", "up, unused"},
                      {"down", false, "", "down"},
                      {"down", true, "", "down, in answers"},
                      {"unknown", false, "", "unknown"},
                      {"unknown", true, "", "unknown, in answers"},
                      {"up", false, "drain", "drained (up)"},
                      {"down", true, "up", "held up (down)"},
                      {"up", false, "down", "held down (up)"}};
  for (const auto& row : rows) {
    CAPTURE(row.expected);
    json::object endpoint{
        {"address", "a"}, {"weight", 1}, {"serving", row.serving}, {"health", row.health}, {"word", nullptr}};
    if (*row.word != '\0') endpoint["word"] = {{"word", row.word}, {"by", "root"}, {"until", nullptr}};
    const json::value status{
        {"pools", json::array{json::object{{"pool", "p"}, {"endpoints", json::array{endpoint}}}}}};
    const auto text = render_status(status, {});
    CHECK(text.find(std::string("\np     a        ") + row.expected + "  ") != std::string::npos);
  }
}

TEST_CASE("status in colour says the same") {
  auto text = render_status(json::parse(status_reply), {true, 100});
  CHECK(text.find("\x1b[31mdown\x1b[0m") != std::string::npos);
  for (auto at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b'))
    text.erase(at, text.find('m', at) - at + 1);
  CHECK(text == render_status(json::parse(status_reply), {}));
}

TEST_CASE("a reply of another shape shows less") {
  for (const auto* reply :
       {"null", "{}", "[]", "7", R"({"steers": 1, "pools": [1, null, {}], "listen": [1]})",
        R"({"steers": [{"pools": [{}, 3]}], "pools": [{"endpoints": [{"word": {}, "last": []}]}]})"}) {
    CAPTURE(reply);
    const auto value = json::parse(reply);
    CHECK_NOTHROW(render_status(value, {}));
    CHECK_NOTHROW(render_events(value, {}));
    CHECK_NOTHROW(render_change(value, Time{}, {}));
    CHECK_NOTHROW(render_version(value));
    CHECK_FALSE(is_drained(value, "a"));
  }
}

TEST_CASE("events") {
  const auto reply = json::parse(R"({"events": [
    {"id": 7, "at": "2026-01-31T12:00:00.250Z", "who": "root", "kind": "weight.set", "subject": "www.shop.example.", "text": "v1 95 -> 90"},
    {"id": 8, "at": "2026-01-31T12:00:01.000Z", "who": "health", "kind": "endpoint.down", "subject": "127.0.1.1", "text": "timed out\n"}]})");
  CHECK(render_events(reply, {}) ==
        "2026-01-31 12:00:00  root      weight.set      www.shop.example.  v1 95 -> 90\n"
        "2026-01-31 12:00:01  health    endpoint.down   127.0.1.1          timed out?\n");
  CHECK(render_events(json::parse(R"({"events": []})"), {}).empty());
}

TEST_CASE("what a change did") {
  const auto now = *parse_time("2026-01-31T12:00:00Z");
  struct Row {
    const char* name;
    const char* reply;
    const char* expected;
  };
  const Row rows[] = {
      {"weights",
       R"({"name": "www.", "changed": true, "dry_run": false, "text": "www. has new weights", "pools": [
         {"pool": "v1", "before": 95, "after": 90, "share_before": 0.95, "share_after": 0.9},
         {"pool": "v2", "before": 5, "after": 10, "share_before": 0.05, "share_after": 0.1}]})",
       "www. has new weights\n"
       "  POOL  BEFORE           NOW\n"
       "  v1        95  (95.0%)   90  (90.0%)\n"
       "  v2         5  (5.0%)    10  (10.0%)\n"},
      {"dry run",
       R"({"dry_run": true, "text": "it would be drained", "pools": ["v1"], "cached_until": null})",
       "dry run, nothing is changed: it would be drained\n"},
      {"drain", R"({"text": "drained", "pools": ["v1"], "cached_until": "2026-01-31T12:00:29.100Z"})",
       "drained\ncaches may hold it until 12:00:29 UTC, for 30s\n"},
      {"drain of what nobody holds any more",
       R"({"text": "drained", "cached_until": "2026-01-31T11:00:00Z"})", "drained\n"},
      {"reload", R"({"changed": true, "text": "the config is in effect"})", "the config is in effect\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(render_change(json::parse(row.reply), now, {}) == row.expected);
  }
}

TEST_CASE("is_drained") {
  const auto status = json::parse(status_reply);
  CHECK(is_drained(status, "2001:db8::10"));
  CHECK_FALSE(is_drained(status, "127.0.1.1"));
  CHECK_FALSE(is_drained(status, "192.0.2.1"));
}

TEST_CASE("reasons of a refusal") {
  CHECK(error_message(
            409, R"({"error": {"code": "refused", "message": "a:1:2: error: x\na:3:4: error: \u0007"}})") ==
        "a:1:2: error: x\na:3:4: error: ?");
  CHECK(error_message(502, "<html>") == "HTTP status 502 without a reason: that is not sluiced");
  CHECK(error_message(500, "{}") == "HTTP status 500 without a reason: that is not sluiced");
}

TEST_CASE("times") {
  CHECK(parse_time("1970-01-01T00:00:01.500Z") == Time(1500ms));
  CHECK(parse_time("2026-01-31T12:00:00Z") == Time(1'769'860'800s));
  for (const auto* text : {"", "2026-01-31", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z",
                           "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31 12:00:00Z",
                           "2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.250", "-026-01-31T12:00:00Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_time(text).has_value());
  }
  const auto now = wall_now();
  CHECK(parse_time(to_text(now)) == now);
}

TEST_CASE("ages") {
  struct Row {
    Duration age;
    const char* expected;
  };
  const Row rows[] = {{-5s, "0s"},    {999ms, "0s"}, {59'999ms, "59s"}, {60s, "1m"},
                      {3599s, "59m"}, {1h, "1h"},    {47h, "47h"},      {48h, "2d"}};
  for (const auto& row : rows) CHECK(age_text(row.age) == row.expected);
}

TEST_CASE("indented JSON") {
  CHECK(pretty(json::parse(R"({"a": 0.95, "b": [], "c": [1, "x\"\n"], "d": {"e": null}, "f": {}})")) ==
        "{\n  \"a\": 0.95,\n  \"b\": [],\n  \"c\": [\n    1,\n    \"x\\\"\\n\"\n  ],\n  \"d\": {\n    \"e\": "
        "null\n  },\n  \"f\": {}\n}\n");
}

}  // namespace
}  // namespace sluice::ctl
