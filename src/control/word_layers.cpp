#include "control/word_layers.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "control/rollings.hpp"
#include "control/words.hpp"

namespace sluice::control {
namespace {

std::vector<store::EndpointWord> with_beneath(const store::EndpointWord& word) {
  std::vector<store::EndpointWord> all{word};
  all.front().beneath.clear();
  all.insert(all.end(), word.beneath.begin(), word.beneath.end());
  return all;
}

// Whether `present` makes way for good for a word `said`, which may end sooner: one more of its kind corrects
// it, and a rolling upgrade that has lost its drain goes on without it.
bool makes_way(const store::EndpointWord& present, store::Word said) {
  return present.word == said || is_by_rolling(present);
}

}  // namespace

std::string in_brackets(const std::string& reason) {
  return reason.empty() ? "" : fmt::format(" ({})", reason);
}

bool outlasts(const store::EndpointWord& word, const std::optional<Time>& until) {
  return until && (!word.until || *word.until > *until);
}

std::optional<store::EndpointWord> first_over_rest(std::vector<store::EndpointWord> words) {
  if (words.empty()) return {};
  auto first = std::move(words.front());
  first.beneath.assign(std::make_move_iterator(words.begin() + 1), std::make_move_iterator(words.end()));
  return first;
}

std::optional<store::EndpointWord> without(const store::EndpointWord& word, store::Word kind) {
  auto words = with_beneath(word);
  std::erase_if(words, [&](const auto& one) { return one.word == kind; });
  return first_over_rest(std::move(words));
}

std::vector<store::EndpointWord> left_beneath(const store::EndpointWord* present, store::Word said,
                                              const std::optional<Time>& until) {
  if (present == nullptr) return {};
  auto words = with_beneath(*present);
  if (makes_way(*present, said)) words.erase(words.begin());
  std::erase_if(words, [&](const auto& one) { return !outlasts(one, until); });
  return words;
}

std::string with_end(const store::EndpointWord& word) {
  return (word.until ? fmt::format(" until {}", to_text(*word.until)) : "") + in_brackets(word.reason);
}

std::string fate_of(const store::EndpointWord* present, const store::EndpointWord& said) {
  if (!said.beneath.empty())
    return fmt::format("; then {} again{}", past_tense(said.beneath.front().word),
                       with_end(said.beneath.front()));
  if (present == nullptr || !outlasts(*present, said.until)) return "";
  return fmt::format("; not {}{} any more", past_tense(present->word),
                     present->until ? with_end(*present) : " without end" + in_brackets(present->reason));
}

Error too_deep(const wire::Destination& endpoint) {
  return {ErrorCode::refused,
          fmt::format("{} has {} words already that hold again one after the other, and no more are kept; "
                      "`endpoint auto` takes all of them back",
                      to_text(endpoint), beneath_max)};
}

bool has(const store::EndpointWord& word, store::Word kind) {
  const auto is_it = [&](const auto& one) { return one.word == kind; };
  return is_it(word) || std::any_of(word.beneath.begin(), word.beneath.end(), is_it);
}

}  // namespace sluice::control
