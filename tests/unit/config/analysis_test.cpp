// Sections [analysis.NAME]: what they come to, and what is refused.
#include <doctest/doctest.h>

#include "config/url.hpp"
#include "support.hpp"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

const Case bad_analyses[] = {
    {"no type", "[analysis.a]\n",
     "5:1: [analysis.a] has no 'type'; expected \"prometheus\", \"exec\", \"webhook\" or \"probes\"\n"},
    {"prometheus: nothing in it", "[analysis.a]\ntype = \"prometheus\"\n",
     "5:1: [analysis.a] has no 'url'; expected a string\n5:1: [analysis.a] has no 'query'; expected a "
     "string\n"
     "5:1: [analysis.a] has neither 'max' nor 'min': every value would do\n"},
    {"prometheus: min above max",
     "[analysis.a]\ntype = \"prometheus\"\nurl = \"http://h\"\nquery = \"x\"\nmax = 1\nmin = 2\n",
     "10:7: min: expected at most 1 (the max), got 2\n"},
    {"prometheus: relative to itself",
     "[analysis.a]\ntype = \"prometheus\"\nurl = \"http://h\"\nquery = \"x\"\nmax = 1\nrelative_to_old = "
     "true\n",
     "8:9: query: expected one with {pool}, so that it can be asked for the old pool, too\n"},
    {"prometheus: samples_min alone",
     "[analysis.a]\ntype = \"prometheus\"\nurl = \"http://h\"\nquery = \"x\"\nmax = 1\nsamples_min = 5\n",
     "10:15: 'samples_min' needs 'samples', the query that counts them\n"},
    {"exec: no command", "[analysis.a]\ntype = \"exec\"\n",
     "5:1: [analysis.a] has no 'command'; expected an array of a program's path and its arguments such as "
     "[\"/usr/bin/pg_isready\", \"--quiet\"]\n"},
    {"webhook: no url", "[analysis.a]\ntype = \"webhook\"\n",
     "5:1: [analysis.a] has no 'url'; expected a string\n"},
    {"a key of another type", "[analysis.a]\ntype = \"probes\"\nquery = \"x\"\n",
     "7:1: 'query' is for analyses of type \"prometheus\", this one is \"probes\"\n"},
    {"timeout above the interval",
     "[analysis.a]\ntype = \"webhook\"\nurl = \"http://h\"\ninterval = \"1s\"\ntimeout = \"2s\"\n",
     "9:11: timeout: expected at most \"1s\" (the interval), got \"2s\"\n"},
    {"a bad name", "[analysis.\"a,b\"]\ntype = \"probes\"\n",
     "5:11: 'a,b' is no name of an analysis: expected 1 to 63 letters, digits, '-', '_' and '.'\n"},
    {"a password", "[analysis.a]\ntype = \"webhook\"\nurl = \"http://u:p@h\"\n",
     "7:7: url: expected a URL such as \"http://127.0.0.1:9090\", without a user and a fragment, got "
     "\"http://u:p@h\"\n"},
    {"prometheus: no such authorities",
     "[analysis.a]\ntype = \"prometheus\"\nurl = \"https://h\"\nquery = \"x\"\nmax = 1\nca = "
     "\"/nonexistent\"\n",
     "10:6: ca: /nonexistent: cannot read the file: No such file or directory\n"},
    {"webhook: authorities without TLS",
     "[analysis.a]\ntype = \"webhook\"\nurl = \"http://h\"\nca = \"ca.pem\"\n",
     "8:6: 'ca' is of no use with a URL that begins with \"http:\"\n"},
    {"no failures", "[analysis.a]\ntype = \"probes\"\nfailures_max = 0\n",
     "7:16: failures_max: expected 1 to 1000, got 0\n"},
};

TEST_CASE("analyses that are refused") { check_errors(bad_analyses); }

TEST_CASE("defaults of analyses") {
  const auto result = load_after_head(
      "[analysis.a]\ntype = \"prometheus\"\nurl = \"http://h\"\nquery = \"x\"\nmin = -1.5\nsamples = \"y\"\n"
      "[analysis.b]\ntype = \"probes\"\ninterval = \"2s\"\n");
  REQUIRE(result.config.has_value());
  const auto* a = result.config->find_analysis("a");
  const auto* b = result.config->find_analysis("b");
  REQUIRE(a != nullptr);
  REQUIRE(b != nullptr);
  CHECK(a->interval == 30s);
  CHECK(a->timeout == 10s);
  CHECK(b->timeout == 2s);
  CHECK(a->min == -1.5);
  CHECK_FALSE(a->max.has_value());
  CHECK(a->samples_min == 1);
  CHECK(b->samples_min == 20);
  CHECK(b->success_min == 0.95);
  CHECK(a->failures_max == 1);
  CHECK(a->errors_max == 3);
  CHECK(a->successes_min == 1);
  CHECK(result.config->find_analysis("c") == nullptr);
}

TEST_CASE("URLs") {
  const auto local = parse_url("http://127.0.0.1:9090");
  REQUIRE(local.has_value());
  CHECK(local->port == 9090);
  CHECK(local->target == "/");
  CHECK(local->host_field == "127.0.0.1:9090");
  const auto named = parse_url("https://prometheus.shop.example/a/b?c=d");
  REQUIRE(named.has_value());
  CHECK(named->tls);
  CHECK(named->port == 443);
  CHECK(named->target == "/a/b?c=d");
  CHECK(to_text(named->host) == "prometheus.shop.example.");
  CHECK(to_text(parse_url("http://localhost/")->host) == "localhost.");
  CHECK(to_text(parse_url("http://[::1]:80/")->host) == "::1");
  for (const std::string bad : {"", "h", "/a", "ftp://h", "http://", "http:///a", "http://h:0",
                                "http://h:99999", "http://a b", "http://h/#f", "http://1.2.3", "unix:/a"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_url(bad).has_value());
  }
}

}  // namespace
}  // namespace sluice::config
