// The operator's words about one endpoint, one over the other: what is said for some time lies over what was
// said for longer, and that holds again after it. Pure.
//
//   held up until 10:00        in force
//   held down until 12:00      beneath: from 10:00
//   drained                    beneath: from 12:00, until it is taken back
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "store/store.hpp"

namespace sluice::control {

// What lies beneath a word until `until` when it is said over `present`, if there is that.
std::vector<store::EndpointWord> left_beneath(const store::EndpointWord* present, store::Word said,
                                              const std::optional<Time>& until);

// What becomes of `present` by what is `said` over it, where that is not plain: "; then drained again (disk)"
std::string fate_of(const store::EndpointWord* present, const store::EndpointWord& said);

// The first of the words over all others; none of none.
std::optional<store::EndpointWord> first_over_rest(std::vector<store::EndpointWord> words);

// What is left without the words of a kind, whether in force or beneath.
std::optional<store::EndpointWord> without(const store::EndpointWord& word, store::Word kind);
bool has(const store::EndpointWord& word, store::Word kind);

// Whether it holds after `until`, if that comes at all.
bool outlasts(const store::EndpointWord& word, const std::optional<Time>& until);

// More than beneath_max would lie beneath.
Error too_deep(const wire::Destination& endpoint);

// " until 2027-01-15T08:00:00.000Z (disk)"
std::string with_end(const store::EndpointWord& word);
std::string in_brackets(const std::string& reason);

}  // namespace sluice::control
