// TTLs over restarts and reloads: what was handed out with one that the config has no more.
#include "control/kept_ttls.hpp"

#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

// A director without its thread, of one name.
struct KeptWorld {
  explicit KeptWorld(const char* ttl) { start(ttl); }

  void store(const std::vector<store::Change>& stored) {
    for (const auto& change : stored) {
      model->apply(change);
      kept.push_back(change);
    }
  }
  static config::Config config_with(const std::string& ttl) {
    return parsed(server_and_zone + (ttl.empty()
                                         ? ""
                                         : fmt::format("[pool.v1]\nendpoints = [\"192.0.2.1\"]\n"
                                                       "[steer.\"www.shop.example\"]\npools = {{ v1 = 1 }}\n"
                                                       "ttl = \"{}\"\n",
                                                       ttl)));
  }
  // With what kill -9 has left; nothing is published yet.
  void start(const std::string& ttl) {
    model.emplace(config_with(ttl));
    for (const auto& change : kept) model->apply(change);
    started = now;
    store(new_ttls(*model));
  }
  void reload(const std::string& ttl) {
    model->replace_config(config_with(ttl), now);
    store(new_ttls(*model));
  }
  void publish() { store(past_ttls(*model, now)); }
  // From the start of the process on.
  Duration inherited() const {
    return inherited_lease(*model, name("www.shop.example"), started).at - started;
  }
  Duration inherited_by_any() const { return inherited_lease(*model, started).at - started; }

  Time now = at(0), started{};
  std::optional<Model> model;
  std::vector<store::Change> kept;
};

TEST_CASE("a process inherits the TTL of the one before, whatever its own config says") {
  struct Row {
    const char* what;
    const char *before, *after;
    Duration inherited;
  };
  const Row rows[] = {
      {"the same", "30s", "30s", 31s},
      {"lowered", "5m", "30s", 301s},
      {"raised", "30s", "5m", 301s},  // it is not known that nothing of it was handed out
      {"gone", "5m", "", 301s},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    KeptWorld world(row.before);
    CHECK(world.inherited() == parse_duration(row.before).value() + 1s);
    world.publish();
    world.now += 1h;
    world.start(row.after);
    CHECK(world.inherited() == row.inherited);
    world.start(row.after);  // it was killed before it had published
    CHECK(world.inherited() == row.inherited);
    world.publish();
  }
}

TEST_CASE("a TTL that was lowered counts until no cache holds it, over all starts") {
  KeptWorld world("5m");
  world.publish();
  SUBCASE("while it was away") {
    world.now += 1h;
    world.start("30s");
  }
  SUBCASE("while it ran") { world.reload("30s"); }
  world.publish();
  world.now += 100s;
  world.start("30s");
  CHECK(world.inherited() == 201s);
  world.now += 180s;
  world.start("30s");
  CHECK(world.inherited() == 31s);
  world.now += 180s;
  world.start("30s");
  CHECK(world.inherited() == 31s);
  world.publish();
  CHECK(std::holds_alternative<store::KeptTtlOver>(world.kept.back()));
  CHECK(past_ttls(*world.model, world.now).empty());
}

TEST_CASE("the longest TTL of any name counts for all endpoints, until no cache holds it") {
  const auto api = [](Model& model, std::optional<Time> until) {
    model.apply(store::KeptTtl{"api.shop.example.", 5min, until});
  };
  KeptWorld world("30s");
  CHECK(world.inherited_by_any() == 31s);
  struct Row {
    const char* what;
    std::optional<Duration> until;  // from the start on
    Duration inherited;
  };
  const Row rows[] = {
      {"handed out until the start", {}, 301s},          {"no more since a while", 100s, 100s},
      {"shorter than what others have left", 10s, 31s},  {"over", -10s, 31s},
      {"by a clock that was set back since", 24h, 301s},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    // Of a name that the config has no more.
    api(*world.model, row.until ? std::optional(world.started + *row.until) : std::nullopt);
    CHECK(world.inherited_by_any() == row.inherited);
    CHECK(world.inherited() == 31s);
  }
}

TEST_CASE("a TTL that comes back is handed out again") {
  KeptWorld world("5m");
  world.publish();
  world.reload("30s");
  world.publish();
  world.now += 10s;
  world.reload("5m");
  world.publish();
  world.now += 1h;
  world.start("30s");
  CHECK(world.inherited() == 301s);
}

TEST_CASE("a clock that was set back makes no lease longer than its TTL") {
  KeptWorld world("5m");
  world.publish();
  world.reload("30s");
  world.publish();
  world.now -= 24h;
  world.start("30s");
  CHECK(world.inherited() == 301s);
}

TEST_CASE("nothing is stored as long as TTLs stay") {
  KeptWorld world("30s");
  world.publish();
  CHECK(world.kept.size() == 1);
  world.reload("30s");
  world.publish();
  world.now += 1h;
  world.start("30s");
  world.publish();
  CHECK(world.kept.size() == 1);
}

}  // namespace
}  // namespace sluice::control
