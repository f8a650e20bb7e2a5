// Random sequences of events against the whole of what decides: whatever happens, and in whatever order, no
// answer is empty, verdicts change by the table only, shares sum to one, and no pool is over its cap.
//
//   many short ones    results of probes, words, slow starts
//   fewer long ones    reloads, restarts from what was stored, words that end, and what was published
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "control/model.hpp"
#include "control/present.hpp"
#include "control/publisher.hpp"
#include "control/words.hpp"
#include "steer/choose.hpp"
#include "steer/redistribute.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

// Builds with sanitizers are not optimised, and a hundred times slower.
#ifdef __OPTIMIZE__
constexpr int sequences = 1'000'000, long_sequences = 1000;
#else
constexpr int sequences = 10'000, long_sequences = 10;
#endif
constexpr int events_max = 12, long_events = 500;

const std::string sequences_config = server_and_zone + R"(
[check.web]
type = "tcp"
port = 80
interval = "2s"
timeout = "1s"
rise = 2
fall = 2
clear = 3
slow = "100ms"
slow_start = "10s"
hold_down = "4s"
hold_down_max = "20s"
[pool.stable]
check = "web"
endpoints = ["192.0.2.10", { address = "192.0.2.11", weight = 3 }, "2001:db8::10"]
min_healthy = "50%"
[pool.canary]
check = "web"
endpoints = ["192.0.2.20", "2001:db8::20"]
max_share = "20%"
[pool.open]
check = "web"
endpoints = ["192.0.2.30", "192.0.2.10"]
min_healthy = "60%"
fail_open = "all"
[pool.spare]
endpoints = ["192.0.2.40"]
max_share = "30%"
[steer."www.shop.example"]
pools = { stable = 95, canary = 5 }
standby = ["spare"]
[steer."all.shop.example"]
pools = { stable = 5, canary = 3, open = 2 }
overflow = 2
[steer."one.shop.example"]
pools = { open = 1 }
)";

constexpr double tolerance = 1e-9;

void check_shares(const Model& model, const config::Steer& steer, Family family) {
  const auto pools = rated(model, steer, family);
  const auto after = steer::redistribute(pools);
  double sum = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    sum += after.shares[i];
    REQUIRE(after.shares[i] >= 0);
    if (pools[i].grade == steer::Grade::alive && after.beyond_caps == 0)
      REQUIRE(after.shares[i] <= std::max(pools[i].share, pools[i].cap) + tolerance);
    if (after.shares[i] == 0 || !pools[i].grade) continue;
    const auto& pool = *model.config().find_pool(steer.pools[i].pool);
    const auto chosen =
        steer::select(steer::of_family(model.candidates(pool), family), model.pool_rules(pool)).chosen;
    REQUIRE(std::any_of(chosen.begin(), chosen.end(), [](double weight) { return weight > 0; }));
  }
  REQUIRE(std::abs(sum - 1) < tolerance);
}

health::ProbeResult random_result(unsigned chance) {
  switch (chance % 8) {
    case 0:
      return {true, "slow", Duration(500)};
    case 1:
      return {true, "drain", Duration(1), health::Word::drain};
    case 2:
      return {false, "down", Duration(1), health::Word::down};
    case 3:
    case 4:
    case 5:
      return {false, "connection refused", Duration(1)};
    default:
      return {true, "ok", Duration(1), health::Word::none, chance & 64 ? 0.3 : 1};
  }
}

class Sequence {
 public:
  Sequence(Model& model, std::mt19937& random) : model_(model), random_(random) {
    for (const auto& [key, watched] : model.health()) keys_.push_back(key);
    for (const auto& transition : health::transitions()) allowed_.emplace(transition.from, transition.to);
  }

  void event() {
    now_ += Duration(random_() % 3000);
    switch (random_() % 10) {
      case 0:
        return say();
      case 1:
        model_.warmed(now_);
        return;
      default:
        return probe();
    }
  }

 private:
  void probe() {
    const auto& key = keys_[random_() % keys_.size()];
    const auto before = model_.health().at(key).state.verdict;
    const auto seen = model_.apply_probe(key, random_result(static_cast<unsigned>(random_())), now_);
    const auto after = model_.health().at(key).state.verdict;
    // What a suspicion takes back is no transition: it had not happened.
    if (seen.suspicion == health::Turn::began) return;
    REQUIRE(seen.changed == (before != after));
    if (seen.changed) REQUIRE(allowed_.contains({before, after}));
    for (const auto& [fallen, why] : seen.fallen)
      REQUIRE(model_.health().at(fallen).state.verdict == health::Verdict::down);
  }

  void say() {
    const auto& destination = keys_[random_() % keys_.size()].destination;
    constexpr std::array words{store::Word::drain, store::Word::up, store::Word::down};
    if (const auto word = random_() % 4; word < words.size())
      model_.apply(store::EndpointWord{destination, words[word], "root", "", now_, {}});
    else
      model_.apply(store::EndpointWordTaken{destination});
  }

  Model& model_;
  std::mt19937& random_;
  std::vector<HealthKey> keys_;
  std::set<std::pair<health::Verdict, health::Verdict>> allowed_;
  Time now_ = at(0);
};

// What the director does, without its threads, its files and its clock.
class Daemon {
 public:
  Daemon(const std::array<config::Config, 2>& configs, std::mt19937& random)
      : configs_(configs), random_(random) {
    start();
  }
  ~Daemon() { publisher_->stop(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  void event() {
    now_ += Duration(random_() % 1500);
    switch (random_() % 128) {
      case 0:
        return restart();
      case 1:
        return reload();
      case 2:
      case 3:
        return set_weight();
      default:
        break;
    }
    switch (random_() % 12) {
      case 0:
        return say();
      case 1:
        return carry_out(due_words(*model_, now_, at(0)));
      case 2:
        return publish(model_->warmed(now_));
      case 3:
        return answer_question();
      default:
        return take(model_->apply_probe(any_key(), random_result(static_cast<unsigned>(random_())), now_));
    }
  }

  // Of one draw for each name.
  void check_answers() const {
    const auto& block = publisher_->block();
    for (const auto& steer : model_->config().steers) {
      const auto* entry = block.find(steer.name.wire());
      const auto& table = *block.at<steer::Table>(entry->table.load(std::memory_order_seq_cst));
      const auto draw = steer::Draw::from_bits((std::uint64_t{random_()} << 32) | random_());
      const auto choice = steer::choose(block, table, draw, Family::v4);
      REQUIRE(choice.answer != nullptr);
      REQUIRE_FALSE(records_of(choice).empty());
      REQUIRE(std::chrono::seconds(choice.ttl) >= steer.ttl_min);
    }
  }
  const Model& model() const { return *model_; }

 private:
  void start() {
    publisher_.reset();
    model_.emplace(configs_[config_]);
    for (const auto& change : stored_) model_->apply(change);
    for (const auto& [key, seen] : health_) model_->restore_health(seen, now_);
    publisher_.emplace(io_.get_executor(), *model_, zone::ZoneSet(), HashKey{}, published_, quiescence_,
                       counters_);
    settle();
  }

  // By SIGTERM, or by kill -9: then health is as old as its last change.
  void restart() {
    if (random_() % 2 == 0)
      for (const auto& [key, watched] : model_->health()) keep_health(key);
    const auto before = shown();
    publisher_->stop();
    start();
    REQUIRE(shown() == before);
  }

  void reload() {
    config_ = 1 - config_;
    model_->replace_config(configs_[config_], now_);
    settle();
  }

  void settle() {
    store(settle_layouts(*model_, now_));
    keys_.clear();
    for (const auto& [key, watched] : model_->health()) keys_.push_back(key);
    publisher_->publish_everything();
  }

  void store(const Decision& decision) {
    for (const auto& change : decision.changes) {
      stored_.push_back(change);
      model_->apply(change);
    }
  }

  void carry_out(const Decision& decision) {
    store(decision);
    for (const auto& steer : model_->config().steers) publisher_->publish_steer(steer);
    for (const auto& pool : model_->config().pools) publisher_->publish_pool(pool);
  }

  void set_weight() {
    constexpr std::array weights{R"({"name": "www.shop.example", "weights": {"canary": 50}})",
                                 R"({"name": "www.shop.example", "weights": {"stable": 0, "canary": 1}})",
                                 R"({"name": "all.shop.example", "weights": {"open": 7, "stable": 0.5}})"};
    carry_out(set_weights(*model_, request(CommandId::weight_set, weights[random_() % weights.size()]), now_)
                  .value());
  }

  void say() {
    const auto& destination = any_key().destination;
    constexpr std::array words{store::Word::drain, store::Word::up, store::Word::down};
    const auto until = random_() % 2 == 0 ? std::nullopt : std::optional(now_ + Duration(random_() % 20'000));
    Decision decision;
    if (const auto word = random_() % 4; word < words.size())
      decision.changes = {store::EndpointWord{destination, words[word], "root", "", now_, until}};
    else
      decision.changes = {store::EndpointWordTaken{destination}};
    carry_out(decision);
  }

  // Some of those who are asked say something, some never do.
  void answer_question() {
    if (asked_.empty()) return take(model_->end_question(sides[random_() % sides.size()], now_));
    const auto key = asked_.back();
    asked_.pop_back();
    take(model_->apply_asked(key, random_result(static_cast<unsigned>(random_())), now_));
  }

  void take(const Model::Seen& seen) {
    asked_.insert(asked_.end(), seen.to_ask.begin(), seen.to_ask.end());
    for (const auto& key : seen.to_publish) keep_health(key);
    publish(seen.to_publish);
  }

  void publish(const std::vector<HealthKey>& keys) {
    std::set<const config::Pool*> pools;
    for (const auto& key : keys) {
      const auto& with = model_->health().at(key).pools;
      pools.insert(with.begin(), with.end());
    }
    for (const auto* pool : pools) publisher_->publish_pool(*pool);
  }

  void keep_health(const HealthKey& key) {
    health_[key] = {key.destination, key.port, key.host, key.check, model_->health().at(key).state};
  }

  // What a restart must not change.
  std::string shown() const {
    std::string text;
    for (const auto& steer : model_->config().steers)
      text += fmt::format("{} {}\n", fmt::join(model_->weights(steer), " "),
                          model_->steerings().at(steer.name).layout);
    for (const auto& [destination, word] : model_->words())
      text += fmt::format("{} {}\n", to_text(destination), store::to_text(word.word));
    return text;
  }

  const HealthKey& any_key() const { return keys_[random_() % keys_.size()]; }

  boost::asio::io_context io_;
  Published<answer::Snapshot> published_;
  Quiescence quiescence_;
  Counters counters_;
  const std::array<config::Config, 2>& configs_;
  std::size_t config_ = 0;
  std::mt19937& random_;
  Time now_ = at(0);
  std::optional<Model> model_;
  std::optional<Publisher> publisher_;
  std::vector<HealthKey> keys_, asked_;
  std::vector<store::Change> stored_;
  std::map<HealthKey, store::HealthSeen> health_;
};

TEST_CASE(
    "a long life with reloads, restarts and words that end: no answer is empty, or shorter than ttl_min") {
  auto other = sequences_config;
  const auto replace = [&](std::string_view from, std::string_view to) {
    other.replace(other.find(from), from.size(), to);
  };
  replace("{ address = \"192.0.2.11\", weight = 3 }", "\"192.0.2.12\"");
  replace("fall = 2", "fall = 1");
  replace("fail_open = \"all\"", "fail_open = \"others\"");
  const std::array configs{parsed(sequences_config), parsed(other)};
  std::mt19937 random(20261123);
  for (int i = 0; i < long_sequences; ++i) {
    CAPTURE(i);
    Daemon daemon(configs, random);
    for (int event = 0; event < long_events; ++event) {
      daemon.event();
      daemon.check_answers();
    }
    for (const auto& steer : daemon.model().config().steers)
      for (const Family family : {Family::v4, Family::v6}) check_shares(daemon.model(), steer, family);
  }
}

TEST_CASE("any sequence of events: never empty, by the table, shares sum to one, no pool over its cap") {
  const auto config = parsed(sequences_config);
  std::mt19937 random(20260704);
  for (int i = 0; i < sequences; ++i) {
    CAPTURE(i);
    Model model(config);
    Sequence sequence(model, random);
    for (auto events = 1 + random() % events_max; events > 0; --events) sequence.event();
    for (const auto& steer : config.steers)
      for (const Family family : {Family::v4, Family::v6}) check_shares(model, steer, family);
  }
}

}  // namespace
}  // namespace sluice::control
