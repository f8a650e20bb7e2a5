// The operator's words about endpoints: at once or later, about one endpoint or about all that a pattern
// names. Pure.
//
//   ADDRESS        192.0.2.10, edge.cdn.example    one endpoint
//                  192.0.2.*, *.cdn.example        a pattern of fnmatch(3), by the endpoints' texts
//                  pool:v1                         all of a pool
//
// What is said about several is said about all of them or about none. What is said for some time lies over
// what was said for longer, which holds again after it.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"

namespace sluice::control {

// Words that are scheduled for one endpoint.
inline constexpr std::size_t scheduled_max = 8;

// Words that lie beneath the one in force.
inline constexpr std::size_t beneath_max = 4;

// A word for less would be over before it is in effect everywhere.
inline constexpr Duration word_length_min{1000};

// How far ahead they may be.
inline constexpr Duration schedule_ahead_max = std::chrono::hours(24) * 3653;

// "drained", "held up", "held down"
const char* past_tense(store::Word word);

// The longest TTL of the names that can hand one of the endpoints out; 0: there is none. `ttl_max`: if theirs
// were that at most.
Duration ttl_of(const Model& model, const std::vector<wire::Destination>& endpoints,
                std::optional<Duration> ttl_max = {});

// How long a cache may hold an answer that is given now, by the longest TTL of the names that can hand one of
// the endpoints out.
Duration cached_for(const Model& model, const std::vector<wire::Destination>& endpoints,
                    std::optional<Duration> ttl_max = {});

Result<Decision> say_word(const Model& model, const Request& request, store::Word word, Time now);

// `only`: this word and nothing else (undrain). Without it, the word in force and all that are scheduled; or,
// when the request has a time, the word that is in force then. A drain that is to be taken back later need
// not be in force yet.
Result<Decision> take_word(const Model& model, const Request& request, std::optional<store::Word> only,
                           Time now);

// What time has brought by `now`: scheduled words, in their order, and the end of words that had one.
// `started` is when the daemon did: what was due before then was missed, and its event says so.
Decision due_words(const Model& model, Time now, Time started);

}  // namespace sluice::control
