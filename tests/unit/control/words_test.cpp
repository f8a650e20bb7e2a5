// The operator's words about several endpoints, and those that are said for later.
#include "control/words.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "support.hpp"

namespace sluice::control {
namespace {

// at(0) is 2027-01-15T08:00:00Z.

const std::string many_hosts_config = config_head + R"(
[pool.cdn]
endpoints = ["edge.cdn.example", "backup.cdn.example.", "edge.other.example"]
[steer."www.shop.example"]
pools = { cdn = 1 }
)";

// All endpoints are taken as healthy.
std::string unchecked_config() {
  auto text = config_text;
  const std::string check = "check = \"web\"\n";
  for (auto at = text.find(check); at != std::string::npos; at = text.find(check))
    text.erase(at, check.size());
  return text;
}

Result<Decision> drain(const Model& model, const std::string& arguments, Time now = at(0)) {
  return say_word(model, request(CommandId::endpoint_drain, arguments), store::Word::drain, now);
}

Result<Decision> leave(const Model& model, const std::string& arguments, Time now = at(0)) {
  return take_word(model, request(CommandId::endpoint_auto, arguments), {}, now);
}

std::string about(const char* address, const char* more = "") {
  return fmt::format(R"({{"address": "{}"{}}})", address, more);
}

// "192.0.2.10 192.0.2.11": whom the reply lists.
std::string listed(const Decision& decision) {
  std::string text;
  for (const auto& endpoint : decision.reply.at("endpoints").as_array())
    text += (text.empty() ? "" : " ") + std::string(endpoint.at("address").as_string());
  return text;
}

// "192.0.2.10 drain, 192.0.2.11 up": the words in force.
std::string words_of(const Model& model) {
  std::string text;
  for (const auto& [endpoint, word] : model.words())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", to_text(endpoint), store::to_text(word.word));
  return text;
}

TEST_CASE("a pattern stands for all endpoints that match it") {
  struct Row {
    const char* what;
    const std::string& config;
    const char* pattern;
    const char* endpoints;
  };
  const Row rows[] = {
      {"all", config_text, "*", "192.0.2.10 192.0.2.11 2001:db8::10 192.0.2.20 192.0.2.30"},
      {"a net", config_text, "192.0.2.1*", "192.0.2.10 192.0.2.11"},
      {"one character", config_text, "192.0.2.?0", "192.0.2.10 192.0.2.20 192.0.2.30"},
      {"a set", config_text, "192.0.2.[23]0", "192.0.2.20 192.0.2.30"},
      {"all but a set", config_text, "192.0.2.[!1]*", "192.0.2.20 192.0.2.30"},
      {"IPv6", config_text, "2001:db8:*", "2001:db8::10"},
      {"a pool", config_text, "pool:v1", "192.0.2.10 192.0.2.11 2001:db8::10"},
      {"hosts with the final dot", many_hosts_config, "*.cdn.example.",
       "edge.cdn.example. backup.cdn.example."},
      {"and without it", many_hosts_config, "*.cdn.example", "edge.cdn.example. backup.cdn.example."},
      {"whatever the letter case", many_hosts_config, "EDGE.*", "edge.cdn.example. edge.other.example."},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Model model(parsed(row.config));
    const auto decision = drain(model, about(row.pattern));
    REQUIRE(decision.has_value());
    CHECK(listed(*decision) == row.endpoints);
    CHECK(decision->reply.at("pattern") == row.pattern);
    CHECK(decision->reply.at("changed") == true);
    CHECK(decision->changes.size() == decision->reply.at("endpoints").as_array().size());
    CHECK(decision->events.size() == decision->changes.size());
    take(model, *decision);
    CHECK(model.words().size() == decision->changes.size());
  }
}

TEST_CASE("an endpoint of two pools is listed once") {
  auto text = config_text;
  text.replace(text.find("\"192.0.2.20\""), 12, "\"192.0.2.20\", \"192.0.2.10\"");
  const Model model(parsed(text));
  const auto decision = drain(model, about("192.0.2.1*")).value();
  CHECK(listed(decision) == "192.0.2.10 192.0.2.11");
  CHECK(decision.reply.at("endpoints").at(0).at("pools").as_array().size() == 2);
}

TEST_CASE("what matches nothing is refused with what there is") {
  struct Row {
    const char* address;
    const char* message;
  };
  const Row rows[] = {
      {"10.*",
       "no endpoint matches '10.*'; there is 192.0.2.10, 192.0.2.11, 2001:db8::10, 192.0.2.20, 192.0.2.30"},
      {"192.0.2.[",
       "no endpoint matches '192.0.2.['; there is 192.0.2.10, 192.0.2.11, 2001:db8::10, "
       "192.0.2.20, 192.0.2.30"},
      {"pool:v3", "there is no pool 'v3'; did you mean 'v1'?"},
      {"pool:", "there is no pool ''; there is v1, v2, plain"},
  };
  const Model model(parsed(config_text));
  for (const auto& row : rows) {
    CAPTURE(row.address);
    const auto refused = drain(model, about(row.address));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::not_found);
    CHECK(refused.error().message == row.message);
  }
}

TEST_CASE("a pattern that no name could be long enough for is answered at once") {
  const Model model(parsed(config_text));
  std::string stars;
  for (int i = 0; i < 500; ++i) stars += "*1";
  CHECK_FALSE(drain(model, about((stars + "x").c_str())).has_value());
}

TEST_CASE("a pattern that leaves pools without an endpoint warns of each") {
  Model model(parsed(unchecked_config()));
  CHECK(drain(model, about("192.0.2.10"))->reply.at("text") == "192.0.2.10 drained");
  CHECK(drain(model, about("192.0.2.[12]*"))->reply.at("text") ==
        "3 endpoints: drained; pool v2 has no other endpoint that serves");
  CHECK(drain(model, about("*"))->reply.at("text") ==
        "5 endpoints: drained; pool v1 has no other endpoint that serves; pool v2 has no other endpoint that "
        "serves; pool plain has no other endpoint that serves");
  CHECK(drain(model, about("192.0.2.2*"))->reply.at("text") ==
        "1 endpoint: drained; pool v2 has no other endpoint that serves");
  CHECK(drain(model, about("pool:v2", R"(, "at": "+10m")"))->reply.at("text") ==
        "1 endpoint: will be drained at 2027-01-15T08:10:00.000Z; pool v2 has no other endpoint that serves");
}

TEST_CASE("a pattern's caches are those of the longest TTL") {
  const Model model(parsed(config_text));
  CHECK(drain(model, about("192.0.2.1*"))->cached_for == Duration(31'000));
  CHECK(drain(model, about("*"))->cached_for == Duration(61'000));
}

TEST_CASE("undrain by a pattern takes back the drains that there are") {
  Model model(parsed(config_text));
  const auto undrain = [&](const char* pattern) {
    return take_word(model, request(CommandId::endpoint_undrain, about(pattern)), store::Word::drain, at(1));
  };
  CHECK(undrain("pool:v1").error().message == "none of what 'pool:v1' stands for is drained by an operator");
  take(model, drain(model, about("192.0.2.10")).value());
  const auto decision = undrain("pool:v1").value();
  CHECK(decision.reply.at("text") == "1 endpoint: is left to its check again, 2 endpoints: is not drained");
  CHECK(decision.events.size() == 1);
  take(model, decision);
  CHECK(model.words().empty());
}

TEST_CASE("undrain says that an endpoint drains itself") {
  Model model(parsed(config_text));
  health::ProbeResult result{true, "the agent says drain", {}};
  result.word = health::Word::drain;
  model.apply_probe({address("192.0.2.20"), 80, "", "web"}, result, at(0));
  const auto undrain =
      take_word(model, request(CommandId::endpoint_undrain, about("192.0.2.20")), store::Word::drain, at(1));
  CHECK(undrain.error().message == "192.0.2.20 is drained by its own word, and not by an operator's");
}

// --- later ---

TEST_CASE("a word for later is kept, and said when it is due") {
  Model model(parsed(unchecked_config()));
  const auto decision =
      drain(model, about("192.0.2.10", R"(, "at": "+10m", "for": "1h", "reason": "disk")")).value();
  CHECK(decision.reply.at("text") == "192.0.2.10 will be drained at 2027-01-15T08:10:00.000Z for 1h (disk)");
  CHECK(decision.reply.at("at") == "2027-01-15T08:10:00.000Z");
  CHECK(decision.reply.at("cached_until").is_null());
  CHECK_FALSE(decision.cached_for.has_value());
  CHECK(decision.events[0].kind == "endpoint.schedule");
  take(model, decision);
  CHECK(model.words().empty());
  CHECK(model.next_expiry() == at(600));
  CHECK(due_words(model, at(599), at(0)).changes.empty());

  const auto due = due_words(model, at(600), at(0));
  REQUIRE(due.events.size() == 1);
  CHECK(due.events[0].kind == "endpoint.drain");
  CHECK(due.events[0].text ==
        "192.0.2.10 drained until 2027-01-15T09:10:00.000Z (disk), as was said at 2027-01-15T08:00:00.000Z");
  CHECK(due.events[0].who == "root");
  take(model, due);
  CHECK(words_of(model) == "192.0.2.10 drain");
  CHECK(model.schedule().empty());
  CHECK(model.next_expiry() == at(600 + 3600));

  take(model, due_words(model, at(4200), at(0)));
  CHECK(words_of(model).empty());
  CHECK_FALSE(model.next_expiry().has_value());
}

TEST_CASE("times") {
  struct Row {
    const char* at;
    const char* outcome;
  };
  const Row rows[] = {
      {"2027-01-15T09:30:00+01:00", "192.0.2.10 will be drained at 2027-01-15T08:30:00.000Z"},
      {"+0s", "192.0.2.10 will be drained at 2027-01-15T08:00:00.000Z"},
      {"2027-01-15T07:59:59Z", "2027-01-15T07:59:59.000Z is over; it is 2027-01-15T08:00:00.000Z now"},
      {"2037-06-01T00:00:00Z", "2037-06-01T00:00:00.000Z is more than ten years ahead"},
      {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z is more than ten years ahead"},
  };
  const Model model(parsed(unchecked_config()));
  for (const auto& row : rows) {
    CAPTURE(row.at);
    const auto decision = drain(model, about("192.0.2.10", fmt::format(R"(, "at": "{}")", row.at).c_str()));
    CHECK((decision ? std::string(decision->reply.at("text").as_string()) : decision.error().message) ==
          row.outcome);
  }
}

TEST_CASE("an endpoint has a bounded number of scheduled words, and one for a moment") {
  Model model(parsed(config_text));
  for (std::size_t i = 1; i <= scheduled_max; ++i)
    take(model, drain(model, about("192.0.2.10", fmt::format(R"(, "at": "+{}m")", i).c_str())).value());
  const auto refused = drain(model, about("192.0.2.1*", R"(, "at": "+1h")"));
  CHECK(refused.error().code == ErrorCode::refused);
  CHECK(refused.error().message ==
        "192.0.2.10 has 8 scheduled words already, and no more are kept; `endpoint "
        "auto` takes all of them back");
  take(model, leave(model, about("192.0.2.10", R"(, "at": "+8m")")).value());  // in place of the last one
  CHECK(model.scheduled(address("192.0.2.10")).size() == scheduled_max);
  take(model, due_words(model, at(3600), at(0)));
  CHECK(words_of(model).empty());
}

TEST_CASE("auto takes back the word and all that is scheduled, and says so") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10")).value());
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+1h")")).value());
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+2h")")).value());
  take(model, drain(model, about("192.0.2.11", R"(, "at": "+2h")")).value());
  auto decision = leave(model, about("192.0.2.10")).value();
  CHECK(decision.reply.at("text") == "192.0.2.10 is left to its check again; 2 scheduled words taken back");
  take(model, decision);
  CHECK(model.words().empty());
  decision = leave(model, about("192.0.2.11")).value();
  CHECK(decision.reply.at("text") == "192.0.2.11 is left to its check already; 1 scheduled word taken back");
  CHECK(decision.reply.at("changed") == true);
  take(model, decision);
  CHECK(model.schedule().empty());
  CHECK(leave(model, about("192.0.2.11")).value().reply.at("changed") == false);
}

TEST_CASE("a scheduled auto takes back what is in force then, and nothing that comes after") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10")).value());
  take(model, leave(model, about("192.0.2.10", R"(, "at": "+1h")")).value());
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+2h")")).value());
  const auto due = due_words(model, at(3600), at(0));
  CHECK(due.events[0].text ==
        "192.0.2.10 is left to its check again, as was said at 2027-01-15T08:00:00.000Z");
  take(model, due);
  CHECK(words_of(model).empty());
  CHECK(model.scheduled(address("192.0.2.10")).size() == 1);
}

TEST_CASE("a scheduled undrain takes back a drain, and nothing else") {
  const auto undrain = [](const Model& model, const char* at) {
    return take_word(model, request(CommandId::endpoint_undrain, about("192.0.2.10", at)), store::Word::drain,
                     sluice::control::at(0))
        .value();
  };
  Model model(parsed(config_text));
  const auto decision = undrain(model, R"(, "at": "+1h")");  // it is not drained yet
  CHECK(decision.reply.at("text") ==
        "192.0.2.10 will be left to its check, if it is drained then, at 2027-01-15T09:00:00.000Z");
  take(model, decision);
  CHECK(status_of(model).at("pools").at(0).at("endpoints").at(0).at("scheduled").at(0).at("word") ==
        "undrain");
  SUBCASE("a drain") {
    take(model, drain(model, about("192.0.2.10")).value());
    const auto due = due_words(model, at(3600), at(0));
    CHECK(due.events[0].kind == "endpoint.undrain");
    take(model, due);
    CHECK(words_of(model).empty());
  }
  SUBCASE("another word stays") {
    take(model,
         say_word(model, request(CommandId::endpoint_down, about("192.0.2.10")), store::Word::down, at(0))
             .value());
    const auto due = due_words(model, at(3600), at(0));
    CHECK(due.events[0].text ==
          "192.0.2.10 is not drained: what was scheduled for 2027-01-15T09:00:00.000Z takes nothing back");
    take(model, due);
    CHECK(words_of(model) == "192.0.2.10 down");
  }
  SUBCASE("a drain that has ended at the same moment") {
    take(model, drain(model, about("192.0.2.10", R"(, "for": "1h")")).value());
    take(model, due_words(model, at(3600), at(0)));
    CHECK(words_of(model).empty());
  }
  CHECK(model.schedule().empty());
}

TEST_CASE("what came due while the daemon did not run is carried out in order, and its events say so") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+1m", "for": "1m")")).value());
  take(model, say_word(model, request(CommandId::endpoint_up, about("192.0.2.10", R"(, "at": "+3m")")),
                       store::Word::up, at(0))
                  .value());
  take(model, drain(model, about("192.0.2.11", R"(, "at": "+2m", "for": "1m")")).value());
  take(model, drain(model, about("192.0.2.20", R"(, "at": "+2m", "for": "1h")")).value());
  const auto due = due_words(model, at(600), at(600));
  std::string kinds;
  for (const auto& event : due.events) kinds += event.subject + " " + event.kind + "\n";
  CHECK(kinds ==
        "192.0.2.10 endpoint.drain\n"
        "192.0.2.11 endpoint.drain\n"
        "192.0.2.20 endpoint.drain\n"
        "192.0.2.10 endpoint.auto\n"
        "192.0.2.10 endpoint.up\n"
        "192.0.2.11 endpoint.auto\n");
  CHECK(due.events[0].text ==
        "192.0.2.10 drained until 2027-01-15T08:02:00.000Z, as was said at 2027-01-15T08:00:00.000Z; it was "
        "due "
        "at 2027-01-15T08:01:00.000Z, when sluiced did not run");
  take(model, due);
  CHECK(words_of(model) == "192.0.2.10 up, 192.0.2.20 drain");
  CHECK(model.word(address("192.0.2.20"))->until == at(120 + 3600));
  CHECK(model.schedule().empty());
  CHECK(due_words(model, at(600), at(600)).changes.empty());
}

TEST_CASE("a word that was said after another one was due stays") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+1m")")).value());
  take(model, say_word(model, request(CommandId::endpoint_up, about("192.0.2.10")), store::Word::up, at(120))
                  .value());
  take(model, due_words(model, at(130), at(125)));
  CHECK(words_of(model) == "192.0.2.10 up");
  CHECK(model.schedule().empty());
}

TEST_CASE("a word that ends and one that begins at the same moment") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10", R"(, "for": "10m")")).value());
  take(model, say_word(model, request(CommandId::endpoint_up, about("192.0.2.10", R"(, "at": "+10m")")),
                       store::Word::up, at(0))
                  .value());
  take(model, due_words(model, at(600), at(0)));
  CHECK(words_of(model) == "192.0.2.10 up");
}

TEST_CASE("a scheduled word takes the place of the one in force") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10", R"(, "for": "1h")")).value());
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+10m")")).value());
  take(model, due_words(model, at(600), at(0)));
  CHECK_FALSE(model.word(address("192.0.2.10"))->until.has_value());
}

// --- words over words ---

// One word about 192.0.2.10, and what the reply says of it.
std::string say_so(Model& model, CommandId command, const char* more, int second) {
  const auto word = command == CommandId::endpoint_drain ? store::Word::drain
                    : command == CommandId::endpoint_up  ? store::Word::up
                                                         : store::Word::down;
  const auto decision = say_word(model, request(command, about("192.0.2.10", more)), word, at(second));
  if (!decision) return decision.error().message;
  take(model, *decision);
  return std::string(decision->reply.at("text").as_string());
}

std::string pass_to(Model& model, int second) {
  const auto due = due_words(model, at(second), at(0));
  take(model, due);
  std::string text;
  for (const auto& event : due.events) text += fmt::format("{}: {}\n", event.kind, event.text);
  return text;
}

TEST_CASE("what is said for some time holds so long, and then what was said for longer holds again") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, R"(, "reason": "disk")", 0);
  CHECK(say_so(model, CommandId::endpoint_down, R"(, "for": "1h")", 1) ==
        "192.0.2.10 held down until 2027-01-15T09:00:01.000Z; then drained again (disk)");
  CHECK(say_so(model, CommandId::endpoint_up, R"(, "for": "10m", "reason": "look")", 2) ==
        "192.0.2.10 held up until 2027-01-15T08:10:02.000Z (look); then held down again until "
        "2027-01-15T09:00:01.000Z");
  CHECK(words_of(model) == "192.0.2.10 up");
  CHECK(model.next_expiry() == at(602));
  CHECK(pass_to(model, 602) ==
        "endpoint.down: 192.0.2.10 is held down again until 2027-01-15T09:00:01.000Z: the time for which it "
        "was "
        "held up is over\n");
  CHECK(words_of(model) == "192.0.2.10 down");
  CHECK(pass_to(model, 3601) ==
        "endpoint.drain: 192.0.2.10 is drained again (disk): the time for which it was held down is over\n");
  CHECK(words_of(model) == "192.0.2.10 drain");
  CHECK_FALSE(model.next_expiry().has_value());
  CHECK(model.word(address("192.0.2.10"))->since == at(0));
}

TEST_CASE("what has ended beneath another word does not hold again") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, "", 0);
  say_so(model, CommandId::endpoint_down, R"(, "for": "1m")", 1);
  CHECK(say_so(model, CommandId::endpoint_up, R"(, "for": "1h")", 2) ==
        "192.0.2.10 held up until 2027-01-15T09:00:02.000Z; then drained again");
  CHECK(say_so(model, CommandId::endpoint_down, "", 3) == "192.0.2.10 held down");
  CHECK(model.word(address("192.0.2.10"))->beneath.empty());
  CHECK(pass_to(model, 7200).empty());
}

TEST_CASE("several words that ended while nothing ran come to the one beneath all") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, "", 0);
  say_so(model, CommandId::endpoint_down, R"(, "for": "1h")", 1);
  say_so(model, CommandId::endpoint_up, R"(, "for": "1m")", 2);
  pass_to(model, 7200);
  CHECK(words_of(model) == "192.0.2.10 drain");
  CHECK(model.word(address("192.0.2.10"))->beneath.empty());
}

TEST_CASE("a word of the same kind corrects the one in force, and says so") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, R"(, "reason": "disk")", 0);
  CHECK(say_so(model, CommandId::endpoint_drain, R"(, "for": "10m")", 1) ==
        "192.0.2.10 drained until 2027-01-15T08:10:01.000Z; not drained without end (disk) any more");
  pass_to(model, 601);
  CHECK(words_of(model).empty());
}

TEST_CASE("a rolling upgrade's drain does not hold again: it may be over by then") {
  Model model(parsed(unchecked_config()));
  model.apply(
      store::EndpointWord{address("192.0.2.10"), store::Word::drain, "rolling 3", "batch 1 of 2", at(0), {}});
  CHECK(say_so(model, CommandId::endpoint_up, R"(, "for": "10m")", 1) ==
        "192.0.2.10 held up until 2027-01-15T08:10:01.000Z; not drained without end (batch 1 of 2) any more");
}

TEST_CASE("words that lie beneath one another are bounded") {
  Model model(parsed(unchecked_config()));
  const char* lengths[] = {"", R"(, "for": "50m")", R"(, "for": "40m")", R"(, "for": "30m")",
                           R"(, "for": "20m")"};
  int second = 0;
  for (const char* length : lengths) {
    const auto command = second % 2 == 0 ? CommandId::endpoint_drain : CommandId::endpoint_down;
    CHECK(say_so(model, command, length, second++).starts_with("192.0.2.10 "));
  }
  CHECK(model.word(address("192.0.2.10"))->beneath.size() == beneath_max);
  CHECK(say_so(model, CommandId::endpoint_down, R"(, "for": "10m")", 5) ==
        "192.0.2.10 has 4 words already that hold again one after the other, and no more are kept; `endpoint "
        "auto` takes all of them back");
}

TEST_CASE("auto and undrain reach what lies beneath") {
  const auto undrain = [](const Model& model) {
    return take_word(model, request(CommandId::endpoint_undrain, about("192.0.2.10")), store::Word::drain,
                     at(9));
  };
  Model model(parsed(unchecked_config()));
  SUBCASE("auto takes all") {
    say_so(model, CommandId::endpoint_drain, "", 0);
    say_so(model, CommandId::endpoint_down, R"(, "for": "1h")", 1);
    const auto decision = leave(model, about("192.0.2.10")).value();
    CHECK(decision.reply.at("text") ==
          "192.0.2.10 is left to its check again; 1 word beneath the one in force taken back");
    take(model, decision);
    CHECK(words_of(model).empty());
  }
  SUBCASE("undrain takes the drain beneath") {
    say_so(model, CommandId::endpoint_drain, "", 0);
    say_so(model, CommandId::endpoint_down, R"(, "for": "1h")", 1);
    const auto decision = undrain(model).value();
    CHECK(decision.reply.at("text") == "192.0.2.10 stays held down, and is not drained after it");
    take(model, decision);
    CHECK(words_of(model) == "192.0.2.10 down");
    CHECK(undrain(model).error().message == "192.0.2.10 is not drained");
    pass_to(model, 3601);
    CHECK(words_of(model).empty());
  }
  SUBCASE("undrain takes the drain in force, and leaves what it lies over") {
    say_so(model, CommandId::endpoint_down, R"(, "reason": "disk")", 0);
    say_so(model, CommandId::endpoint_drain, R"(, "for": "1h")", 1);
    const auto decision = undrain(model).value();
    CHECK(decision.reply.at("text") == "192.0.2.10 is held down again (disk)");
    take(model, decision);
    CHECK(words_of(model) == "192.0.2.10 down");
  }
  SUBCASE("so does an undrain for later") {
    say_so(model, CommandId::endpoint_drain, "", 0);
    say_so(model, CommandId::endpoint_down, R"(, "for": "1h")", 1);
    take(model,
         take_word(model, request(CommandId::endpoint_undrain, about("192.0.2.10", R"(, "at": "+1m")")),
                   store::Word::drain, at(2))
             .value());
    CHECK(pass_to(model, 62) ==
          "endpoint.undrain: 192.0.2.10 is held down, and not drained, as was said at "
          "2027-01-15T08:00:02.000Z\n");
    CHECK(model.word(address("192.0.2.10"))->beneath.empty());
  }
}

TEST_CASE("a scheduled word for some time is said over one that holds for longer") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_up, R"(, "reason": "hold")", 0);
  CHECK(say_so(model, CommandId::endpoint_down, R"(, "at": "+10m", "for": "5m")", 0) ==
        "192.0.2.10 will be held down at 2027-01-15T08:10:00.000Z for 5m; then held up again (hold)");
  CHECK(
      pass_to(model, 600) ==
      "endpoint.down: 192.0.2.10 held down until 2027-01-15T08:15:00.000Z; then held up again (hold), as was "
      "said at 2027-01-15T08:00:00.000Z\n");
  CHECK(words_of(model) == "192.0.2.10 down");
  pass_to(model, 900);
  CHECK(words_of(model) == "192.0.2.10 up");
}

TEST_CASE("a scheduled word for some time changes nothing when the same holds for longer") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, R"(, "reason": "disk")", 0);
  CHECK(say_so(model, CommandId::endpoint_drain, R"(, "at": "+10m", "for": "5m")", 0) ==
        "192.0.2.10 will be drained at 2027-01-15T08:10:00.000Z for 5m; it is drained (disk) already, and "
        "stays so");
  CHECK(pass_to(model, 600).find("192.0.2.10 stays drained, as root said") != std::string::npos);
  CHECK(pass_to(model, 900).empty());
  CHECK(words_of(model) == "192.0.2.10 drain");
}

TEST_CASE("a word for the moment of another one takes its place, and says so") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, R"(, "at": "2027-01-15T09:00:00Z", "reason": "disk")", 0);
  CHECK(say_so(model, CommandId::endpoint_up, R"(, "at": "2027-01-15T09:00:00Z")", 1) ==
        "192.0.2.10 will be held up at 2027-01-15T09:00:00.000Z; it takes the place of 'drain' (disk), which "
        "root had scheduled for then");
}

TEST_CASE("a word for less than a second is refused") {
  Model model(parsed(unchecked_config()));
  CHECK(say_so(model, CommandId::endpoint_down, R"(, "for": "0s")", 0) == "'for' has to be at least 1s");
  CHECK(say_so(model, CommandId::endpoint_down, R"(, "for": "999ms", "at": "+1m")", 0) ==
        "'for' has to be at least 1s");
  CHECK(say_so(model, CommandId::endpoint_down, R"(, "for": "1s")", 0) ==
        "192.0.2.10 held down until 2027-01-15T08:00:01.000Z");
}

TEST_CASE("what lies beneath does not hold again against the rules") {
  auto text = unchecked_config();
  text += R"(
[pool.pair]
endpoints = ["192.0.2.40", "192.0.2.41"]
[steer."pair.shop.example"]
pools = { pair = 1 }
endpoints_min = 1
)";
  Model model(parsed(text));
  const auto tell = [&](const char* endpoint, store::Word word, const char* more, int second) {
    const auto command = word == store::Word::up ? CommandId::endpoint_up : CommandId::endpoint_drain;
    const auto decision = say_word(model, request(command, about(endpoint, more)), word, at(second));
    REQUIRE(decision.has_value());
    take(model, *decision);
  };
  tell("192.0.2.40", store::Word::drain, "", 0);
  tell("192.0.2.40", store::Word::up, R"(, "for": "1m")", 1);
  tell("192.0.2.41", store::Word::drain, "", 2);
  CHECK(pass_to(model, 61).starts_with(
      "endpoint.auto: 192.0.2.40 is left to its check again: the time for which it was held up is over, and "
      "192.0.2.40 must not be drained: pair.shop.example.: "));
  CHECK(words_of(model) == "192.0.2.41 drain");
}

TEST_CASE("what the rules forbid to hold again is left out, and what lies beneath it holds") {
  Model model(parsed(unchecked_config() + R"(
[steer."alone.shop.example"]
pools = { v2 = 1 }
endpoints_min = 1
)"));
  model.apply(
      store::EndpointWord{address("192.0.2.20"),
                          store::Word::up,
                          "root",
                          "short test",
                          at(3),
                          at(10),
                          {{address("192.0.2.20"), store::Word::down, "root", "maintenance", at(2), at(3600)},
                           {address("192.0.2.20"), store::Word::up, "alice", "check is wrong", at(1), {}}}});
  CHECK(pass_to(model, 10) ==
        "endpoint.up: 192.0.2.20 is held up again (check is wrong): the time for which it was held up is "
        "over, and "
        "192.0.2.20 must not be held down: alone.shop.example.: 0 healthy endpoints would be left; "
        "endpoints_min is "
        "1\n");
  CHECK(words_of(model) == "192.0.2.20 up");
  CHECK(model.word(address("192.0.2.20"))->reason == "check is wrong");
}

TEST_CASE("a word from before the clock was set back does not keep scheduled ones from being carried out") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, "", 3600);
  take(model, take_word(model, request(CommandId::endpoint_undrain, about("192.0.2.10", R"(, "at": "+3s")")),
                        store::Word::drain, at(0))
                  .value());
  const auto due = due_words(model, at(3), at(3500));  // sluiced was started before, by the later clock
  take(model, due);
  CHECK(due.events.at(0).text ==
        "192.0.2.10 is left to its check again, as was said at 2027-01-15T08:00:00.000Z");
  CHECK(words_of(model).empty());
}

TEST_CASE("status shows what holds again") {
  Model model(parsed(unchecked_config()));
  say_so(model, CommandId::endpoint_drain, R"(, "reason": "disk")", 0);
  say_so(model, CommandId::endpoint_down, R"(, "for": "1h")", 1);
  const auto status = status_of(model);
  const auto& word = status.at("pools").at(0).at("endpoints").at(0).at("word");
  CHECK(boost::json::serialize(word.at("then")) ==
        R"([{"word":"drain","by":"root","reason":"disk","since":"2027-01-15T08:00:00.000Z","until":null}])");
}

TEST_CASE("status shows scheduled words") {
  Model model(parsed(config_text));
  take(model, drain(model, about("192.0.2.10", R"(, "at": "+10m", "for": "90s", "reason": "disk")")).value());
  take(model, leave(model, about("192.0.2.10", R"(, "at": "+1h")")).value());
  const auto status = status_of(model);
  const auto& endpoints = status.at("pools").at(0).at("endpoints");
  CHECK(boost::json::serialize(endpoints.at(0).at("scheduled")) ==
        R"([{"word":"drain","at":"2027-01-15T08:10:00.000Z","for":"1m30s","by":"root","reason":"disk",)"
        R"("since":"2027-01-15T08:00:00.000Z"},{"word":"auto","at":"2027-01-15T09:00:00.000Z","for":null,)"
        R"("by":"root","reason":"","since":"2027-01-15T08:00:00.000Z"}])");
  CHECK(endpoints.at(1).at("scheduled").as_array().empty());
}

}  // namespace
}  // namespace sluice::control
