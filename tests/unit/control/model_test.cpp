// The decisions: what a request comes to, without threads, files or clocks.
#include "control/model.hpp"

#include <doctest/doctest.h>

#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

const config::Steer& www(const Model& model) { return *model.config().find_steer(name("www.shop.example")); }

void probe(Model& model, std::string_view endpoint, bool success, Time now = at(0)) {
  const auto& web = *model.config().find_check("web");
  model.apply_probe({address(endpoint), web.port, "", web.name},
                    {success, success ? "ok" : "refused", Duration{1}}, now);
}

bool usable(const Model& model, std::string_view pool, std::string_view endpoint) {
  for (const auto& candidate : model.candidates(*model.config().find_pool(pool)))
    if (candidate.destination == address(endpoint)) return candidate.usable;
  FAIL("no such endpoint");
  return false;
}

TEST_CASE("weights are set for all pools, named or not, and shown before and after") {
  Model model(parsed(config_text));
  const auto decision = set_weights(
      model, request(CommandId::weight_set, R"({"name": "WWW.shop.example", "weights": {"v2": 25}})"), at(0));
  REQUIRE(decision.has_value());
  take(model, *decision);
  CHECK(model.weights(www(model)) == std::vector<double>{95, 25});
  CHECK(decision->reply.at("changed") == true);
  CHECK(decision->reply.at("text") == "www.shop.example. v2 5 -> 25");
  CHECK(decision->reply.at("pools").at(1).at("share_after").as_double() ==
        doctest::Approx(25.0 / 120).epsilon(0.001));
  REQUIRE(decision->events.size() == 1);
  CHECK(decision->events[0].kind == "weight.set");
  CHECK(decision->events[0].who == "root");
}

TEST_CASE("refused requests say why and change nothing") {
  struct Row {
    const char* what;
    CommandId id;
    const char* arguments;
    ErrorCode code;
    const char* message;
  };
  const Row rows[] = {
      {"unknown name", CommandId::weight_set, R"({"name": "ww.shop.example", "weights": {"v1": 1}})",
       ErrorCode::not_found, "no steered name is 'ww.shop.example.'; did you mean 'www.shop.example.'?"},
      {"no name at all", CommandId::weight_set, R"({"name": "a..b", "weights": {"v1": 1}})",
       ErrorCode::invalid, "'a..b' is not a domain name: a label is empty"},
      {"unknown pool", CommandId::weight_set, R"({"name": "www.shop.example", "weights": {"v3": 1}})",
       ErrorCode::not_found, "www.shop.example. has no pool 'v3'; did you mean 'v1'?"},
      {"negative", CommandId::weight_set, R"({"name": "www.shop.example", "weights": {"v1": -1}})",
       ErrorCode::invalid, "the weight of 'v1' has to be 0 or more, got -1"},
      {"all zero", CommandId::weight_set, R"({"name": "www.shop.example", "weights": {"v1": 0, "v2": 0}})",
       ErrorCode::invalid, "all weights are 0; at least one has to be above 0"},
      {"unknown endpoint", CommandId::endpoint_drain, R"({"address": "192.0.2.99"})", ErrorCode::not_found,
       "no pool has an endpoint 192.0.2.99; did you mean '192.0.2.10'?"},
      {"no address", CommandId::endpoint_drain, R"({"address": "v1"})", ErrorCode::invalid,
       "'v1' is neither an IP address nor the name of a host such as 'edge.cdn.example.'"},
      {"not drained", CommandId::endpoint_undrain, R"({"address": "192.0.2.10"})", ErrorCode::refused,
       "192.0.2.10 is not drained"},
  };
  const Model model(parsed(config_text));
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto asked = request(row.id, row.arguments);
    const auto decision = row.id == CommandId::weight_set ? set_weights(model, asked, at(0))
                          : row.id == CommandId::endpoint_drain
                              ? say_word(model, asked, store::Word::drain, at(0))
                              : take_word(model, asked, store::Word::drain, at(0));
    REQUIRE_FALSE(decision.has_value());
    CHECK(decision.error().code == row.code);
    CHECK(decision.error().message == row.message);
  }
}

TEST_CASE("a reset goes back to the config's weights, and a second one changes nothing") {
  Model model(parsed(config_text));
  take(model, set_weights(model,
                          request(CommandId::weight_set,
                                  R"({"name": "www.shop.example", "weights": {"v1": 0, "v2": 1}})"),
                          at(0))
                  .value());
  const auto asked = request(CommandId::weight_reset, R"({"name": "www.shop.example"})");
  const auto decision = reset_weights(model, asked, at(1)).value();
  take(model, decision);
  CHECK(model.weights(www(model)) == std::vector<double>{95, 5});
  CHECK(reset_weights(model, asked, at(2)).value().changes.empty());
}

TEST_CASE("the layout of a ramp is one threshold that only moves on") {
  Model model(parsed(config_text));
  std::uint32_t boundary_before = steer::slot_count;
  for (const int percent : {1, 5, 25, 50, 100}) {
    const auto arguments = R"({"name": "www.shop.example", "weights": {"v1": )" +
                           std::to_string(100 - percent) + R"(, "v2": )" + std::to_string(percent) + "}}";
    take(model, set_weights(model, request(CommandId::weight_set, arguments), at(0)).value());
    const auto layout = model.layout(www(model));
    const std::uint32_t boundary = layout.front().pool == 0 ? layout.front().length : 0;
    CHECK(layout.size() == (percent == 100 ? 1 : 2));
    CHECK(boundary < boundary_before);
    boundary_before = boundary;
  }
}

TEST_CASE("run-time weights outlive a config with other pools") {
  Model model(parsed(config_text));
  take(model, set_weights(model,
                          request(CommandId::weight_set,
                                  R"({"name": "www.shop.example", "weights": {"v1": 0, "v2": 7}})"),
                          at(0))
                  .value());
  auto text = config_text;
  SUBCASE("a pool that was added has its config's weight") {
    text.replace(text.find("v1 = 95, v2 = 5"), 15, "v1 = 95, plain = 3, v2 = 5");
    model.replace_config(parsed(text), at(0));
    CHECK(model.weights(www(model)) == std::vector<double>{0, 3, 7});
  }
  SUBCASE("when only pools at 0 remain, the config's weights hold") {
    text.replace(text.find("v1 = 95, v2 = 5"), 15, "v1 = 95");
    model.replace_config(parsed(text), at(0));
    CHECK(model.weights(www(model)) == std::vector<double>{95});
  }
  take(model, settle_layouts(model, at(0)));
  CHECK(settle_layouts(model, at(0)).changes.empty());
}

TEST_CASE("an endpoint is usable by its check, or by the operator's word") {
  Model model(parsed(config_text));
  CHECK_FALSE(usable(model, "v1", "192.0.2.10"));  // not probed yet
  CHECK(usable(model, "plain", "192.0.2.30"));     // no check
  probe(model, "192.0.2.10", true);
  CHECK(usable(model, "v1", "192.0.2.10"));

  const auto asked =
      request(CommandId::endpoint_down, R"({"address": "192.0.2.10", "reason": "disk", "for": "10m"})");
  const auto decision = say_word(model, asked, store::Word::down, at(0)).value();
  take(model, decision);
  CHECK_FALSE(usable(model, "v1", "192.0.2.10"));
  CHECK(decision.reply.at("text") ==
        "192.0.2.10 held down until 2027-01-15T08:10:00.000Z (disk); pool v1 has no other endpoint that "
        "serves");
  CHECK(decision.cached_for == Duration(31'000));  // www's TTL, and a second
  CHECK(model.next_expiry() == at(600));

  CHECK(due_words(model, at(599), at(0)).changes.empty());
  take(model, due_words(model, at(600), at(0)));
  CHECK(usable(model, "v1", "192.0.2.10"));
  CHECK_FALSE(model.next_expiry());
}

TEST_CASE("a word about an endpoint of several names holds for the longest of their TTLs") {
  Model model(parsed(config_text));
  const auto decision = say_word(model, request(CommandId::endpoint_drain, R"({"address": "192.0.2.20"})"),
                                 store::Word::drain, at(0));
  CHECK(decision.value().cached_for == Duration(61'000));
}

TEST_CASE("health of endpoints that left the config is forgotten") {
  Model model(parsed(config_text));
  probe(model, "192.0.2.20", true);
  auto text = config_text;
  text.replace(text.find("\"192.0.2.20\""), 12, "\"192.0.2.21\"");
  model.replace_config(parsed(text), at(1));
  CHECK(usable(model, "v2", "192.0.2.21") == false);
  text = config_text;
  model.replace_config(parsed(text), at(2));
  CHECK_FALSE(usable(model, "v2", "192.0.2.20"));
}

// --- status ---

TEST_CASE("status says the shares after health and the rule that made them") {
  struct Row {
    const char* what;
    bool v1_up, v2_up;
    double v1_share, v2_share;
    const char* rule;
  };
  const Row rows[] = {
      {"all up", true, true, 0.95, 0.05, "weights"},
      {"canary dead", true, false, 1, 0, "IPv4: dead pools' shares moved; IPv6: weights"},
      {"stable dead", false, true, 0.5, 0.5,
       "IPv4: dead pools' shares moved; the others may take no more: dead pools answer as if healthy; "
       "IPv6: all pools dead: answering as if healthy"},
      {"all dead", false, false, 0.95, 0.05, "all pools dead: answering as if healthy"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Model model(parsed(config_text));
    probe(model, "192.0.2.10", row.v1_up);
    probe(model, "2001:db8::10", row.v1_up);
    probe(model, "192.0.2.20", row.v2_up);
    const auto reply = status_of(model);
    const auto& steer = reply.at("steers").at(0).as_object();
    CHECK(steer.at("rule") == row.rule);
    CHECK(steer.at("pools").at(0).at("now_share").to_number<double>() ==
          doctest::Approx(row.v1_share).epsilon(0.001));
    CHECK(steer.at("pools").at(1).at("now_share").to_number<double>() ==
          doctest::Approx(row.v2_share).epsilon(0.001));
    CHECK(steer.at("pools").at(0).at("answered_share").to_number<double>() == 0.75);
  }
}

TEST_CASE("status says which addresses are in answers") {
  Model model(parsed(config_text));
  auto in_answers = [&](std::string_view endpoint) {
    const auto reply = status_of(model);
    for (const auto& pool : reply.at("pools").as_array())
      for (const auto& one : pool.at("endpoints").as_array())
        if (std::string_view(one.at("address").as_string()) == endpoint) return one.at("serving").as_bool();
    return false;
  };
  probe(model, "192.0.2.10", true);
  CHECK(in_answers("192.0.2.10"));
  CHECK_FALSE(in_answers("192.0.2.11"));
  CHECK_FALSE(in_answers("192.0.2.20"));
  CHECK(in_answers("2001:db8::10"));  // dead, but the only one of its family

  const auto drain = request(CommandId::endpoint_drain, R"({"address": "192.0.2.10"})");
  take(model, say_word(model, drain, store::Word::drain, at(0)).value());
  CHECK_FALSE(in_answers("192.0.2.10"));
  CHECK(in_answers("192.0.2.11"));
  CHECK(in_answers("192.0.2.20"));
}

TEST_CASE("metrics are one HELP and TYPE a name, and a line a value") {
  const Model model(parsed(config_text));
  const Counters counters;
  const auto text = metrics_text(model, surroundings(), counters);
  CHECK(text.find("# TYPE sluice_dns_queries_total counter\n"
                  "sluice_dns_queries_total{transport=\"udp\"} 0\n"
                  "sluice_dns_queries_total{transport=\"tcp\"} 0\n") != std::string::npos);
  CHECK(text.find("sluice_answers_total{name=\"www.shop.example.\",pool=\"v1\"} 3\n") != std::string::npos);
  CHECK(text.find("sluice_endpoint_usable{pool=\"v1\",address=\"2001:db8::10\"} 0\n") != std::string::npos);
}

}  // namespace
}  // namespace sluice::control
