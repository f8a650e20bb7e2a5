// Sections [notify.NAME] and [hook.NAME]: what they come to, and what is refused.
#include <doctest/doctest.h>

#include "support.hpp"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

const Case bad_receivers[] = {
    {"no url", "[notify.ops]\n", "5:1: [notify.ops] has no 'url'; expected a string\n"},
    {"a password", "[notify.ops]\nurl = \"http://u:p@h\"\n",
     "6:7: url: expected a URL such as \"http://127.0.0.1:9090\", without a user and a fragment, got "
     "\"http://u:p@h\"\n"},
    {"authorities without TLS", "[notify.ops]\nurl = \"http://h\"\nca = \"ca.pem\"\n",
     "7:6: 'ca' is of no use with a URL that begins with \"http:\"\n"},
    {"no such authorities", "[notify.ops]\nurl = \"https://h\"\nca = \"/nonexistent\"\n",
     "7:6: ca: /nonexistent: cannot read the file: No such file or directory\n"},
    {"two secrets", "[notify.ops]\nurl = \"http://h\"\nsecret = \"hush\"\nsecret_file = \"/nonexistent\"\n",
     "8:15: 'secret' and 'secret_file' exclude each other\n"},
    {"a secret is not shown", "[notify.ops]\nurl = \"http://h\"\nsecret = \"not a token\"\n",
     "7:10: secret: expected a token of letters, digits and \"-._~+/\" (RFC 6750, 2.1)\n"},
    {"no events", "[notify.ops]\nurl = \"http://h\"\nevents = []\n",
     "7:10: events: expected at least one, got none\n"},
    {"no kinds", "[notify.ops]\nurl = \"http://h\"\nevents = [\"rollout.*\", \"Rollout\", \"*.step\", 1]\n",
     "7:24: events: expected a kind of events such as \"rollout.*\", \"endpoint.down\" or \"*\", got "
     "\"Rollout\"\n"
     "7:35: events: expected a kind of events such as \"rollout.*\", \"endpoint.down\" or \"*\", got "
     "\"*.step\"\n"
     "7:45: events: expected a kind of events such as \"rollout.*\", \"endpoint.down\" or \"*\", got 1\n"},
    {"a queue of one", "[notify.ops]\nurl = \"http://h\"\nqueue = 1\n",
     "7:9: queue: expected 2 to 100000, got 1\n"},
    {"a bad name", "[notify.\"a,b\"]\nurl = \"http://h\"\n",
     "5:9: 'a,b' is no name of a receiver: expected 1 to 63 letters, digits, '-', '_' and '.'\n"},
};

TEST_CASE("receivers that are refused") { check_errors(bad_receivers); }

TEST_CASE("defaults of receivers") {
  const auto result = load_after_head(
      "[notify.ops]\nurl = \"http://h\"\n[notify.chat]\nurl = \"https://h/x\"\nsecret = \"s\"\n"
      "headers = { Authorization = \"Bearer t\" }\nevents = [\"rollout.*\", \"endpoint.down\"]\n"
      "timeout = \"2s\"\nretry_max = \"5s\"\nretry_for = \"1h\"\nqueue = 10\n");
  REQUIRE(result.config.has_value());
  REQUIRE(result.config->receivers.size() == 2);
  const auto& ops = result.config->receivers[0];
  CHECK(ops.name == "ops");
  CHECK(ops.events == std::vector<std::string>{"*"});
  CHECK(ops.timeout == 10s);
  CHECK(ops.retry_max == 1min);
  CHECK(ops.retry_for == 24h);
  CHECK(ops.queue == 1000);
  CHECK(ops.secret.empty());
  const auto& chat = result.config->receivers[1];
  CHECK(chat.events == std::vector<std::string>{"rollout.*", "endpoint.down"});
  CHECK(chat.secret == "s");
  CHECK(chat.headers == std::vector<HeaderField>{{"Authorization", "Bearer t"}});
  CHECK(chat.queue == 10);
}

TEST_CASE("hooks") {
  const auto result = load_after_head(
      "[hook.deploy]\nurl = \"https://h/x\"\nsecret = \"s\"\nheaders = { Authorization = \"Bearer t\" }\n"
      "[hook.plain]\nurl = \"http://h\"\n");
  REQUIRE(result.config.has_value());
  const auto* deploy = result.config->find_hook("deploy");
  REQUIRE(deploy != nullptr);
  CHECK(deploy->url == "https://h/x");
  CHECK(deploy->secret == "s");
  CHECK(deploy->headers == std::vector<HeaderField>{{"Authorization", "Bearer t"}});
  CHECK(result.config->find_hook("plain")->secret.empty());
  CHECK(result.config->find_hook("ops") == nullptr);
  const Case refused[] = {
      {"no url", "[hook.a]\n", "5:1: [hook.a] has no 'url'; expected a string\n"},
      {"authorities without TLS", "[hook.a]\nurl = \"http://h\"\nca = \"ca.pem\"\n",
       "7:6: 'ca' is of no use with a URL that begins with \"http:\"\n"},
      {"two secrets", "[hook.a]\nurl = \"http://h\"\nsecret = \"hush\"\nsecret_file = \"/nonexistent\"\n",
       "8:15: 'secret' and 'secret_file' exclude each other\n"},
      {"a bad name", "[hook.\"a:b\"]\nurl = \"http://h\"\n",
       "5:7: 'a:b' is no name of a hook: expected 1 to 63 letters, digits, '-', '_' and '.'\n"},
  };
  check_errors(refused);
}

TEST_CASE("there are no more receivers than there may be") {
  std::string text;
  for (int i = 0; i < 33; ++i) text += fmt::format("[notify.r{}]\nurl = \"http://h\"\n", i);
  CHECK(text_of(load_after_head(text).errors) == "69:9: expected at most 32 sections [notify.NAME]\n");
}

}  // namespace
}  // namespace sluice::config
