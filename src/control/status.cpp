#include "control/status.hpp"

#include <algorithm>
#include <numeric>

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

std::vector<double> slot_shares(const steer::Layout& layout, std::size_t pools) {
  std::vector<double> shares(pools);
  for (const auto& run : layout) shares[run.pool] += static_cast<double>(run.length) / steer::slot_count;
  return shares;
}

bool is_alive(const std::vector<steer::Candidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(), [](const steer::Candidate& candidate) {
    return candidate.usable && candidate.weight > 0;
  });
}

// The shares after health: what choose() does to the slots of dead pools. Where only one family of a pool is
// dead, that family's answers move and the other's do not; the pool then counts as alive here.
struct Present {
  std::vector<double> shares;
  const char* rule;
};

Present present_shares(const std::vector<double>& set, const std::vector<bool>& alive) {
  double living = 0;
  bool moved = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (alive[i]) living += set[i];
    moved = moved || (!alive[i] && set[i] > 0);
  }
  if (!moved) return {set, "weights"};
  if (living == 0) return {set, "all pools dead: answering as if healthy"};
  std::vector<double> shares;
  for (std::size_t i = 0; i < set.size(); ++i) shares.push_back(alive[i] ? set[i] / living : 0);
  return {shares, "dead pools' shares moved"};
}

json::object steer_status(const Model& model, const Surroundings& around, const config::Steer& steer) {
  const auto weights = model.weights(steer);
  const auto set = slot_shares(model.layout(steer), weights.size());
  std::vector<std::vector<steer::Candidate>> candidates;
  std::vector<bool> alive;
  std::vector<std::uint64_t> answers;
  for (const auto& part : steer.pools) {
    candidates.push_back(model.candidates(*model.config().find_pool(part.pool)));
    alive.push_back(is_alive(candidates.back()));
    answers.push_back(around.answers_since_change(steer.name, part.pool));
  }
  const auto present = present_shares(set, alive);
  const auto answered = std::accumulate(answers.begin(), answers.end(), std::uint64_t{0});

  json::array pools;
  for (std::size_t i = 0; i < steer.pools.size(); ++i) {
    const auto up =
        std::count_if(candidates[i].begin(), candidates[i].end(), [](const auto& c) { return c.usable; });
    pools.push_back({{"pool", steer.pools[i].pool},
                     {"weight", weights[i]},
                     {"config_weight", steer.pools[i].weight},
                     {"set_share", set[i]},
                     {"now_share", present.shares[i]},
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
                      {"rule", present.rule},
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

json::object pool_status(const Model& model, const config::Pool& pool) {
  const auto candidates = model.candidates(pool);
  const bool alive = is_alive(candidates);
  const auto* check = pool.check ? model.config().find_check(*pool.check) : nullptr;
  json::array endpoints;
  for (const auto& candidate : candidates) {
    const auto state = model.health_of(candidate.address, pool);
    // An unchecked endpoint is taken as healthy.
    const char* health = check == nullptr ? "up" : health::to_text(state.verdict);
    endpoints.push_back(
        {{"address", to_text(candidate.address)},
         {"weight", candidate.weight},
         {"serving", candidate.weight > 0 && (candidate.usable || (!alive && candidate.allowed))},
         {"health", health},
         {"since", time_or_null(state.since)},
         {"word", word_status(model.word(candidate.address))},
         {"last", last_probe_status(state)},
         {"successes", state.successes},
         {"failures", state.failures},
         {"rise", check == nullptr ? 0 : check->rise},
         {"fall", check == nullptr ? 0 : check->fall}});
  }
  return {{"pool", pool.name},
          {"check", check == nullptr ? json::value(nullptr) : json::value(check->name)},
          {"alive", alive},
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
  const auto* chosen = only == nullptr ? nullptr : config.find_steer(*only);
  for (const auto& pool : config.pools)
    if (chosen == nullptr || steers_from(*chosen, pool)) pools.push_back(pool_status(model, pool));
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
                          to_text(candidate.address), candidate.usable ? 1 : 0);
  return text;
}

json::object to_json(const store::Event& event) {
  return {{"id", event.id},     {"at", to_text(event.at)},  {"who", event.who},
          {"kind", event.kind}, {"subject", event.subject}, {"text", event.text}};
}

}  // namespace sluice::control
