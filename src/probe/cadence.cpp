#include "probe/cadence.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include <fmt/format.h>

#include "base/hash.hpp"
#include "probe/runner_client.hpp"

namespace sluice::probe {
namespace {

constexpr HashKey
    phase_key{};  // nothing is secret about a phase: the keyed hash is taken because it is stable

Duration first_window(const Target& target) { return std::min(target.check.interval, first_window_max); }

}  // namespace

Duration phase_of(const Target& target) {
  const auto text = fmt::format("{} {} {} {}", to_text(target.destination), target.check.port,
                                target.check.name, target.check.host);
  const auto hash = keyed_hash(phase_key, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  const auto interval = static_cast<std::uint64_t>(target.check.interval.count());
  return Duration(static_cast<Duration::rep>(hash % interval));
}

Duration first_delay(const Target& target, std::size_t count) {
  if (count <= begin_at_once_max) return Duration::zero();
  return phase_of(target) * first_window(target).count() / target.check.interval.count();
}

Duration second_delay(const Target& target) { return phase_of(target) + target.check.interval; }

Duration first_round_time(const std::vector<Target>& targets) {
  struct Queue {
    std::size_t places, count = 0;
    Duration longest{};

    Duration time() const { return longest * static_cast<Duration::rep>((count + places - 1) / places); }
  };
  Queue programs{programs_open_max}, connections{probes_open_max};
  Duration window{};
  for (const auto& target : targets) {
    auto& queue = target.check.type == config::CheckType::exec ? programs : connections;
    ++queue.count;
    queue.longest = std::max(queue.longest, target.check.timeout);
    if (targets.size() > begin_at_once_max) window = std::max(window, first_window(target));
  }
  return window + std::max(programs.time(), connections.time());
}

Clock::time_point begin_of(Clock::time_point due) {
  const auto since_beat = due.time_since_epoch() % beat;
  return since_beat == Clock::duration::zero() ? due : due + (beat - since_beat);
}

Clock::time_point next_due(Clock::time_point due, Duration interval, Clock::time_point began,
                           Clock::time_point now) {
  constexpr int lateness_part = 4;  // of an interval
  auto next = due + interval;
  if (next + interval <= now) next += (now - next) / interval * interval;
  return std::max(next, began + interval - interval / lateness_part);
}

}  // namespace sluice::probe
