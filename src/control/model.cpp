#include "control/model.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "base/text.hpp"

namespace sluice::control {
namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

std::vector<std::string> pool_names(const config::Steer& steer) {
  std::vector<std::string> names;
  for (const auto& pool : steer.pools) names.push_back(pool.pool);
  return names;
}

std::string text_argument(const Request& request, std::string_view name) {
  const auto* value = request.arguments.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// `what` says that `name` does not exist; the nearest of the known ones, or all of a few, are added.
Error unknown(std::string what, std::string_view name, const std::vector<std::string>& known) {
  if (const auto likely = nearest(name, known)) {
    what += fmt::format("; did you mean '{}'?", *likely);
  } else if (!known.empty() && known.size() <= 8) {
    what += fmt::format("; there is {}", fmt::join(known, ", "));
  }
  return {ErrorCode::not_found, std::move(what)};
}

// The part that `weight set` and `weight reset` have in common: from what is to what shall be.
Decision change_weights(const Model& model, const config::Steer& steer, const std::vector<double>& after,
                        store::Change change, const Request& request, std::string_view kind, Time now) {
  const auto before = model.weights(steer);
  const auto names = pool_names(steer);
  const auto old_layout = model.layout(steer);
  const auto new_layout = steer::relay(old_layout, after);
  const auto old_shares = steer::shares(old_layout, names.size()),
             new_shares = steer::shares(new_layout, names.size());

  Decision decision;
  boost::json::array pools;
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    pools.push_back({{"pool", names[i]},
                     {"before", before[i]},
                     {"after", after[i]},
                     {"share_before", old_shares[i]},
                     {"share_after", new_shares[i]}});
    if (before[i] != after[i])
      text += fmt::format("{}{} {} -> {}", text.empty() ? "" : ", ", names[i], before[i], after[i]);
  }
  const bool changed = !text.empty() || kind == "weight.reset";
  if (text.empty()) text = "the weights are as they were";
  if (changed || !model.steerings().contains(steer.name) || !model.steerings().at(steer.name).weights) {
    const auto name = steer.name.text();
    decision.changes = {std::move(change), store::LayoutChange{name, steer::to_text(new_layout, names)}};
    decision.events = {{0, now, request.who, std::string(kind), name, text}};
  }
  decision.reply = {{"name", steer.name.text()},
                    {"changed", !decision.changes.empty()},
                    {"text", fmt::format("{} {}", steer.name.text(), text)},
                    {"pools", std::move(pools)}};
  return decision;
}

Decision unchanged_weights(const std::string& name) {
  Decision decision;
  decision.reply = {{"name", name},
                    {"changed", false},
                    {"text", name + " has the config's weights already"},
                    {"pools", boost::json::array()}};
  return decision;
}

Result<wire::Destination> find_endpoint(const Model& model, const Request& request) {
  const auto destination = wire::parse_destination(text_argument(request, "address"));
  if (!destination) return destination.error();
  if (!model.config().pools_with(*destination).empty()) return *destination;
  std::vector<std::string> known;
  for (const auto& pool : model.config().pools)
    for (const auto& endpoint : pool.endpoints) known.push_back(to_text(endpoint.destination));
  return unknown(fmt::format("no pool has an endpoint {}", to_text(*destination)), to_text(*destination),
                 known);
}

// The time until which a cache may hold an answer given at `now`: the longest TTL of the names that can hand
// the endpoint out.
Duration longest_ttl(const config::Config& config, const wire::Destination& destination) {
  Duration longest{};
  const auto pools = config.pools_with(destination);
  for (const auto& steer : config.steers) {
    const bool hands_out = std::any_of(pools.begin(), pools.end(), [&](const config::Pool* pool) {
      return std::any_of(steer.pools.begin(), steer.pools.end(),
                         [&](const config::PoolWeight& part) { return part.pool == pool->name; });
    });
    if (hands_out) longest = std::max(longest, steer.ttl);
  }
  return longest;
}

boost::json::object endpoint_reply(const Model& model, const wire::Destination& destination, bool changed,
                                   std::string text) {
  boost::json::array pools;
  for (const auto* pool : model.config().pools_with(destination)) pools.emplace_back(pool->name);
  return {{"address", to_text(destination)},
          {"changed", changed},
          {"text", std::move(text)},
          {"pools", std::move(pools)},
          {"cached_until", nullptr}};
}

// What the operator should know before the word has its effect: pools that are left with nothing to hand out.
std::string emptied_pools(const Model& model, const wire::Destination& destination) {
  std::string note;
  for (const auto* pool : model.config().pools_with(destination)) {
    auto candidates = model.candidates(*pool);
    const bool others =
        std::any_of(candidates.begin(), candidates.end(), [&](const steer::Candidate& candidate) {
          return candidate.destination != destination && candidate.usable && candidate.weight > 0;
        });
    if (!others) note += fmt::format("; pool {} has no other endpoint that serves", pool->name);
  }
  return note;
}

const char* past_tense(store::Word word) {
  switch (word) {
    case store::Word::drain:
      return "drained";
    case store::Word::up:
      return "held up";
    case store::Word::down:
      return "held down";
  }
  return "";
}

}  // namespace

Result<const config::Steer*> find_steer(const Model& model, const Request& request) {
  const auto text = text_argument(request, "name");
  const auto name = wire::Name::parse(text);
  if (!name) return name.error();
  if (const auto* steer = model.config().find_steer(*name)) return steer;
  std::vector<std::string> known;
  for (const auto& steer : model.config().steers) known.push_back(steer.name.text());
  return unknown(fmt::format("no steered name is '{}'", name->text()), name->text(), known);
}

std::vector<double> Model::weights(const config::Steer& steer) const {
  std::vector<double> configured, effective;
  const auto found = steerings_.find(steer.name);
  for (const auto& part : steer.pools) {
    configured.push_back(part.weight);
    effective.push_back(part.weight);
    if (found == steerings_.end() || !found->second.weights) continue;
    for (const auto& set : found->second.weights->pools)
      if (set.pool == part.pool) effective.back() = set.weight;
  }
  const bool all_zero =
      std::all_of(effective.begin(), effective.end(), [](double weight) { return weight == 0; });
  return all_zero ? configured : effective;
}

steer::Layout Model::layout(const config::Steer& steer) const {
  const auto due = weights(steer);
  const auto found = steerings_.find(steer.name);
  if (found != steerings_.end() && !found->second.layout.empty())
    if (const auto stored = steer::parse_layout(found->second.layout, pool_names(steer)))
      return steer::relay(*stored, due);
  return steer::lay_out(due);
}

health::State Model::health_of(const wire::Destination& destination, const config::Pool& pool) const {
  if (!pool.check) return {};
  const auto found = health_.find({destination, *pool.check});
  return found == health_.end() ? health::State{} : found->second;
}

const store::EndpointWord* Model::word(const wire::Destination& destination) const {
  const auto found = words_.find(destination);
  return found == words_.end() ? nullptr : &found->second;
}

std::vector<steer::Candidate> Model::candidates(const config::Pool& pool) const {
  std::vector<steer::Candidate> result;
  for (const auto& endpoint : pool.endpoints) {
    steer::Candidate candidate{endpoint.destination, endpoint.weight};
    candidate.usable = !pool.check || health_of(endpoint.destination, pool).verdict == health::Verdict::up;
    if (const auto* said = word(endpoint.destination)) {
      candidate.usable = said->word == store::Word::up;
      candidate.allowed = said->word == store::Word::up;
    }
    result.push_back(candidate);
  }
  return result;
}

std::optional<Time> Model::next_expiry() const {
  std::optional<Time> next;
  for (const auto& [destination, word] : words_)
    if (word.until && (!next || *word.until < *next)) next = word.until;
  return next;
}

void Model::apply(const store::Change& change) {
  auto steering = [&](const std::string& name) -> Steering& {
    return steerings_[wire::Name::parse(name).value()];
  };
  std::visit(Overloaded{
                 [&](const store::WeightOverride& set) { steering(set.steer).weights = set; },
                 [&](const store::WeightReset& reset) { steering(reset.steer).weights.reset(); },
                 [&](const store::LayoutChange& laid) { steering(laid.steer).layout = laid.layout; },
                 [&](const store::EndpointWord& word) { words_[word.destination] = word; },
                 [&](const store::EndpointWordTaken& taken) { words_.erase(taken.destination); },
             },
             change);
}

bool Model::apply_probe(const wire::Destination& destination, const config::Check& check,
                        const health::ProbeResult& result, Time now) {
  auto& state = health_[{destination, check.name}];
  const auto step = health::step(state, {check.rise, check.fall}, result, now);
  state = step.state;
  return step.changed;
}

void Model::replace_config(config::Config config) {
  config_ = std::move(config);
  std::set<HealthKey> probed;
  for (const auto& pool : config_.pools)
    for (const auto& endpoint : pool.endpoints)
      if (pool.check) probed.emplace(endpoint.destination, *pool.check);
  std::erase_if(health_, [&](const auto& entry) { return !probed.contains(entry.first); });
}

Result<Decision> set_weights(const Model& model, const Request& request, Time now) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto names = pool_names(**steer);
  auto after = model.weights(**steer);
  for (const auto& [pool, weight] : request.arguments.at("weights").as_object()) {
    const auto found = std::find(names.begin(), names.end(), std::string_view(pool));
    if (found == names.end())
      return unknown(fmt::format("{} has no pool '{}'", (*steer)->name.text(), std::string_view(pool)), pool,
                     names);
    after[static_cast<std::size_t>(found - names.begin())] = weight.to_number<double>();
  }
  store::WeightOverride set{(*steer)->name.text(), {}, request.who, now};
  std::vector<config::PoolWeight> to_check;
  for (std::size_t i = 0; i < names.size(); ++i) {
    set.pools.push_back({names[i], after[i]});
    to_check.push_back({names[i], after[i]});
  }
  if (const auto checked = config::check_weights(to_check); !checked) return checked.error();
  return change_weights(model, **steer, after, std::move(set), request, "weight.set", now);
}

Result<Decision> reset_weights(const Model& model, const Request& request, Time now) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto name = (*steer)->name;
  if (!model.steerings().contains(name) || !model.steerings().at(name).weights)
    return unchanged_weights(name.text());
  std::vector<double> configured;
  for (const auto& part : (*steer)->pools) configured.push_back(part.weight);
  return change_weights(model, **steer, configured, store::WeightReset{name.text()}, request, "weight.reset",
                        now);
}

Result<Decision> say_word(const Model& model, const Request& request, store::Word word, Time now) {
  const auto destination = find_endpoint(model, request);
  if (!destination) return destination.error();
  store::EndpointWord said{*destination, word, request.who, text_argument(request, "reason"), now, {}};
  if (const auto length = text_argument(request, "for"); !length.empty())
    said.until = now + parse_duration(length).value();

  Decision decision;
  auto text = fmt::format("{} {}", to_text(*destination), past_tense(word));
  if (said.until) text += fmt::format(" until {}", to_text(*said.until));
  if (!said.reason.empty()) text += fmt::format(" ({})", said.reason);
  if (word != store::Word::up) text += emptied_pools(model, *destination);
  decision.events = {
      {0, now, request.who, fmt::format("endpoint.{}", store::to_text(word)), to_text(*destination), text}};
  decision.changes = {said};
  decision.reply = endpoint_reply(model, *destination, true, text);
  if (word != store::Word::up) decision.cached_for = longest_ttl(model.config(), *destination);
  return decision;
}

Result<Decision> take_word(const Model& model, const Request& request, std::optional<store::Word> only,
                           Time now) {
  const auto destination = find_endpoint(model, request);
  if (!destination) return destination.error();
  const auto* said = model.word(*destination);
  if (only && (said == nullptr || said->word != *only))
    return Error{ErrorCode::refused, fmt::format("{} is not {}", to_text(*destination), past_tense(*only))};
  Decision decision;
  if (said == nullptr) {
    decision.reply =
        endpoint_reply(model, *destination, false, to_text(*destination) + " is left to its check already");
    return decision;
  }
  const auto text = fmt::format("{} is left to its check again", to_text(*destination));
  decision.changes = {store::EndpointWordTaken{*destination}};
  decision.events = {
      {0, now, request.who, only ? "endpoint.undrain" : "endpoint.auto", to_text(*destination), text}};
  decision.reply = endpoint_reply(model, *destination, true, text);
  return decision;
}

Decision expire_words(const Model& model, Time now) {
  Decision decision;
  for (const auto& [destination, word] : model.words()) {
    if (!word.until || *word.until > now) continue;
    decision.changes.push_back(store::EndpointWordTaken{destination});
    decision.events.push_back(
        {0, now, word.by, "endpoint.auto", to_text(destination),
         fmt::format("{} is left to its check again: the time for which it was {} is over",
                     to_text(destination), past_tense(word.word))});
  }
  return decision;
}

Decision settle_layouts(const Model& model) {
  Decision decision;
  for (const auto& steer : model.config().steers) {
    auto text = steer::to_text(model.layout(steer), pool_names(steer));
    const auto found = model.steerings().find(steer.name);
    if (found == model.steerings().end() || found->second.layout != text)
      decision.changes.push_back(store::LayoutChange{steer.name.text(), std::move(text)});
  }
  return decision;
}

}  // namespace sluice::control
