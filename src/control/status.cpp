#include "control/status.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "control/lease_status.hpp"
#include "control/planned.hpp"
#include "control/present.hpp"
#include "control/preview.hpp"
#include "control/routes.hpp"
#include "control/versions.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;

constexpr std::array families{Family::v4, Family::v6};

struct ReceiverMetric {
  std::string_view name, type, help;
  std::uint64_t ReceiverState::*value;
};
constexpr ReceiverMetric receiver_metrics[] = {
    {"notify_sent_total", "counter", "Events that a receiver was told.", &ReceiverState::sent},
    {"notify_failed_total", "counter", "Attempts to tell a receiver an event that failed.",
     &ReceiverState::failed},
    {"notify_dropped_total", "counter",
     "Events that a receiver was not told, as more waited than its queue holds, or for too long.",
     &ReceiverState::dropped},
    {"notify_queue", "gauge", "Events that wait for a receiver.", &ReceiverState::waiting},
};

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

// Which pools some name's questions of a family lead to now.
using Asked = std::set<std::pair<std::string, Family>>;

Asked asked_pools(const Model& model) {
  Asked asked;
  std::set<const config::Pool*> led_to;  // by classes
  for (const auto& steer : model.config().steers) {
    for (const Family family : families) {
      const auto shares = steer::shares_after_health(rated(model, steer, family));
      for (std::size_t i = 0; i < shares.size(); ++i)
        if (shares[i] > 0) asked.emplace(steer.pools[i].pool, family);
    }
    for (const auto& route : routes_in_force(model, steer))
      led_to.insert(model.config().find_pool(route.pool));
  }
  for (const auto* pool : led_to) {
    const auto candidates = model.candidates(*pool);
    const auto rules = model.pool_rules(*pool);
    for (const Family family : families)
      if (steer::is_alive(candidates, rules, family)) asked.emplace(pool->name, family);
  }
  return asked;
}

// The endpoints of a pool that are in answers now.
std::set<wire::Destination> serving(const std::vector<steer::Candidate>& candidates,
                                    const steer::PoolRules& rules, const std::string& pool,
                                    const Asked& asked) {
  std::set<wire::Destination> endpoints;
  for (const Family family : families) {
    const auto members = steer::of_family(candidates, family);
    if (members.empty() || !asked.contains({pool, family})) continue;
    const auto selection = steer::select(members, rules);
    for (std::size_t i = 0; i < members.size(); ++i)
      if (selection.chosen[i] > 0) endpoints.insert(members[i].destination);
  }
  return endpoints;
}

// The least that answers carry: those of a pool whose endpoint is about to change live shorter, and so do
// those that another pool gives in its stead.
Duration answered_ttl(const Model& model, const config::Steer& steer, const std::vector<steer::Rated>& set,
                      const std::vector<double>& shares, Time now) {
  const Duration whole = ttl_at(model, steer, now);
  Duration least = whole;
  for (std::size_t i = 0; i < steer.pools.size(); ++i)
    if (set[i].share > 0 || shares[i] > 0) {
      const auto rules = model.pool_rules(*model.config().find_pool(steer.pools[i].pool));
      least = std::min<Duration>(least, std::chrono::seconds(rules.ttl_max));
    }
  return std::max(least, std::min(whole, steer.ttl_min));
}

json::object steer_status(const Model& model, const Surroundings& around, const config::Steer& steer) {
  const auto weights = model.weights(steer);
  const bool is_preview = steer.preview_of.has_value();
  const auto set = unrated(model.config(), steer, model.layout(steer));
  std::vector<std::vector<steer::Candidate>> candidates;
  std::vector<std::uint64_t> answers;
  for (const auto& part : steer.pools) {
    candidates.push_back(model.candidates(*model.config().find_pool(part.pool)));
    answers.push_back(around.answers_since_change(steer.name, part.pool));
  }
  const auto now = present(model, steer);
  const auto ttl = answered_ttl(model, steer, set, now.shares, around.now);
  const auto answered = std::accumulate(answers.begin(), answers.end(), std::uint64_t{0});

  json::array pools;
  for (std::size_t i = 0; i < steer.pools.size(); ++i) {
    const auto up =
        std::count_if(candidates[i].begin(), candidates[i].end(), [](const auto& c) { return c.usable; });
    pools.push_back({{"pool", steer.pools[i].pool},
                     {"weight", weights[i]},
                     {"config_weight", is_preview ? weights[i] : steer.pools[i].weight},
                     {"set_share", set[i].share},
                     {"now_share", now.shares[i]},
                     {"cap", set[i].cap < 1 ? json::value(set[i].cap) : json::value(nullptr)},
                     {"answers", answers[i]},
                     {"answered_share", answered == 0 ? json::value(nullptr)
                                                      : json::value(static_cast<double>(answers[i]) /
                                                                    static_cast<double>(answered))},
                     {"up", up},
                     {"total", candidates[i].size()}});
  }
  json::object result{{"name", steer.name.text()},
                      {"method", method_text(steer.method)},
                      {"ttl_s", std::chrono::duration_cast<std::chrono::seconds>(ttl).count()},
                      {"answers", steer.answers},
                      {"version", version_of(model, steer.name)},
                      {"overridden", false},
                      {"by", nullptr},
                      {"since", nullptr},
                      {"rule", now.rule},
                      {"preview", preview_status(model, steer)},
                      {"pools", std::move(pools)},
                      {"classes", routes_status(model, steer, around.answers_by_class)}};
  const auto found = model.steerings().find(steer.name);
  if (found != model.steerings().end() && found->second.weights) {
    result["overridden"] = true;
    result["by"] = found->second.weights->by;
    result["since"] = to_text(found->second.weights->since);
  }
  return result;
}

json::object word_status(const store::EndpointWord& word) {
  return {{"word", store::to_text(word.word)},
          {"by", word.by},
          {"reason", word.reason},
          {"since", to_text(word.since)},
          {"until", word.until ? json::value(to_text(*word.until)) : json::value(nullptr)}};
}

// With what holds again after it.
json::value word_status(const store::EndpointWord* word) {
  if (word == nullptr) return nullptr;
  auto shown = word_status(*word);
  json::array then;
  for (const auto& one : word->beneath) then.push_back(word_status(one));
  shown["then"] = std::move(then);
  return shown;
}

json::array schedule_status(const Schedule& schedule) {
  json::array words;
  for (const auto& [at, scheduled] : schedule)
    words.push_back(
        {{"word", store::to_text(scheduled)},
         {"at", to_text(at)},
         {"for", scheduled.length ? json::value(to_text(*scheduled.length)) : json::value(nullptr)},
         {"by", scheduled.by},
         {"reason", scheduled.reason},
         {"since", to_text(scheduled.since)}});
  return words;
}

json::value last_probe_status(const health::State& state) {
  if (state.last_at == Time{}) return nullptr;
  return {{"success", state.last.success},
          {"detail", state.last.detail},
          {"took_ms", state.last.took.count()},
          {"at", to_text(state.last_at)}};
}

// Why its check could not be run the last time.
json::value trouble_status(const Watched* watched) {
  if (watched == nullptr || watched->trouble.empty()) return nullptr;
  return json::value(watched->trouble);
}

Duration greatest_lateness(const Model& model, const Surroundings& around) {
  return model.lateness().greatest(around.now - around.clock_shift);
}

json::object checker_status(const Model& model, const Surroundings& around) {
  const auto& trouble = model.trouble();
  const auto optional_time = [&](std::optional<Time> time) {
    return time ? json::value(to_text(*time + around.clock_shift)) : json::value(nullptr);
  };
  return {{"suspected_since", optional_time(model.suspected_since())},
          {"held", model.held()},
          {"trouble_since", optional_time(trouble.since())},
          {"trouble", trouble.since() ? json::value(trouble.reason()) : json::value(nullptr)},
          {"late_since", optional_time(model.lateness().since())},
          {"lateness_ms", greatest_lateness(model, around).count()}};
}

// What has to be told of before all else.
std::vector<std::string> receiver_warnings(const Surroundings& around) {
  std::vector<std::string> warnings;
  for (const auto& receiver : around.receivers)
    if (!receiver.trouble.empty())
      warnings.push_back(fmt::format("receiver {} could not be told, {} events wait: {}", receiver.name,
                                     receiver.waiting, receiver.trouble));
  return warnings;
}

std::vector<std::string> checker_warnings(const Model& model, const Surroundings& around) {
  std::vector<std::string> warnings;
  if (const auto since = model.suspected_since())
    warnings.push_back(
        fmt::format("targets are silent all at once since {}: the checker itself is the suspect, and their "
                    "verdicts are held as they were",
                    to_text(*since + around.clock_shift)));
  if (const auto since = model.trouble().since())
    warnings.push_back(fmt::format("probes cannot be run since {}: {}", to_text(*since + around.clock_shift),
                                   model.trouble().reason()));
  if (const auto since = model.lateness().since())
    warnings.push_back(fmt::format("probes begin late since {}, by up to {}: verdicts are late, too",
                                   to_text(*since + around.clock_shift),
                                   to_text(greatest_lateness(model, around))));
  return warnings;
}

// Of who was taken out by a word.
std::optional<rollout::LeaseEnd> end_of_word(const Model& model, const Surroundings& around,
                                             const wire::Destination& endpoint) {
  const auto* word = model.word(endpoint);
  const bool is_out = word != nullptr && word->word != store::Word::up;
  return is_out ? around.leased_out(endpoint) : std::nullopt;
}

json::value slow_start_status(const health::State& state, const config::Check* check, Time now) {
  const auto end = check == nullptr ? std::nullopt : health::slow_start_end(state, rules_of(*check), now);
  return end ? json::value(to_text(*end)) : json::value(nullptr);
}

json::object pool_status(const Model& model, const config::Pool& pool, const Asked& asked,
                         const Surroundings& around) {
  const auto clock_shift = around.clock_shift;
  const auto candidates = model.candidates(pool);
  const auto rules = model.pool_rules(pool);
  const auto in_answers = serving(candidates, rules, pool.name, asked);
  const auto* check = pool.check ? model.config().find_check(*pool.check) : nullptr;
  json::array endpoints;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto& candidate = candidates[i];
    const auto* watched = model.watched(pool.endpoints[i], pool);
    const auto state = watched == nullptr ? health::State{} : health::shifted(watched->state, clock_shift);
    // An unchecked endpoint is taken as healthy.
    const char* health = check == nullptr ? "up" : health::to_text(state.verdict);
    endpoints.push_back({{"address", to_text(candidate.destination)},
                         {"weight", candidate.weight},
                         {"share", candidate.usable ? candidate.share : 0},
                         {"serving", in_answers.contains(candidate.destination)},
                         {"health", health},
                         {"held", watched != nullptr && model.is_held(*watched)},
                         {"since", time_or_null(state.since)},
                         {"word", word_status(model.word(candidate.destination))},
                         {"leases", leases_status(end_of_word(model, around, candidate.destination))},
                         {"scheduled", schedule_status(model.scheduled(candidate.destination))},
                         {"last", last_probe_status(state)},
                         {"trouble", trouble_status(watched)},
                         {"successes", state.successes},
                         {"failures", state.failures},
                         {"slow", state.slow},
                         {"quick", state.quick},
                         {"said_share", state.share},
                         {"slow_start_until", slow_start_status(state, check, around.now)},
                         {"held_until", time_or_null(state.held_until)},
                         {"rise", check == nullptr ? 0 : check->rise},
                         {"fall", check == nullptr ? 0 : check->fall},
                         {"clear", check == nullptr ? 0 : check->clear}});
  }
  return {{"pool", pool.name},
          {"check", check == nullptr ? json::value(nullptr) : json::value(check->name)},
          {"alive", steer::is_alive(candidates, rules)},
          {"endpoints", std::move(endpoints)}};
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
    if (only == nullptr || steer.name == *only || steer.preview_of == *only)
      steers.push_back(steer_status(model, around, steer));
  const auto asked = asked_pools(model);
  const auto* chosen = only == nullptr ? nullptr : config.find_steer(*only);
  for (const auto& pool : config.pools)
    if (chosen == nullptr || chosen->place_of(pool.name))
      pools.push_back(pool_status(model, pool, asked, around));
  for (const auto& zone : around.zones->zones())
    zones.push_back({{"apex", zone->apex().text()},
                     {"serial", zone->serial()},
                     {"names", zone->name_count()},
                     {"records", zone->record_count()}});
  for (const auto& address : around.listen) listen.emplace_back(address);
  for (const auto& warning : checker_warnings(model, around)) warnings.emplace_back(warning);
  for (const auto& warning : around.warnings) warnings.emplace_back(warning);
  for (const auto& warning : receiver_warnings(around)) warnings.emplace_back(warning);
  return {{"version", SLUICE_VERSION},       {"started", to_text(around.started)},
          {"config", config.file},           {"now", to_text(around.now)},
          {"listen", std::move(listen)},     {"zones", std::move(zones)},
          {"warnings", std::move(warnings)}, {"checker", checker_status(model, around)},
          {"steers", std::move(steers)},     {"pools", std::move(pools)}};
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
  open("class_answers_total", "counter",
       "Steered answers that were led by the client's class, not counted above.");
  for (const auto& steer : model.config().steers)
    for (const auto& routing : model.routings(steer))
      text += fmt::format("sluice_class_answers_total{{name=\"{}\",class=\"{}\"}} {}\n",
                          label_value(steer.name.text()), label_value(routing.client_class),
                          around.answers_by_class(steer.name, routing.client_class));
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
  open("checker_suspected", "gauge", "1 while targets are silent all at once and verdicts are held.");
  text += fmt::format("sluice_checker_suspected {}\n", model.suspected_since() ? 1 : 0);
  open("checker_trouble", "gauge", "1 while probes cannot be run for lack of something of our own.");
  text += fmt::format("sluice_checker_trouble {}\n", model.trouble().since() ? 1 : 0);
  open("probe_lateness_seconds", "gauge",
       "The longest time from when a probe was due to its begin, of the last one to two minutes.");
  text += fmt::format("sluice_probe_lateness_seconds {}\n",
                      std::chrono::duration<double>(greatest_lateness(model, around)).count());
  for (const auto& row : receiver_metrics) {
    open(row.name, row.type, row.help);
    for (const auto& receiver : around.receivers)
      text += fmt::format("sluice_{}{{receiver=\"{}\"}} {}\n", row.name, receiver.name, receiver.*row.value);
  }
  return text;
}

json::object to_json(const store::Event& event) {
  json::object object{{"id", event.id},     {"at", to_text(event.at)},  {"who", event.who},
                      {"kind", event.kind}, {"subject", event.subject}, {"text", event.text}};
  if (!event.details.empty()) object["details"] = details_of(event);
  return object;
}

std::string change_of_health(const Watched& watched) {
  return json::serialize(json::object{{"from", health::to_text(watched.verdict_before)},
                                      {"to", health::to_text(watched.state.verdict)}});
}

std::vector<HealthSentence> health_sentences(const HealthKey& key, const Watched& watched,
                                             const std::string& how) {
  std::vector<HealthSentence> sentences;
  for (const auto& endpoint : watched.endpoints) {
    const auto address = to_text(endpoint);
    auto text = fmt::format("{} is {} {}", address, health::to_text(watched.state.verdict), how);
    if (endpoint != key.destination) text += fmt::format("; it asks {}", to_text(key.destination));
    sentences.push_back({address, std::move(text)});
  }
  if (watched.endpoints_more > 0)
    sentences.back().text += fmt::format("; so it is with {} more endpoint{}", watched.endpoints_more,
                                         watched.endpoints_more == 1 ? "" : "s");
  return sentences;
}

json::object details_of(const store::Event& event) {
  json::error_code failure;
  auto value = json::parse(event.details.empty() ? "{}" : event.details, failure);
  return failure || !value.is_object() ? json::object() : std::move(value.as_object());
}

}  // namespace sluice::control
