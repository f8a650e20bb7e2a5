#include "control/words.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fnmatch.h>

#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "control/arguments.hpp"
#include "control/rollings.hpp"
#include "control/safety.hpp"
#include "control/word_layers.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {
namespace {

using Endpoints = std::vector<wire::Destination>;

// --- what ADDRESS stands for ---

struct Addressed {
  std::string text;     // as it was written
  Endpoints endpoints;  // each once, in the config's order; at least one
  bool several;         // by how it was written: the reply then lists them
};

constexpr std::string_view pool_prefix = "pool:";

bool is_pattern(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

// In the config's order.
Endpoints all_endpoints(const config::Config& config) {
  Endpoints endpoints;
  std::set<wire::Destination> seen;
  for (const auto& pool : config.pools)
    for (const auto& endpoint : pool.endpoints)
      if (seen.insert(endpoint.destination).second) endpoints.push_back(endpoint.destination);
  return endpoints;
}

std::vector<std::string> texts(const Endpoints& endpoints) {
  std::vector<std::string> result;
  for (const auto& endpoint : endpoints) result.push_back(to_text(endpoint));
  return result;
}

// A host's final dot may be left out, as everywhere.
bool matches(const std::string& pattern, std::string text) {
  constexpr int flags = FNM_NOESCAPE | FNM_CASEFOLD;
  if (fnmatch(pattern.c_str(), text.c_str(), flags) == 0) return true;
  if (!text.ends_with('.')) return false;
  text.pop_back();
  return fnmatch(pattern.c_str(), text.c_str(), flags) == 0;
}

Result<Addressed> find_by_pattern(const config::Config& config, const std::string& pattern) {
  Addressed addressed{pattern, {}, true};
  const auto all = all_endpoints(config);
  std::copy_if(all.begin(), all.end(), std::back_inserter(addressed.endpoints),
               [&](const wire::Destination& endpoint) { return matches(pattern, to_text(endpoint)); });
  if (!addressed.endpoints.empty()) return addressed;
  constexpr std::ptrdiff_t shown_max = 8;
  const auto known = texts(all);
  const auto shown = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(known.size()), shown_max);
  auto message = fmt::format("no endpoint matches '{}'", pattern);
  if (shown > 0)
    message += fmt::format("; there is {}", fmt::join(known.begin(), known.begin() + shown, ", "));
  if (known.size() > shown_max) message += fmt::format(", and {} more", known.size() - shown_max);
  return Error{ErrorCode::not_found, std::move(message)};
}

Result<Addressed> find_by_pool(const Model& model, const std::string& text) {
  const auto pool = find_pool(model, text.substr(pool_prefix.size()));
  if (!pool) return pool.error();
  Addressed addressed{text, {}, true};
  for (const auto& endpoint : (*pool)->endpoints) addressed.endpoints.push_back(endpoint.destination);
  return addressed;
}

Result<Addressed> find_endpoints(const Model& model, const Request& request) {
  const auto& config = model.config();
  const auto text = text_argument(request, "address");
  if (text.starts_with(pool_prefix)) return find_by_pool(model, text);
  if (is_pattern(text)) return find_by_pattern(config, text);
  const auto endpoint = find_endpoint(model, text);
  if (!endpoint) return endpoint.error();
  return Addressed{text, {*endpoint}, false};
}

// --- what is said ---

constexpr const char* kind_undrain = "endpoint.undrain";

const char* kind_of(std::optional<store::Word> word) {
  if (!word) return "endpoint.auto";
  switch (*word) {
    case store::Word::drain:
      return "endpoint.drain";
    case store::Word::up:
      return "endpoint.up";
    case store::Word::down:
      return "endpoint.down";
  }
  return "";
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool takes_out(std::optional<store::Word> word) { return word && *word != store::Word::up; }

// What the operator should know before the word has its effect: pools that are left with nothing to hand out.
std::string emptied_pools(const Model& model, const Endpoints& endpoints) {
  const std::set<wire::Destination> taken(endpoints.begin(), endpoints.end());
  std::string note;
  for (const auto& pool : model.config().pools) {
    const bool concerned =
        std::any_of(pool.endpoints.begin(), pool.endpoints.end(),
                    [&](const auto& endpoint) { return taken.contains(endpoint.destination); });
    if (!concerned) continue;
    const auto candidates = model.candidates(pool);
    const bool others = std::any_of(candidates.begin(), candidates.end(), [&](const auto& candidate) {
      return candidate.usable && candidate.weight > 0 && !taken.contains(candidate.destination);
    });
    if (!others) note += fmt::format("; pool {} has no other endpoint that serves", pool.name);
  }
  return note;
}

// Why what is taken out by now must not be joined by these.
std::optional<Error> rules_against(Taking& taking, std::span<const wire::Destination> endpoints,
                                   store::Word word) {
  const auto why = taking.take(endpoints);
  if (!why) return {};
  return Error{ErrorCode::refused, fmt::format("{} must not be {}: {}",
                                               endpoints.size() == 1 ? to_text(endpoints.front())
                                                                     : counted(endpoints.size(), "endpoint"),
                                               past_tense(word), *why)};
}

// --- how it is told ---

// What becomes of one endpoint.
struct Outcome {
  wire::Destination endpoint;
  bool changed = false;
  std::string text;  // what follows its address
};

boost::json::object told(const Model& model, const Outcome& outcome, const std::string& note) {
  boost::json::array pools;
  for (const auto* pool : model.config().pools_with(outcome.endpoint)) pools.emplace_back(pool->name);
  return {{"address", to_text(outcome.endpoint)},
          {"changed", outcome.changed},
          {"text", fmt::format("{} {}{}", to_text(outcome.endpoint), outcome.text, note)},
          {"pools", std::move(pools)}};
}

// "2 endpoints drained until ..., 1 endpoint is not drained"
std::string summary(const std::vector<Outcome>& outcomes) {
  std::vector<std::pair<std::string_view, std::size_t>> counts;  // in the order of the outcomes
  for (const auto& outcome : outcomes) {
    const auto found = std::find_if(counts.begin(), counts.end(),
                                    [&](const auto& count) { return count.first == outcome.text; });
    if (found == counts.end()) {
      counts.emplace_back(outcome.text, 1);
    } else {
      ++found->second;
    }
  }
  std::string text;
  for (const auto& [what, count] : counts)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", counted(count, "endpoint"), what);
  return text;
}

boost::json::object reply_of(const Model& model, const Addressed& addressed,
                             const std::vector<Outcome>& outcomes, const std::string& note) {
  auto reply = told(model, outcomes.front(), note);
  if (addressed.several) {
    boost::json::array endpoints;
    for (const auto& outcome : outcomes) endpoints.push_back(told(model, outcome, ""));
    const bool changed =
        std::any_of(outcomes.begin(), outcomes.end(), [](const auto& one) { return one.changed; });
    reply = {{"pattern", addressed.text},
             {"changed", changed},
             {"text", summary(outcomes) + note},
             {"endpoints", std::move(endpoints)}};
  }
  reply["cached_until"] = nullptr;
  return reply;
}

store::Event event_of(const Request& request, const Outcome& outcome, const char* kind,
                      const std::string& note, Time now) {
  const auto address = to_text(outcome.endpoint);
  return {0, now, request.who, kind, address, fmt::format("{} {}{}", address, outcome.text, note)};
}

constexpr const char* no_word = "auto";

std::string change_of_word(const Model& model, const wire::Destination& endpoint, const char* to) {
  const auto* before = model.word(endpoint);
  return boost::json::serialize(
      boost::json::object{{"from", before == nullptr ? no_word : to_text(before->word)}, {"to", to}});
}

// --- at a later time ---

// None: until it is taken back.
Result<std::optional<Duration>> length_of(const Request& request) {
  const auto length = duration_argument(request, "for");
  if (length && *length < word_length_min)
    return Error{ErrorCode::invalid, fmt::format("'for' has to be at least {}", to_text(word_length_min))};
  return length;
}

// None: at once.
Result<std::optional<Time>> moment_of(const Request& request, Time now) {
  const auto text = text_argument(request, "at");
  if (text.empty()) return std::optional<Time>();
  const auto at = parse_moment(text, now);
  if (!at) return at.error();
  if (*at < now)
    return Error{ErrorCode::refused, fmt::format("{} is over; it is {} now", to_text(*at), to_text(now))};
  if (*at - now > schedule_ahead_max)
    return Error{ErrorCode::refused, fmt::format("{} is more than ten years ahead", to_text(*at))};
  return std::optional(*at);
}

std::string scheduled_text(const store::ScheduledWord& scheduled) {
  const char* what = scheduled.word         ? past_tense(*scheduled.word)
                     : scheduled.only_drain ? "left to its check, if it is drained then,"
                                            : "left to its check";
  auto text = fmt::format("will be {} at {}", what, to_text(scheduled.at));
  if (scheduled.length) text += fmt::format(" for {}", to_text(*scheduled.length));
  return text + in_brackets(scheduled.reason);
}

// How it goes together with what is in force, and scheduled, now.
std::string company_of(const Model& model, const store::ScheduledWord& scheduled) {
  std::string text;
  const auto& others = model.scheduled(scheduled.destination);
  if (const auto other = others.find(scheduled.at); other != others.end())
    text = fmt::format("; it takes the place of '{}'{}, which {} had scheduled for then",
                       store::to_text(other->second), in_brackets(other->second.reason), other->second.by);
  const auto* present = model.word(scheduled.destination);
  if (present == nullptr || !scheduled.word || !scheduled.length) return text;
  const auto until = std::optional(scheduled.at + *scheduled.length);
  const auto left = left_beneath(present, *scheduled.word, until);
  if (!left.empty())
    return text + fmt::format("; then {} again{}", past_tense(left.front().word), with_end(left.front()));
  if (!outlasts(*present, until) || is_by_rolling(*present)) return text;
  return text +
         fmt::format("; it is {}{} already, and stays so", past_tense(present->word), with_end(*present));
}

bool has_room(const Model& model, const wire::Destination& endpoint, Time at) {
  const auto& scheduled = model.scheduled(endpoint);
  return scheduled.size() < scheduled_max || scheduled.contains(at);
}

Result<Decision> schedule(const Model& model, const Request& request, const Addressed& addressed,
                          std::optional<store::Word> word, bool only_drain, Time at, Time now) {
  const auto length = length_of(request);
  if (!length) return length.error();
  const auto note = takes_out(word) ? emptied_pools(model, addressed.endpoints) : "";
  Decision decision;
  std::vector<Outcome> outcomes;
  for (const auto& endpoint : addressed.endpoints) {
    if (!has_room(model, endpoint, at))
      return Error{ErrorCode::refused,
                   fmt::format("{} has {} scheduled words already, and no more are kept; `endpoint "
                               "auto` takes all of them back",
                               to_text(endpoint), scheduled_max)};
    store::ScheduledWord scheduled{
        endpoint, at, word, request.who, text_argument(request, "reason"), now, *length, only_drain};
    outcomes.push_back({endpoint, true, scheduled_text(scheduled) + company_of(model, scheduled)});
    decision.events.push_back(
        event_of(request, outcomes.back(), "endpoint.schedule", addressed.several ? "" : note, now));
    decision.changes.emplace_back(std::move(scheduled));
  }
  decision.reply = reply_of(model, addressed, outcomes, note);
  decision.reply["at"] = to_text(at);
  return decision;
}

// --- taking back ---

// By an agent's word, or a report.
std::set<wire::Destination> drained_by_themselves(const Model& model) {
  std::set<wire::Destination> drained;
  for (const auto& pool : model.config().pools)
    for (const auto& endpoint : pool.endpoints) {
      const auto* watched = model.watched(endpoint, pool);
      if (watched != nullptr && watched->state.verdict == health::Verdict::drained)
        drained.insert(endpoint.destination);
    }
  return drained;
}

// What `undrain` does. What it takes back may lie beneath another word, or over one.
Outcome take_only(const Model& model, const wire::Destination& endpoint, store::Word only,
                  const std::set<wire::Destination>& by_themselves, Decision& decision) {
  const auto* said = model.word(endpoint);
  if (said == nullptr || !has(*said, only))
    return {endpoint, false,
            by_themselves.contains(endpoint) ? "is drained by its own word, and not by an operator's"
                                             : fmt::format("is not {}", past_tense(only))};
  auto left = without(*said, only);
  if (!left) {
    decision.changes.emplace_back(store::EndpointWordTaken{endpoint});
    return {endpoint, true, "is left to its check again"};
  }
  const auto text = said->word == only ? fmt::format("is {} again{}", past_tense(left->word), with_end(*left))
                                       : fmt::format("stays {}, and is not {} after it",
                                                     past_tense(left->word), past_tense(only));
  decision.changes.emplace_back(*std::move(left));
  return {endpoint, true, text};
}

Error nothing_taken(const Addressed& addressed, const std::vector<Outcome>& outcomes, store::Word only) {
  if (!addressed.several)
    return {ErrorCode::refused,
            fmt::format("{} {}", to_text(outcomes.front().endpoint), outcomes.front().text)};
  return {ErrorCode::refused,
          fmt::format("none of what '{}' stands for is {} by an operator", addressed.text, past_tense(only))};
}

// What `auto` does.
Outcome take_all(const Model& model, const wire::Destination& endpoint, Decision& decision) {
  const auto* said = model.word(endpoint);
  const auto scheduled = model.scheduled(endpoint).size();
  std::string text = said == nullptr ? "is left to its check already" : "is left to its check again";
  if (said != nullptr) decision.changes.emplace_back(store::EndpointWordTaken{endpoint});
  if (said != nullptr && !said->beneath.empty())
    text += fmt::format("; {} beneath the one in force taken back", counted(said->beneath.size(), "word"));
  if (scheduled > 0) {
    decision.changes.emplace_back(store::ScheduleTaken{endpoint});
    text += fmt::format("; {} taken back", counted(scheduled, "scheduled word"));
  }
  return {endpoint, said != nullptr || scheduled > 0, std::move(text)};
}

// --- what is due ---

std::string over_text(store::Word word) {
  return fmt::format("the time for which it was {} is over", past_tense(word));
}

// One endpoint's words as time goes by. What was due several times over comes to one change.
class Passing {
 public:
  // `taking`: what has been taken out so far, of all endpoints.
  Passing(const Model& model, const wire::Destination& endpoint, Taking& taking, Time now, Time started)
      : endpoint_(endpoint), taking_(taking), now_(now), started_(started) {
    if (const auto* said = model.word(endpoint)) before_ = after_ = *said;
  }

  void carry_out(const store::ScheduledWord& due, Decision& decision) {
    decision.changes.emplace_back(store::ScheduledWordDone{endpoint_, due.at});
    // A word that was said after it was due, while the store could not be written; not one that was said
    // before the clock was set back.
    if (after_ && after_->since > due.at && after_->since <= now_) return keep_present(due, decision);
    end_by(due.at, decision);
    if (due.only_drain) return take_drain(due, decision);
    if (!due.word) {
      after_.reset();
      return add_event(due, "is left to its check again", decision);
    }
    const auto until = due.length ? std::optional(due.at + *due.length) : std::nullopt;
    const auto* present = after_ ? &*after_ : nullptr;
    store::EndpointWord said{
        endpoint_, *due.word, due.by, due.reason, due.at, until, left_beneath(present, *due.word, until)};
    const bool changes_nothing =
        present != nullptr && present->word == said.word && outlasts(*present, until);
    if ((changes_nothing && !is_by_rolling(*present)) || said.beneath.size() > beneath_max)
      return keep_present(due, decision);
    add_event(due, past_tense(*due.word) + with_end(said) + fate_of(present, said), decision);
    after_ = std::move(said);
  }

  // It is due, and the rules do not allow it.
  void drop(const store::ScheduledWord& due, const std::string& why, Decision& decision) const {
    decision.changes.emplace_back(store::ScheduledWordDone{endpoint_, due.at});
    decision.events.push_back(
        {0, now_, due.by, "endpoint.schedule", to_text(endpoint_),
         fmt::format("what was scheduled for {} is not done: {}", to_text(due.at), why)});
  }

  void finish(Decision& decision) {
    end_by(now_, decision);
    if (after_ && (!before_ || before_->since != after_->since || before_->word != after_->word ||
                   before_->beneath.size() != after_->beneath.size()))
      decision.changes.emplace_back(*after_);
    if (before_ && !after_) decision.changes.emplace_back(store::EndpointWordTaken{endpoint_});
  }

 private:
  void keep_present(const store::ScheduledWord& due, Decision& decision) {
    decision.events.push_back(
        {0, now_, due.by, "endpoint.schedule", to_text(endpoint_),
         fmt::format("{} stays {}, as {} said: what was scheduled for {} does not take its place",
                     to_text(endpoint_), past_tense(after_->word), after_->by, to_text(due.at))});
  }

  void take_drain(const store::ScheduledWord& due, Decision& decision) {
    if (!after_ || !has(*after_, store::Word::drain)) return take_nothing(due, decision);
    after_ = without(*after_, store::Word::drain);
    add_event(due,
              after_ ? fmt::format("is {}, and not drained", past_tense(after_->word))
                     : "is left to its check again",
              decision);
  }

  void take_nothing(const store::ScheduledWord& due, Decision& decision) const {
    decision.events.push_back({0, now_, due.by, "endpoint.schedule", to_text(endpoint_),
                               fmt::format("{} is not drained: what was scheduled for {} takes nothing back",
                                           to_text(endpoint_), to_text(due.at))});
  }

  void end_by(Time time, Decision& decision) {
    const auto is_over = [&](const store::EndpointWord& word) { return word.until && *word.until <= time; };
    if (!after_ || !is_over(*after_)) return;
    auto over = *std::move(after_);
    std::erase_if(over.beneath, is_over);
    after_ = first_over_rest(over.beneath);
    const auto why = leave_out_forbidden();
    const auto what = after_ ? fmt::format("is {} again{}", past_tense(after_->word), with_end(*after_))
                             : "is left to its check again";
    add_end(after_ ? after_->by : over.by, fmt::format("{}: {}{}", what, over_text(over.word), why),
            decision);
  }

  // Of what lies beneath a word that is over, the first that the rules allow now holds again. Says what they
  // do not.
  std::string leave_out_forbidden() {
    std::string text;
    while (after_ && takes_out(after_->word)) {
      const auto why = rules_against(taking_, {&endpoint_, 1}, after_->word);
      if (!why) return text;
      text += ", and " + why->message;
      after_ = first_over_rest(std::move(after_->beneath));
    }
    return text;
  }

  // After the end of a word.
  void add_end(const std::string& by, const std::string& text, Decision& decision) const {
    const auto address = to_text(endpoint_);
    const auto word = after_ ? std::optional(after_->word) : std::nullopt;
    decision.events.push_back({0, now_, by, kind_of(word), address, fmt::format("{} {}", address, text)});
  }

  void add_event(const store::ScheduledWord& due, const std::string& what, Decision& decision) const {
    const auto address = to_text(endpoint_);
    auto text = fmt::format("{} {}", address, what);
    if (!due.word) text += in_brackets(due.reason);
    text += fmt::format(", as was said at {}", to_text(due.since));
    if (due.at < started_ && started_ <= now_)  // else the clock was set back since
      text += fmt::format("; it was due at {}, when sluiced did not run", to_text(due.at));
    const char* kind = due.only_drain ? kind_undrain : kind_of(due.word);
    decision.events.push_back({0, now_, due.by, kind, address, std::move(text)});
  }

  const wire::Destination& endpoint_;
  Taking& taking_;
  const Time now_, started_;
  std::optional<store::EndpointWord> before_, after_;
};

using DueWords = std::vector<const store::ScheduledWord*>;

// In their order.
DueWords scheduled_until(const Model& model, Time now) {
  DueWords due;
  for (const auto& [endpoint, scheduled] : model.schedule())
    for (const auto& [at, word] : scheduled)
      if (at <= now) due.push_back(&word);
  std::stable_sort(due.begin(), due.end(), [](const auto* a, const auto* b) { return a->at < b->at; });
  return due;
}

Endpoints taken_by(const DueWords& due) {
  Endpoints taken;
  for (const auto* word : due)
    if (takes_out(word->word)) taken.push_back(word->destination);
  return taken;
}

}  // namespace

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

Duration ttl_of(const Model& model, const std::vector<wire::Destination>& endpoints,
                std::optional<Duration> ttl_max) {
  std::set<std::string_view> pools;
  for (const auto& endpoint : endpoints)
    for (const auto* pool : model.config().pools_with(endpoint)) pools.insert(pool->name);
  Duration longest{};
  for (const auto& steer : model.config().steers) {
    const bool hands_out = std::any_of(steer.pools.begin(), steer.pools.end(),
                                       [&](const auto& part) { return pools.contains(part.pool); });
    if (!hands_out) continue;
    const auto ttl = model.ttl(steer);
    longest = std::max(longest, ttl_max ? std::min(ttl, steer.fitting_ttl(*ttl_max)) : ttl);
  }
  return longest;
}

Duration cached_for(const Model& model, const std::vector<wire::Destination>& endpoints,
                    std::optional<Duration> ttl_max) {
  const auto ttl = ttl_of(model, endpoints, ttl_max);
  return ttl == Duration::zero() ? ttl : rollout::time_in_caches(ttl);
}

Result<Decision> say_word(const Model& model, const Request& request, store::Word word, Time now) {
  const auto addressed = find_endpoints(model, request);
  if (!addressed) return addressed.error();
  const auto at = moment_of(request, now);
  if (!at) return at.error();
  if (*at) return schedule(model, request, *addressed, word, false, **at, now);
  if (takes_out(word)) {
    Taking taking(model);
    if (auto why = rules_against(taking, addressed->endpoints, word)) return *std::move(why);
  }

  const auto length = length_of(request);
  if (!length) return length.error();
  const auto until = *length ? std::optional(now + **length) : std::nullopt;
  const auto reason = text_argument(request, "reason");
  const auto note = takes_out(word) ? emptied_pools(model, addressed->endpoints) : "";

  Decision decision;
  std::vector<Outcome> outcomes;
  for (const auto& endpoint : addressed->endpoints) {
    const auto* present = model.word(endpoint);
    store::EndpointWord said{
        endpoint, word, request.who, reason, now, until, left_beneath(present, word, until)};
    if (said.beneath.size() > beneath_max) return too_deep(endpoint);
    outcomes.push_back({endpoint, true, past_tense(word) + with_end(said) + fate_of(present, said)});
    decision.events.push_back(
        event_of(request, outcomes.back(), kind_of(word), addressed->several ? "" : note, now));
    decision.events.back().details = change_of_word(model, endpoint, to_text(word));
    decision.changes.emplace_back(std::move(said));
  }
  decision.reply = reply_of(model, *addressed, outcomes, note);
  if (takes_out(word)) {
    decision.taken_out = addressed->endpoints;
    decision.cached_for = cached_for(model, addressed->endpoints);
  }
  return decision;
}

Result<Decision> take_word(const Model& model, const Request& request, std::optional<store::Word> only,
                           Time now) {
  const auto addressed = find_endpoints(model, request);
  if (!addressed) return addressed.error();
  const auto at = moment_of(request, now);
  if (!at) return at.error();
  if (*at) return schedule(model, request, *addressed, {}, only == store::Word::drain, **at, now);

  const auto by_themselves = only ? drained_by_themselves(model) : std::set<wire::Destination>{};
  Decision decision;
  std::vector<Outcome> outcomes;
  for (const auto& endpoint : addressed->endpoints) {
    outcomes.push_back(only ? take_only(model, endpoint, *only, by_themselves, decision)
                            : take_all(model, endpoint, decision));
    if (!outcomes.back().changed) continue;
    decision.events.push_back(event_of(request, outcomes.back(), only ? kind_undrain : kind_of({}), "", now));
    const auto* left = std::get_if<store::EndpointWord>(&decision.changes.back());
    decision.events.back().details =
        change_of_word(model, endpoint, left == nullptr ? no_word : to_text(left->word));
  }
  if (only && decision.changes.empty()) return nothing_taken(*addressed, outcomes, *only);
  decision.reply = reply_of(model, *addressed, outcomes, "");
  return decision;
}

Decision due_words(const Model& model, Time now, Time started) {
  std::map<wire::Destination, Passing> passing;
  Taking taking(model);
  auto of = [&](const wire::Destination& endpoint) -> Passing& {
    return passing.try_emplace(endpoint, model, endpoint, taking, now, started).first->second;
  };
  const auto due = scheduled_until(model, now);
  const bool are_all_allowed = !taking.take(taken_by(due));  // mostly they are, and that is soon said

  Decision decision;
  for (const auto* word : due) {
    auto& endpoint = of(word->destination);
    const auto why = are_all_allowed || !takes_out(word->word)
                         ? std::nullopt
                         : rules_against(taking, {&word->destination, 1}, *word->word);
    if (why)
      endpoint.drop(*word, why->message, decision);
    else
      endpoint.carry_out(*word, decision);
  }
  for (const auto& [endpoint, word] : model.words())
    if (word.until && *word.until <= now) of(endpoint);
  for (auto& [endpoint, one] : passing) one.finish(decision);
  return decision;
}

}  // namespace sluice::control
