#include "render.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.hpp"
#include "reply.hpp"

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
    {"name": "www.shop.example.", "method": "random", "ttl_s": 30, "answers": 1, "version": 12, "overridden": true, "by": "root",
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

www.shop.example.  random  TTL 30s  version 12  weights set by root 5m ago
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
                      {"up", false, "down", "held down (up)"},
                      {"degraded", true, "", "degraded"},
                      {"drained", false, "", "drained"}};
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

TEST_CASE("how far an endpoint is from another state") {
  struct Row {
    const char* name;
    const char* more;  // members of the endpoint
    const char* state;
    const char* progress;
  };
  const Row rows[] = {
      {"all is well", R"("health": "up", "share": 1)", "up", ""},
      {"a slow start", R"("health": "up", "share": 0.25)", "up at 25%", ""},
      {"slow answers", R"("health": "degraded", "share": 0.5)", "degraded at 50%", ""},
      {"a share of hardly anything", R"("health": "up", "share": 0.001)", "up at 1%", ""},
      {"the share of one that is down is no news", R"("health": "down", "share": 0)", "down, in answers", ""},
      {"failures", R"("health": "up", "failures": 2)", "up", ", 2 of 3 failures"},
      {"failures that are being forgotten", R"("health": "up", "failures": 2, "successes": 4, "clear": 6)",
       "up", ", 2 of 3 failures, 4 of 6 successes until they are forgotten"},
      {"successes", R"("health": "down", "failures": 3, "successes": 1)", "down, in answers",
       ", 1 of 2 successes"},
      {"no number of successes ends its own drain",
       R"("health": "drained", "failures": 1, "successes": 2, "clear": 6)", "drained, in answers",
       ", 1 of 3 failures, drained by its own word"},
      {"what the last verdict was, while the checker is the suspect", R"("health": "up", "held": true)",
       "up, verdict held", ""},
      {"answers become slow", R"("health": "up", "slow": 2, "quick": 0)", "up", ", 2 of 3 slow answers"},
      {"answers become quick", R"("health": "degraded", "share": 0.5, "slow": 0, "quick": 1)",
       "degraded at 50%", ", 1 of 2 quick answers"},
      {"quick as ever", R"("health": "up", "quick": 2)", "up", ""},
      {"less by its own word", R"("health": "up", "share": 0.5, "said_share": 0.5)", "up at 50%",
       ", 50% by its own word"},
      {"a slow start, and how long yet",
       R"("health": "up", "share": 0.25, "slow_start_until": "2026-01-31T12:00:20.000Z")", "up at 25%",
       ", slow start for 20s more"},
      {"both",
       R"("health": "up", "share": 0.1, "said_share": 0.2, "slow_start_until": "2026-01-31T12:00:20.000Z")",
       "up at 10%", ", 20% by its own word, slow start for 20s more"},
      {"down, whatever it said before", R"("health": "down", "share": 0, "said_share": 0.5)",
       "down, in answers", ""},
      {"held down", R"("health": "down", "successes": 5, "held_until": "2026-01-31T12:00:20.000Z")",
       "down, in answers", ", 2 of 2 successes, held down for 20s more"},
      {"no longer held down", R"("health": "down", "held_until": "2026-01-31T12:00:00.000Z")",
       "down, in answers", ""},
      {"not held down", R"("health": "down", "held_until": null)", "down, in answers", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto reply = json::parse(std::string(R"({"now": "2026-01-31T12:00:00.000Z", "pools": [{"pool": "p",
      "check": "c", "endpoints": [{"address": "a", "weight": 1, "serving": true, "word": null, "rise": 2, "fall": 3,
      "last": {"detail": "x", "took_ms": 1, "at": "2026-01-31T11:59:59.000Z"}, )") +
                                   row.more + "}]}]}");
    const auto text = render_status(reply, {false, 200});
    CHECK(text.find(std::string("  ") + row.state + "  ") != std::string::npos);
    CHECK(text.find(std::string("x, 1ms, 1s ago") + row.progress + "\n") != std::string::npos);
  }
}

TEST_CASE("a check that cannot be run hides nothing of what came before") {
  const auto shown = [](const char* last) {
    return render_status(
        json::parse(fmt::format(R"({{"now": "2026-01-31T12:00:00.000Z", "pools": [{{"pool": "p", "check": "c",
      "endpoints": [{{"address": "a", "weight": 1, "serving": true, "health": "up", "word": null, "failures": 1,
      "fall": 3, "trouble": "too many open files", "last": {}}}]}}]}})",
                                last)),
        {false, 200});
  };
  CHECK(
      shown(R"({"detail": "timeout", "took_ms": 1000, "at": "2026-01-31T11:59:50.000Z"})")
          .find(
              "  its check cannot be run: too many open files; before that: timeout, 1000ms, 10s ago, 1 of 3 "
              "failures\n") != std::string::npos);
  CHECK(shown("null").find("  its check cannot be run: too many open files\n") != std::string::npos);
}

TEST_CASE("scheduled words stand below their endpoint") {
  const auto text = render_status(json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "pools": [{"pool": "p",
    "check": null, "endpoints": [{"address": "a", "weight": 1, "serving": true, "health": "up", "word": null, "scheduled": [
      {"word": "drain", "at": "2026-02-01T02:00:00.000Z", "for": "1h", "by": "alice", "reason": "disk \u001b swap"},
      {"word": "auto", "at": "2026-02-02T02:00:00.000Z", "for": null, "by": "root", "reason": ""}]}]}]})"),
                                  {});
  CHECK(text.find(
            "not checked\n"
            "                             drain at 2026-02-01 02:00:00 UTC, for 1h, by alice: disk ? swap\n"
            "                             auto at 2026-02-02 02:00:00 UTC, by root\n") != std::string::npos);
}

TEST_CASE("what holds again stands below the word in force") {
  const auto text = render_status(json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "pools": [{"pool": "p",
    "check": null, "endpoints": [{"address": "a", "weight": 1, "serving": true, "health": "up", "word":
      {"word": "up", "by": "root", "reason": "", "since": "2026-01-31T11:00:00.000Z", "until": "2026-01-31T12:05:00.000Z",
       "then": [{"word": "down", "by": "root", "reason": "", "since": null, "until": "2026-01-31T13:00:00.000Z"},
                {"word": "drain", "by": "alice", "reason": "disk", "since": null, "until": null}]}}]}]})"),
                                  {});
  CHECK(text.find("by root, 5m left\n"
                  "                                    then held down: by root, 1h left\n"
                  "                                    then drained: by alice: disk\n") != std::string::npos);
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
    CHECK_NOTHROW(render_explain(value, {}));
    CHECK_NOTHROW(render_check_run(value, {}));
    CHECK_NOTHROW(addresses_of(value));
    CHECK_NOTHROW(held_until(value, {"a"}, Time{}));
    CHECK_FALSE(why_not_out(value, "a").empty());
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
      {"a pattern",
       R"({"pattern": "pool:v1", "text": "2 endpoints: drained", "cached_until": null, "endpoints": [
         {"address": "192.0.2.1", "text": "192.0.2.1 drained"}, {"address": "192.0.2.2", "text": "192.0.2.2 drained"}]})",
       "2 endpoints: drained\n  192.0.2.1 drained\n  192.0.2.2 drained\n"},
      {"reload", R"({"changed": true, "text": "the config is in effect"})", "the config is in effect\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(render_change(json::parse(row.reply), now, {}) == row.expected);
  }
}

TEST_CASE("the endpoints that a change was about") {
  using Addresses = std::vector<std::string>;
  CHECK(addresses_of(json::parse(R"({"address": "192.0.2.1"})")) == Addresses{"192.0.2.1"});
  CHECK(addresses_of(json::parse(R"({"endpoints": [{"address": "192.0.2.1"}, {"address": "::1"}]})")) ==
        Addresses{"192.0.2.1", "::1"});
}

TEST_CASE("what a check brought") {
  CHECK(render_check_run(json::parse(R"({"address": "192.0.2.1", "dry_run": false, "probes": [
    {"check": "web", "type": "http", "asked": "192.0.2.1", "port": 80, "success": true, "detail": "200 OK", "took_ms": 3, "word": null, "share": 1},
    {"check": "agent", "type": "agent", "asked": "192.0.2.9", "port": 5555, "success": true, "detail": "up", "took_ms": 1, "word": "drain", "share": 0.75},
    {"check": "deep", "type": "exec", "asked": "192.0.2.1", "port": null, "success": false, "detail": "exit \u001b 1", "took_ms": 1000},
    {"check": "odd", "type": "tcp", "asked": "192.0.2.1", "port": 1, "success": null, "error": "no descriptors"},
    {"check": "slow", "type": "tcp", "asked": "192.0.2.1", "port": 2, "success": null, "error": null}]})"),
                         {}) ==
        "CHECK  TYPE   ASKED                RESULT               TOOK  TEXT\n"
        "web    http   192.0.2.1 port 80    success               3ms  200 OK\n"
        "agent  agent  192.0.2.9 port 5555  success               1ms  up (it says drain) (it wants 75.0% of "
        "its weight)\n"
        "deep   exec   192.0.2.1            failure            1000ms  exit ? 1\n"
        "odd    tcp    192.0.2.1 port 1     could not be run           no descriptors\n"
        "slow   tcp    192.0.2.1 port 2     no result in time\n");
}

TEST_CASE("an explanation") {
  const char* const steered = R"({
    "name": "shop.example.", "type": "A", "client": "192.0.2.7", "kind": "steered", "via": ["www.shop.example."], "zone": "shop.example.",
    "wildcard": false, "steer": "www.shop.example.", "method": "sticky", "answers": 1, "rule": "dead pools' shares moved", "ttl_s": 30, "ttl_rule": "the name's ttl",
    "now": "2026-01-31T12:00:00.000Z",
    "slot": {"number": 63000, "of": "the address 192.0.2.7", "pool": "v2", "pool_state": "dead", "answered_by": "v1", "last_resort": false,
             "answer": ["192.0.2.10"], "ttl_s": 3, "ttl_rule": "shorter"},
    "pools": [
      {"pool": "v1", "weight": 95, "set_share": 0.95, "now_share": 1, "state": "alive", "ttl_s": 3, "check": "web", "endpoints": [
        {"address": "192.0.2.10", "pool_share": 1, "why_not": null, "health": "up", "serving": true, "word": null, "fall": 3, "failures": 1,
         "last": {"detail": "timed out", "took_ms": 1000, "at": "2026-01-31T11:59:59.000Z"}},
        {"address": "192.0.2.11", "pool_share": 0, "why_not": "drained by alice: disk", "health": "up", "serving": false,
         "word": {"word": "drain", "by": "alice", "reason": "disk"}, "last": null}]},
      {"pool": "v2", "weight": 5, "set_share": 0.05, "now_share": 0, "state": "dead", "ttl_s": null, "check": null, "endpoints": []}]})";
  CHECK(render_explain(json::parse(steered), {}) ==
        "shop.example. A for 192.0.2.7\n"
        "  a CNAME leads to www.shop.example.\n"
        "  steered in zone shop.example., sticky\n"
        "  slot 63000 by the address 192.0.2.7: pool v2, dead; answered by pool v1\n"
        "  answer: 192.0.2.10; TTL 3s: shorter\n"
        "  shares by: dead pools' shares moved\n"
        "\n"
        "  POOL  WEIGHT    SET     NOW  TTL  STATE\n"
        "  v1        95  95.0%  100.0%   3s  alive\n"
        "  v2         5   5.0%    0.0%    -  dead\n"
        "\n"
        "  POOL  ADDRESS     OF POOL  STATE         NOT GIVEN OUT, AS       LAST CHECK\n"
        "  v1    192.0.2.10   100.0%  up                                    timed out, 1000ms, 1s ago, 1 of "
        "3 failures\n"
        "        192.0.2.11     0.0%  drained (up)  drained by alice: disk  no check has ended yet\n");
  CHECK(render_explain(
            json::parse(R"({"name": "a.example.", "type": "A", "client": null, "kind": "elsewhere", "via": [],
    "zone": null, "wildcard": false, "text": "no zone of ours has this name"})"),
            {}) == "a.example. A\n  not steered: no zone of ours has this name\n");
}

TEST_CASE("classes of clients, in the status and in an explanation") {
  const auto status = render_status(json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "steers": [{
    "name": "www.shop.example.", "method": "random", "ttl_s": 30, "rule": "weights", "pools": [], "classes": [
      {"class": "office", "pool": "v1", "config_pool": "v1", "open": true, "by": null, "since": null, "answers": 3},
      {"class": "testers", "pool": "v2", "config_pool": null, "open": false, "by": "root",
       "since": "2026-01-31T11:55:00.000Z", "answers": 0},
      {"class": "partners", "pool": null, "config_pool": "v2", "open": false, "by": "root",
       "since": "2026-01-31T11:55:00.000Z", "answers": 7}]}]})"),
                                    {});
  CHECK(status.find(
            "  class office to v1, 3 answers\n"
            "  class testers to v2 (by root 5m ago, config the weights), 0 answers: not alive, answered "
            "by the weights\n"
            "  class partners to the weights (by root 5m ago, config v2)\n") != std::string::npos);

  const auto explained = [](const std::string& more) {
    return render_explain(json::parse(R"({"name": "a.", "type": "A", "kind": "steered", "method": "random",
      "ttl_s": 30, "ttl_rule": "the name's ttl", "rule": "weights", "pools": [],
      "classes": [{"class": "testers", "pool": "v2"}, {"class": "partners", "pool": null}])" +
                                      more + "}"),
                          {});
  };
  CHECK(explained("").find("  class testers is led to pool v2\n  TTL 30s: the name's ttl\n") !=
        std::string::npos);
  CHECK(explained(R"(, "client": "192.0.2.7")").find("  of no class\n  TTL 30s") != std::string::npos);
  CHECK(explained(R"(, "client": "10.1.0.0/16", "scope": 8, "class": {"class": "testers",
    "prefix": "10.0.0.0/8", "pool": "v2", "open": true, "ttl_s": 4, "ttl_rule": "why"})")
            .find("  class testers by 10.0.0.0/8: pool v2, whatever its share\n  TTL 4s: why\n  the same for "
                  "all who share its first 8 bits (the scope of the reply)\n  shares by") !=
        std::string::npos);
  CHECK(explained(R"(, "client": "10.1.0.1", "class": {"class": "testers", "prefix": "10.0.0.0/8",
    "pool": "v2", "open": false})")
            .find("  class testers by 10.0.0.0/8: pool v2, which is not alive\n  TTL 30s") !=
        std::string::npos);
}

TEST_CASE("until when caches may hold what was drained, by what a status says") {
  const auto now = parse_time("2026-01-31T12:00:00.000Z").value();
  const auto held = [&](const char* first, const char* second) {
    const auto status =
        json::parse(fmt::format(R"({{"pools": [{{"endpoints": [{{"address": "192.0.2.1", "leases": {}}}]}},
                                   {{"endpoints": [{{"address": "192.0.2.2", "leases": {}}},
                                                   {{"address": "192.0.2.3", "leases": null}}]}}]}})",
                                first, second));
    return held_until(status, {"192.0.2.1", "192.0.2.2"}, now);
  };
  const char* const over = R"({"certain": "2026-01-31T12:00:00.000Z"})";
  const char* const sooner = R"({"certain": "2026-01-31T12:00:07.000Z"})";
  const char* const later = R"({"certain": "2026-01-31T12:00:09.000Z"})";
  CHECK(held(over, over) == std::nullopt);
  CHECK(held(over, sooner) == now + 7s);
  CHECK(held(later, sooner) == now + 9s);
  CHECK(held("null", over) == now + 1s);  // still in answers
}

TEST_CASE("why what was drained is not out") {
  const auto status = json::parse(status_reply);
  CHECK(why_not_out(status, "2001:db8::10").empty());
  CHECK(why_not_out(status, "127.0.1.1") ==
        "127.0.1.1 is not drained any more: the drain ended or was taken back");
  CHECK_FALSE(why_not_out(status, "192.0.2.1").empty());
  const auto with = [](const char* word) {
    return why_not_out(
        json::parse(
            fmt::format(R"({{"pools": [{{"endpoints": [{{"address": "192.0.2.1", "word": {}}}]}}]}})", word)),
        "192.0.2.1");
  };
  CHECK(with(R"({"word": "down", "then": [{"word": "drain"}]})").empty());
  CHECK(with(R"({"word": "up", "by": "alice", "then": [{"word": "down"}, {"word": "drain"}]})") ==
        "192.0.2.1 is not out: it is held up by alice, and drained again after that");
  CHECK(with(R"({"word": "up", "by": "alice", "then": []})") ==
        "192.0.2.1 is not drained any more: the drain ended or was taken back");
  CHECK(with("null") == "192.0.2.1 is not drained any more: the drain ended or was taken back");
}

TEST_CASE("rolling upgrades") {
  CHECK(render_rollings(json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "rollings": [
    {"id": 7, "pool": "v1", "by": "root", "started": "2026-01-31T11:57:00.000Z", "running": true, "phase": "failed",
     "since": "2026-01-31T11:59:00.000Z", "hook": "deploy", "batch": 2, "batches": 3, "paused": null, "ending": null,
     "caches_until": "2026-01-31T11:58:00.000Z", "shortage": "", "reason": "192.0.2.11: hook: exit status 1", "endpoints": [
       {"address": "192.0.2.10", "place": "returned", "since": "2026-01-31T11:58:00.000Z", "attempt": 1, "detail": "", "output": ""},
       {"address": "192.0.2.11", "place": "failed", "since": "2026-01-31T11:59:00.000Z", "attempt": 2,
        "detail": "hook: exit status 1", "output": "no disk"},
       {"address": "2001:db8::10", "place": "waiting", "since": "2026-01-31T11:57:00.000Z", "attempt": 0, "detail": "", "output": ""}]}]})"),
                        {}) ==
        R"(v1  failed  batch 2 of 3  rolling 7 by root, begun 3m ago
  |- 192.0.2.10       returned  2m
  |- 192.0.2.11       failed    1m  attempt 2  hook: exit status 1: no disk
  `- 2001:db8::10     waiting
  waits for `sluicectl rolling resume v1` or `abort`
  because: 192.0.2.11: hook: exit status 1
)");
  CHECK(render_rollings(json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "rollings": [
    {"id": 6, "pool": "v2", "by": "ana", "started": "2026-01-31T10:00:00.000Z", "running": false, "phase": "aborted",
     "since": "2026-01-31T11:59:00.000Z", "batch": 1, "batches": 1, "reason": "enough", "endpoints": []}]})"),
                        {}) ==
        "v2  aborted  batch 1 of 1  rolling 6 by ana, begun 2h ago, ended 1m ago\n  because: enough\n");
  CHECK(render_rollings(json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "rollings": []})"), {}) ==
        "there is none, and has been none\n");
}

TEST_CASE("previews, in the status and in an explanation") {
  const auto reply = json::parse(R"({"now": "2026-01-31T12:00:00.000Z", "kind": "steered", "method": "random",
    "name": "preview.www.shop.example.", "type": "A", "rule": "weights",
    "preview": {"of": "www.shop.example.", "pool": "green", "why": "the target of rollout 3"},
    "steers": [{"name": "preview.www.shop.example.", "method": "random", "ttl_s": 1, "rule": "no pool is idle",
      "preview": {"of": "www.shop.example.", "pool": null, "why": "no pool is without weight: the answer is empty"}}]})");
  CHECK(render_status(reply, {}).find("  preview of www.shop.example.: no pool is without weight: the answer "
                                      "is empty\n") != std::string::npos);
  CHECK(render_explain(reply, {}).find("  preview of www.shop.example.: answered from green, the target of "
                                       "rollout 3\n") != std::string::npos);
}

TEST_CASE("a plan, and what stands ready at each step") {
  const auto now = parse_time("2026-01-31T12:00:00Z").value();
  CHECK(render_change(json::parse(R"({"text": "canary of www", "dry_run": true, "plan": [
    {"at": "2026-01-31T12:00:00.000Z", "what": "the TTL is 5s"},
    {"at": "2026-01-31T12:00:31.000Z", "what": "v2 has 10 %", "pools": [
      {"pool": "v1", "share": 0.9, "endpoints": 3, "healthy": 2, "weight": 4, "healthy_weight": 3.5},
      {"pool": "v2", "share": 0.1, "endpoints": 1, "healthy": 1, "weight": 1, "healthy_weight": 1}]},
    {"at": "2026-01-31T12:01:42.000Z", "what": "v2 has 100 %", "pools": [
      {"pool": "v1", "share": 0, "endpoints": 3, "healthy": 2, "weight": 4, "healthy_weight": 3.5},
      {"pool": "v2", "share": 1, "endpoints": 1, "healthy": 1, "weight": 1, "healthy_weight": 1}]}]})"),
                      now, {}) ==
        R"(dry run, nothing is changed: canary of www
  2026-01-31 12:00:00  the TTL is 5s
  2026-01-31 12:00:31  v2 has 10 %
    90.0% of v1: 2 of 3 endpoints healthy, 3.5 of 4 by weight
    10.0% of v2: 1 of 1 endpoints healthy, 1 of 1 by weight
  2026-01-31 12:01:42  v2 has 100 %
    100.0% of v2: 1 of 1 endpoints healthy, 1 of 1 by weight
)");
  CHECK(render_change(json::parse(R"({"text": "rolling 1 of v1", "plan": [
    {"at": "2026-01-31T12:00:00.000Z", "what": "batch 1: 192.0.2.1", "pools": [
      {"pool": "v1", "endpoints": 3, "healthy": 2, "weight": 4, "healthy_weight": 3}]}]})"),
                      now, {}) ==
        R"(rolling 1 of v1
  2026-01-31 12:00:00  batch 1: 192.0.2.1
    left of v1: 2 of 3 endpoints healthy, 3 of 4 by weight
)");
}

TEST_CASE("when caches let go, as text") {
  struct Row {
    const char* leases;
    const char* expected;
  };
  const Row rows[] = {
      {R"({"p50": "2026-01-31T12:00:16Z", "p90": "2026-01-31T12:00:28Z", "p99": "2026-01-31T12:00:30.700Z",
           "certain": "2026-01-31T12:00:31Z"})",
       "half in 16s, 90 % in 28s, 99 % in 31s, all in 31s"},
      {R"({"p50": "2026-01-31T11:59:50Z", "p90": "2026-01-31T12:00:00Z", "p99": "2026-01-31T12:02:30Z",
           "certain": "2026-01-31T12:03:00Z"})",
       "half by now, 90 % by now, 99 % in 2m30s, all in 3m"},
      {R"({"p50": "2026-01-31T11:00:00Z", "certain": "2026-01-31T12:00:00Z"})", "no cache holds it"},
      {R"({"certain": "2026-01-31T12:00:05Z"})", "half by now, 90 % by now, 99 % by now, all in 5s"},
      {R"({"p50": "2026-01-31T12:00:05Z"})", ""},
      {R"({"certain": 7})", ""},
      {"null", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.leases);
    CHECK(leases_text(json::parse(row.leases), parse_time("2026-01-31T12:00:00Z").value()) == row.expected);
  }
}

TEST_CASE("leases stand where they are waited for") {
  const std::string now = R"("now": "2026-01-31T12:00:00.000Z")";
  const std::string leases = R"("leases": {"p50": "2026-01-31T12:00:06Z", "p90": "2026-01-31T12:00:10Z",
                                           "p99": "2026-01-31T12:00:11Z", "certain": "2026-01-31T12:00:11Z"})";
  const std::string text = "half in 6s, 90 % in 10s, 99 % in 11s, all in 11s\n";
  const auto has = [&](const std::string& shown, const char* before) {
    CAPTURE(shown);
    CHECK(shown.find(before + text) != std::string::npos);
  };
  const auto reply = [&](const char* around) {
    return json::parse(fmt::format(fmt::runtime(around), now, leases));
  };
  has(render_status(
          reply(R"({{{}, "pools": [{{"pool": "v1", "endpoints": [{{"address": "192.0.2.1", {}}}]}}]}})"), {}),
      "  caches: ");
  has(render_rollouts(
          reply(R"({{{}, "rollouts": [{{"running": true, "phase": "moving", "steps": [1], {}}}]}})"), {}),
      "\n  caches that obey the TTL let go: ");
  has(render_rollings(reply(R"({{{}, "rollings": [{{"running": true, "phase": "emptying", {}}}]}})"), {}),
      "\n  caches that obey the TTL let go: ");
  has(render_change(reply(R"({{{}, "text": "192.0.2.1 drained", {}}})"),
                    parse_time("2026-01-31T12:00:00Z").value(), {}),
      "192.0.2.1 drained\ncaches that obey the TTL let go: ");
}

TEST_CASE("the sides of a switch, and what it waits for") {
  const auto plan = json::parse(R"({"text": "bluegreen of www", "dry_run": true,
    "sides": [{"pool": "blue", "side": "active", "endpoints": 2, "healthy": 2, "weight": 2, "healthy_weight": 2},
              {"pool": "green", "side": "idle", "endpoints": 2, "healthy": 1, "weight": 1.5, "healthy_weight": 0.5}],
    "warnings": ["green is smaller"]})");
  CHECK(render_change(plan, parse_time("2026-01-31T12:00:00Z").value(), {}) ==
        R"(dry run, nothing is changed: bluegreen of www
  active blue: 2 of 2 endpoints healthy, 2 of 2 by weight
  idle green: 1 of 2 endpoints healthy, 0.5 of 1.5 by weight
  warning: green is smaller
)");
  const auto waiting = [](const char* caches, const char* analyses) {
    return render_rollouts(
        json::parse(fmt::format(R"({{"now": "2026-01-31T12:00:00.000Z", "rollouts": [{{"phase": "arming",
          "caches_until": "2026-01-31T{}.000Z", "steps": [1], "analyses": [{}]}}]}})",
                                caches, analyses)),
        {});
  };
  const auto held = R"({"name": "judge", "holds": "analysis judge has not brought a result yet"})";
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(waiting("12:00:07", held), "caches hold answers with the old one: in 7s"));
  CHECK(has(waiting("11:59:00", held),
            "the switch waits until judge has passed; now: analysis judge has not brought a result yet"));
  CHECK(has(waiting("11:59:00", ""), "the first step is due"));
}

TEST_CASE("the tree of a rollout: steps, gates, shares and when it ends") {
  const auto shown = [](std::string_view members) {
    return render_rollouts(json::parse(fmt::format(
                               R"({{"now": "2026-01-31T12:00:00.000Z", "rollouts": [{{
            "id": 7, "name": "www.shop.example.", "strategy": "canary", "to": "v2,v3", "by": "root",
            "why": "new checkout", "started": "2026-01-31T11:50:00.000Z", "since": "2026-01-31T11:59:00.000Z",
            "steps": [0.05, 0.25, 0.5, 1], "gates": true, "moved": true, "share": 0.25, "answers": 1000,
            "answered_share": 0.251, "leased_share": 0.2, "next": "2026-01-31T12:00:30.000Z",
            "ends": "2026-01-31T12:20:00.000Z", "targets": [
              {{"pool": "v2", "share": 0.125, "answered_share": 0.126}},
              {{"pool": "v3", "share": 0.125, "answered_share": null}}], {}}}]}})",
                               members)),
                           {});
  };
  CHECK(shown(R"("phase": "holding", "step": 1, "skipped": 0)") ==
        R"(www.shop.example.  canary to v2,v3  holding  rollout 7 by root, begun 10m ago: new checkout
  set 25.0%, answered 25.1% of 1000 since 1m ago, leased about 20.0%
    v2: set 12.5%, answered 12.6%
    v3: set 12.5%, answered -
  |-   5.0%  done
  |-  25.0%  holding, then a gate
  |-  50.0%  then a gate
  `- 100.0%  
  the gate comes in 30s
  ends in 20m at the earliest
)");
  const auto has = [](const std::string& text, std::string_view part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(shown(R"("phase": "moving", "step": 3, "skipped": 2)"), R"(
  |-   5.0%  done
  |-  25.0%  skipped
  |-  50.0%  skipped
  `- 100.0%  moving
)");
  has(shown(R"("phase": "returned", "step": 1, "skipped": 0, "reason": "too slow", "sent_back_by": "root")"),
      R"(
  |-   5.0%  done
  |-  25.0%  left
  |-  50.0%  then a gate
)");
  has(shown(R"("phase": "gated", "step": 1, "skipped": 0)"), "\n  |-  25.0%  gated\n");
}

TEST_CASE("reasons of a refusal") {
  CHECK(error_message(
            409, R"({"error": {"code": "refused", "message": "a:1:2: error: x\na:3:4: error: \u0007"}})") ==
        "a:1:2: error: x\na:3:4: error: ?");
  CHECK(error_message(502, "<html>") == "HTTP status 502 without a reason: that is not sluiced");
  CHECK(error_message(500, "{}") == "HTTP status 500 without a reason: that is not sluiced");
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
