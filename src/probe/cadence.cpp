#include "probe/cadence.hpp"

#include <cstdint>
#include <span>
#include <string>

#include <fmt/format.h>

#include "base/hash.hpp"

namespace sluice::probe {
namespace {

constexpr HashKey
    phase_key{};  // nothing is secret about a phase: the keyed hash is taken because it is stable

}  // namespace

Duration phase_of(const Target& target) {
  const auto text = fmt::format("{} {} {} {}", to_text(target.destination), target.check.port,
                                target.check.name, target.check.host);
  const auto hash = keyed_hash(phase_key, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  const auto interval = static_cast<std::uint64_t>(target.check.interval.count());
  return Duration(static_cast<Duration::rep>(hash % interval));
}

Clock::time_point next_due(Clock::time_point due, Duration interval, Clock::time_point now) {
  const auto next = due + interval;
  return now < next ? next : next + (now - next) / interval * interval;
}

}  // namespace sluice::probe
