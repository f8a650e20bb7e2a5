#include "control/status.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

namespace json = boost::json;

json::value time_or_null(Time time) {
  return time == Time{} ? json::value(nullptr) : json::value(to_text(time));
}

const char* method_text(config::Method method) {
  switch (method) {
    case config::Method::random:
      return "random";
    case config::Method::sticky:
      return "sticky";
  }
  return "";
}

bool is_alive(const std::vector<steer::Candidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(), [](const steer::Candidate& candidate) {
    return candidate.usable && candidate.weight > 0;
  });
}

// The pools of a steer in the eyes of one family.
std::vector<steer::Rated> rated(const Model& model, const config::Steer& steer, Family family) {
  const auto set = steer::shares(model.layout(steer), steer.pools.size());
  std::vector<steer::Rated> pools;
  for (std::size_t i = 0; i < steer.pools.size(); ++i) {
    const auto candidates = model.candidates(*model.config().find_pool(steer.pools[i].pool));
    const auto members = steer::of_family(candidates, family);
    pools.push_back({set[i], {}});
    if (!members.empty()) pools.back().grade = steer::select(members).grade;
  }
  return pools;
}

const char* rule_of(std::span<const steer::Rated> pools) {
  const auto best = steer::best_grade(pools);
  if (!best) return "no address";
  const bool moved = std::any_of(pools.begin(), pools.end(), [&](const steer::Rated& pool) {
    return pool.share > 0 && pool.grade && pool.grade != best;
  });
  switch (*best) {
    case steer::Grade::alive:
      return moved ? "dead pools' shares moved" : "weights";
    case steer::Grade::dead:
      return "all pools dead: answering as if healthy";
    case steer::Grade::taken_out:
      return "all endpoints taken out: answering as if they were not";
  }
  return "";
}

// Families are decided apart. The shares shown are IPv4's, or IPv6's where no pool has IPv4.
struct Present {
  std::vector<double> shares;
  std::string rule;
};

Present present(const Model& model, const config::Steer& steer) {
  const auto v4 = rated(model, steer, Family::v4), v6 = rated(model, steer, Family::v6);
  const bool has_v4 = steer::best_grade(v4).has_value(), has_v6 = steer::best_grade(v6).has_value();
  if (!has_v4) return {steer::shares_after_health(v6), rule_of(v6)};
  const std::string rule = rule_of(v4);
  const bool alike = !has_v6 || rule == rule_of(v6);
  return {steer::shares_after_health(v4),
          alike ? rule : fmt::format("IPv4: {}; IPv6: {}", rule, rule_of(v6))};
}

// Which pools some name's questions of a family lead to now.
using Asked = std::set<std::pair<std::string, Family>>;

Asked asked_pools(const Model& model) {
  Asked asked;
  for (const auto& steer : model.config().steers) {
    for (const Family family : {Family::v4, Family::v6}) {
      const auto shares = steer::shares_after_health(rated(model, steer, family));
      for (std::size_t i = 0; i < shares.size(); ++i)
        if (shares[i] > 0) asked.emplace(steer.pools[i].pool, family);
    }
  }
  return asked;
}

// The endpoints of a pool that are in answers now.
std::set<wire::Destination> serving(const std::vector<steer::Candidate>& candidates, const std::string& pool,
                                    const Asked& asked) {
  std::set<wire::Destination> endpoints;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto members = steer::of_family(candidates, family);
    if (members.empty() || !asked.contains({pool, family})) continue;
    const auto selection = steer::select(members);
    for (std::size_t i = 0; i < members.size(); ++i)
      if (selection.chosen[i] > 0) endpoints.insert(members[i].destination);
  }
  return endpoints;
}

json::object steer_status(const Model& model, const Surroundings& around, const config::Steer& steer) {
  const auto weights = model.weights(steer);
  const auto set = steer::shares(model.layout(steer), weights.size());
  std::vector<std::vector<steer::Candidate>> candidates;
  std::vector<std::uint64_t> answers;
  for (const auto& part : steer.pools) {
    candidates.push_back(model.candidates(*model.config().find_pool(part.pool)));
    answers.push_back(around.answers_since_change(steer.name, part.pool));
  }
  const auto now = present(model, steer);
  const auto answered = std::accumulate(answers.begin(), answers.end(), std::uint64_t{0});

  json::array pools;
  for (std::size_t i = 0; i < steer.pools.size(); ++i) {
    const auto up =
        std::count_if(candidates[i].begin(), candidates[i].end(), [](const auto& c) { return c.usable; });
    pools.push_back({{"pool", steer.pools[i].pool},
                     {"weight", weights[i]},
                     {"config_weight", steer.pools[i].weight},
                     {"set_share", set[i]},
                     {"now_share", now.shares[i]},
                     {"answers", answers[i]},
                     {"answered_share", answered == 0 ? json::value(nullptr)
                                                      : json::value(static_cast<double>(answers[i]) /
                                                                    static_cast<double>(answered))},
                     {"up", up},
                     {"total", candidates[i].size()}});
  }
  json::object result{{"name", steer.name.text()},
                      {"method", method_text(steer.method)},
                      {"ttl_s", std::chrono::duration_cast<std::chrono::seconds>(steer.ttl).count()},
                      {"answers", steer.answers},
                      {"overridden", false},
                      {"by", nullptr},
                      {"since", nullptr},
                      {"rule", now.rule},
                      {"pools", std::move(pools)}};
  const auto found = model.steerings().find(steer.name);
  if (found != model.steerings().end() && found->second.weights) {
    result["overridden"] = true;
    result["by"] = found->second.weights->by;
    result["since"] = to_text(found->second.weights->since);
  }
  return result;
}

json::value word_status(const store::EndpointWord* word) {
  if (word == nullptr) return nullptr;
  return {{"word", store::to_text(word->word)},
          {"by", word->by},
          {"reason", word->reason},
          {"since", to_text(word->since)},
          {"until", word->until ? json::value(to_text(*word->until)) : json::value(nullptr)}};
}

json::value last_probe_status(const health::State& state) {
  if (state.last_at == Time{}) return nullptr;
  return {{"success", state.last.success},
          {"detail", state.last.detail},
          {"took_ms", state.last.took.count()},
          {"at", to_text(state.last_at)}};
}

json::object pool_status(const Model& model, const config::Pool& pool, const Asked& asked) {
  const auto candidates = model.candidates(pool);
  const auto in_answers = serving(candidates, pool.name, asked);
  const auto* check = pool.check ? model.config().find_check(*pool.check) : nullptr;
  json::array endpoints;
  for (const auto& candidate : candidates) {
    const auto state = model.health_of(candidate.destination, pool);
    // An unchecked endpoint is taken as healthy.
    const char* health = check == nullptr ? "up" : health::to_text(state.verdict);
    endpoints.push_back({{"address", to_text(candidate.destination)},
                         {"weight", candidate.weight},
                         {"serving", in_answers.contains(candidate.destination)},
                         {"health", health},
                         {"since", time_or_null(state.since)},
                         {"word", word_status(model.word(candidate.destination))},
                         {"last", last_probe_status(state)},
                         {"successes", state.successes},
                         {"failures", state.failures},
                         {"rise", check == nullptr ? 0 : check->rise},
                         {"fall", check == nullptr ? 0 : check->fall}});
  }
  return {{"pool", pool.name},
          {"check", check == nullptr ? json::value(nullptr) : json::value(check->name)},
          {"alive", is_alive(candidates)},
          {"endpoints", std::move(endpoints)}};
}

bool steers_from(const config::Steer& steer, const config::Pool& pool) {
  return std::any_of(steer.pools.begin(), steer.pools.end(),
                     [&](const auto& part) { return part.pool == pool.name; });
}

// A label's value, escaped as the format asks.
std::string label_value(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

json::object status(const Model& model, const Surroundings& around, const wire::Name* only) {
  const auto& config = model.config();
  json::array steers, pools, zones, listen, warnings;
  for (const auto& steer : config.steers)
    if (only == nullptr || steer.name == *only) steers.push_back(steer_status(model, around, steer));
  const auto asked = asked_pools(model);
  const auto* chosen = only == nullptr ? nullptr : config.find_steer(*only);
  for (const auto& pool : config.pools)
    if (chosen == nullptr || steers_from(*chosen, pool)) pools.push_back(pool_status(model, pool, asked));
  for (const auto& zone : around.zones->zones())
    zones.push_back({{"apex", zone->apex().text()},
                     {"serial", zone->serial()},
                     {"names", zone->name_count()},
                     {"records", zone->record_count()}});
  for (const auto& address : around.listen) listen.emplace_back(address);
  for (const auto& warning : around.warnings) warnings.emplace_back(warning);
  return {
      {"version", SLUICE_VERSION},       {"started", to_text(around.started)}, {"config", config.file},
      {"now", to_text(around.now)},      {"listen", std::move(listen)},        {"zones", std::move(zones)},
      {"warnings", std::move(warnings)}, {"steers", std::move(steers)},        {"pools", std::move(pools)}};
}

std::string metrics_text(const Model& model, const Surroundings& around, const Counters& counters) {
  std::string text;
  auto open = [&](std::string_view name, std::string_view type, std::string_view help) {
    text += fmt::format("# HELP sluice_{0} {2}\n# TYPE sluice_{0} {1}\n", name, type, help);
  };
  std::string_view last;
  for (const auto& row : metrics) {
    const auto name = std::string(row.name) + "_total";
    if (row.name != last) open(name, "counter", row.help);
    last = row.name;
    const auto labels = row.labels.empty() ? std::string() : fmt::format("{{{}}}", row.labels);
    text += fmt::format("sluice_{}{} {}\n", name, labels, counters.value(row.metric));
  }
  open("answers_total", "counter", "Steered answers, by name and pool.");
  for (const auto& steer : model.config().steers)
    for (const auto& part : steer.pools)
      text +=
          fmt::format("sluice_answers_total{{name=\"{}\",pool=\"{}\"}} {}\n", label_value(steer.name.text()),
                      label_value(part.pool), around.answers(steer.name, part.pool));
  open("weight", "gauge", "The weight of a name's pool that is in force.");
  for (const auto& steer : model.config().steers) {
    const auto weights = model.weights(steer);
    for (std::size_t i = 0; i < weights.size(); ++i)
      text += fmt::format("sluice_weight{{name=\"{}\",pool=\"{}\"}} {}\n", label_value(steer.name.text()),
                          label_value(steer.pools[i].pool), weights[i]);
  }
  open("endpoint_usable", "gauge",
       "1 when an endpoint may be handed out, by health and the operator's word.");
  for (const auto& pool : model.config().pools)
    for (const auto& candidate : model.candidates(pool))
      text += fmt::format("sluice_endpoint_usable{{pool=\"{}\",address=\"{}\"}} {}\n", label_value(pool.name),
                          to_text(candidate.destination), candidate.usable ? 1 : 0);
  return text;
}

json::object to_json(const store::Event& event) {
  return {{"id", event.id},     {"at", to_text(event.at)},  {"who", event.who},
          {"kind", event.kind}, {"subject", event.subject}, {"text", event.text}};
}

}  // namespace sluice::control
